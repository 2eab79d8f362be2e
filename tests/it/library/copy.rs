//! Copies of clips to places outside the library.

use std::fs;

use reelkin::ErrorKind;
use reelkin::library::Library;

#[tokio::test]
async fn a_copy_replaces_files_only_and_never_enters_the_library() {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let library = Library::open(at("clips")).unwrap();
    fs::write(at("clips/a.mp4"), b"clip").unwrap();
    fs::write(at("clips/b.mp4"), b"other").unwrap();
    let clip = library.clip("a").await.unwrap();

    assert_eq!(
        library.copy_out(&clip, at("new.mp4")).await.unwrap(),
        at("new.mp4").canonicalize().unwrap()
    );
    assert_eq!(fs::read(at("new.mp4")).unwrap(), b"clip");
    fs::write(at("old.mp4"), b"a longer file than the clip").unwrap();
    library.copy_out(&clip, at("old.mp4")).await.unwrap();
    assert_eq!(fs::read(at("old.mp4")).unwrap(), b"clip");
    library.copy_into(&clip, at("x/y")).await.unwrap();
    library.copy_into(&clip, at("x/y")).await.unwrap();
    assert_eq!(fs::read(at("x/y/a.mp4")).unwrap(), b"clip");

    fs::create_dir_all(at("clips/ledger/2026-01-01")).unwrap();
    for (to, why) in [
        ("x", "it is a folder"),
        ("clips/ledger/2026-01-01/new.mp4", "it is in the library"),
        ("clips/b.mp4", "it is in the library"),
        ("clips/new.mp4", "it is in the library"),
        ("x/..", "it is a folder"),
    ] {
        let error = library.copy_out(&clip, at(to)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(
        library
            .copy_out(&clip, at("absent/a.mp4"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    assert!(library.copy_into(&clip, at("old.mp4")).await.is_err());
    assert_eq!(
        library.copy_into(&clip, at("clips")).await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    assert_eq!(fs::read(at("clips/a.mp4")).unwrap(), b"clip");
    assert_eq!(fs::read(at("clips/b.mp4")).unwrap(), b"other");

    fs::remove_file(at("clips/a.mp4")).unwrap();
    assert_eq!(
        library.copy_out(&clip, at("gone.mp4")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let left: Vec<_> = fs::read_dir(outer.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.') || name == "gone.mp4")
        .collect();
    assert_eq!(left, [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_follows_a_link_to_a_file_and_refuses_devices() {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let library = Library::open(at("clips")).unwrap();
    fs::write(at("clips/a.mp4"), b"clip").unwrap();
    let clip = library.clip("a").await.unwrap();
    fs::write(at("real.mp4"), b"old").unwrap();
    std::os::unix::fs::symlink("real.mp4", at("link.mp4")).unwrap();
    library.copy_out(&clip, at("link.mp4")).await.unwrap();
    assert_eq!(fs::read(at("real.mp4")).unwrap(), b"clip");
    assert!(fs::symlink_metadata(at("link.mp4")).unwrap().is_symlink());
    std::os::unix::fs::symlink("nothing", at("dangling.mp4")).unwrap();
    for to in [at("dangling.mp4"), "/dev/null".into()] {
        assert_eq!(
            library.copy_out(&clip, to).await.unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
    }
    // A path into the library through a link is detected.
    std::os::unix::fs::symlink(at("clips"), at("alias")).unwrap();
    std::os::unix::fs::symlink(at("clips/a.mp4"), at("self.mp4")).unwrap();
    for to in ["alias/b.mp4", "self.mp4"] {
        assert!(
            library
                .copy_out(&clip, at(to))
                .await
                .unwrap_err()
                .to_string()
                .contains("in the library")
        );
    }
    assert_eq!(fs::read(at("clips/a.mp4")).unwrap(), b"clip");
}
