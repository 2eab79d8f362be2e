//! No record and no linked folder of the journal leads out of the library.

#![cfg(feature = "cli")]

use std::fs;

use reelkin::{ErrorKind, Library, Settlement};

use crate::support::bench::{Bench, PENDING, request};
use crate::support::journal::{ledger, open_records};

/// Somebody else may write to the library, so records are found by their own names only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_id_with_a_path_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::open(folder.path().join("clips")).unwrap();
    for id in [
        "../../etc/passwd",
        "",
        ".",
        "1763829999123_a1b2c3d4/../x",
        "x\0",
        "1763829999123_a1b2c3d4.5",
    ] {
        let error = library.job_record(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id:?}: {error}");
        let error = library.settle(id, Settlement::NeverMade).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id:?}: {error}");
    }
    let error = library.job_record("1763829999123_a1b2c3d4").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A link in place of a folder of records leads out of the library. Nothing that it points to is read, written or
/// removed.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_journal_is_not_followed() {
    let bench = Bench::start(&[]).await;
    bench.client().generate(request()).await.unwrap();
    for name in ["jobs", "ledger"] {
        let (inside, outside) = (bench.library().join(name), bench.folder.path().join(name));
        std::fs::rename(&inside, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &inside).unwrap();
        let client = bench.client();
        let error = client.spent(..).await.unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
        let error = client.generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Library, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        std::fs::remove_file(&inside).unwrap();
        std::fs::rename(&outside, &inside).unwrap();
    }
    assert!(open_records(&bench.library()).is_empty());
    assert_eq!((bench.state().creates, ledger(&bench.library()).len()), (1, 1));
}

/// A link in place of the folder leads out of the library. Nothing is written there, and no error claims so.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_quarantine_is_not_followed() {
    let bench = Bench::start(&["half-clip", PENDING]).await;
    let outside = bench.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let job = bench.client().generate(request()).start().await.unwrap();
    // A link that exists before prevents the request.
    std::os::unix::fs::symlink(&outside, bench.library().join("quarantine")).unwrap();
    bench.end_pending();
    let error = job.wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Media, "{error}");
    assert!(!error.to_string().contains("is kept"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(bench.library().join("quarantine")).unwrap();
    bench.sandbox.clear_faults();
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
}
