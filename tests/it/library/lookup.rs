//! How a clip is found by its name, and how a library is opened.

use std::fs;

use reelkin::ErrorKind;
use reelkin::library::Library;

use crate::support::library::empty_library;

#[tokio::test]
async fn a_clip_is_found_by_id_file_name_and_path() {
    let (folder, library) = empty_library();
    for stem in [
        "my clip",
        "1763812000000_0a1b2c3d",
        "x#1",
        "50% [draft]~{1}",
        "żółw",
        "what?*|<>\"^`",
    ] {
        if cfg!(windows) && stem.contains('?') {
            continue;
        }
        let file = folder.path().join(format!("{stem}.mp4"));
        fs::write(&file, b"clip").unwrap();
        let sidecar = folder.path().join(format!("{stem}.mp4.json"));
        fs::write(&sidecar, format!("{{\"prompt\": {stem:?}}}").replace('`', "`")).unwrap();
        for name in [
            stem,
            file.to_str().unwrap(),
            sidecar.to_str().unwrap(),
            &format!("{stem}.mp4"),
        ] {
            let clip = library.resolve(name).await.unwrap();
            assert_eq!(clip.id.as_str(), stem);
            assert_eq!(clip.record.as_ref().unwrap().prompt.as_deref(), Some(stem));
            assert_eq!(
                clip.path.as_deref(),
                Some(library.folder().unwrap().join(&clip.file_name).as_path())
            );
            assert_eq!(library.read(&clip.id, 10).await.unwrap(), b"clip"[..]);
        }
        assert_eq!(library.clip(stem).await.unwrap().id.as_str(), stem);
    }
    let error = library.clip("absent").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let id = "my clip".parse().unwrap();
    assert_eq!(
        library.read(&id, 3).await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
}

#[test]
fn opening_an_invalid_folder_reports_the_reason() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    fs::write(&file, b"x").unwrap();
    let error = Library::open(&file).unwrap_err();
    assert!(
        error.to_string().ends_with("it is a file, not a folder"),
        "{error}"
    );
    assert_eq!(
        Library::open_to_read(&file).unwrap_err().kind(),
        ErrorKind::Library
    );
    assert_eq!(
        Library::open(file.join("below")).unwrap_err().kind(),
        ErrorKind::Library
    );
    let absent = outer.path().join("a/b/c");
    assert_eq!(
        Library::open_to_read(&absent).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(!absent.exists());
    Library::open(&absent).unwrap();
    assert!(absent.is_dir());
    fs::remove_dir(absent.join(".incoming")).unwrap();
    fs::write(absent.join(".incoming"), b"x").unwrap();
    let error = Library::open(&absent).unwrap_err();
    assert!(
        error.to_string().contains(".incoming in it is not a folder"),
        "{error}"
    );
}
