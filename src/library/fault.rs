//! What went wrong with a disk or a store, in words.

use std::io;

use crate::error::{Error, ErrorKind};

/// An I/O error while `doing` something, with the cause a person can act on in front.
pub(super) fn io_fault(doing: &str, error: io::Error) -> Error {
    let (kind, why, guidance) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "it does not exist", None),
        io::ErrorKind::StorageFull => (
            ErrorKind::Library,
            "no space is left on the disk",
            Some("free some space on the disk of the library, or use another library"),
        ),
        io::ErrorKind::QuotaExceeded => (
            ErrorKind::Library,
            "the disk quota is used up",
            Some("free some space on the disk of the library, or use another library"),
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Library,
            "the disk is read-only",
            Some("use a library on a disk that can be written"),
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Library,
            "permission is denied",
            Some("give this user the right to write there, or use another library"),
        ),
        io::ErrorKind::FileTooLarge => (ErrorKind::Library, "the disk takes no file of that size", None),
        _ => return Error::new(ErrorKind::Library, doing).with_source(error),
    };
    let fault = Error::new(kind, format!("{doing}: {why}")).with_source(error);
    match guidance {
        Some(words) => fault.with_guidance(words),
        None => fault,
    }
}

/// The same for an object store.
pub(super) fn store_fault(doing: &str, error: object_store::Error) -> Error {
    use object_store::Error as Store;
    let (kind, why) = match &error {
        Store::NotFound { .. } => (ErrorKind::NotFound, ": it does not exist"),
        Store::AlreadyExists { .. } => (ErrorKind::Library, ": it exists already"),
        Store::PermissionDenied { .. } => (ErrorKind::Library, ": permission is denied"),
        Store::Unauthenticated { .. } => (ErrorKind::Library, ": the store refused the credentials"),
        _ => (ErrorKind::Library, ""),
    };
    Error::new(kind, format!("{doing}{why}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_says_in_words_what_is_wrong() {
        let table = [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::Library,
                "no space is left on the disk",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                ErrorKind::Library,
                "the disk quota is used up",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                ErrorKind::Library,
                "the disk is read-only",
            ),
            (
                io::ErrorKind::PermissionDenied,
                ErrorKind::Library,
                "permission is denied",
            ),
            (
                io::ErrorKind::FileTooLarge,
                ErrorKind::Library,
                "the disk takes no file of that size",
            ),
            (io::ErrorKind::NotFound, ErrorKind::NotFound, "it does not exist"),
        ];
        for (cause, kind, words) in table {
            let fault = io_fault("write clip a.mp4", cause.into());
            assert_eq!(fault.kind(), kind);
            assert!(
                fault
                    .to_string()
                    .starts_with(&format!("write clip a.mp4: {words}: ")),
                "{fault}"
            );
        }
        let fault = io_fault("write clip a.mp4", io::Error::other("on fire"));
        assert_eq!(fault.to_string(), "write clip a.mp4: on fire");
    }
}
