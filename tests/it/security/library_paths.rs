//! No path and no link leads out of the library.

use std::fs;

use reelkin::ErrorKind;
use reelkin::library::Library;

#[tokio::test]
async fn names_with_paths_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("clips");
    let library = Library::open(&folder).unwrap();
    fs::write(folder.join("a.mp4"), b"inside").unwrap();
    fs::write(outer.path().join("secret.mp4"), b"outside").unwrap();
    fs::write(outer.path().join("secret.mp4.json"), b"{}").unwrap();
    let absolute = outer.path().join("secret.mp4");
    let absolute = absolute.to_str().unwrap();
    let inside_out = folder.join("../secret.mp4");
    for name in [
        "",
        ".",
        "..",
        "/",
        "../secret.mp4",
        "../secret",
        "./../secret.mp4",
        "a/../../secret.mp4",
        "..\\secret.mp4",
        "%2e%2e/secret.mp4",
        "secret.mp4\0",
        "\0",
        "a.mp4/../../secret.mp4",
        "/etc/passwd",
        "file:///etc/passwd",
        "~/secret.mp4",
        ".incoming/x.mp4",
        absolute,
        inside_out.to_str().unwrap(),
        &"x".repeat(5000),
        "a\r\nb",
    ] {
        for error in [
            library.clip(name).await.unwrap_err(),
            library.resolve(name).await.unwrap_err(),
        ] {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::InvalidRequest | ErrorKind::NotFound),
                "{name:?}: {error}"
            );
            assert!(!error.to_string().contains(['\0', '\n', '\r']), "{error}");
        }
    }
    // A name that only looks like an escape is a plain name of a missing clip.
    assert_eq!(
        library.clip("%2e%2e%2fsecret").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_are_not_followed() {
    use std::os::unix::fs::symlink;

    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("clips");
    let library = Library::open(&folder).unwrap();
    fs::write(outer.path().join("secret.mp4"), b"outside").unwrap();
    fs::write(outer.path().join("secret.json"), b"{\"prompt\": \"secret\"}").unwrap();
    symlink(outer.path().join("secret.mp4"), folder.join("link.mp4")).unwrap();
    fs::write(folder.join("a.mp4"), b"inside").unwrap();
    symlink(outer.path().join("secret.json"), folder.join("a.mp4.json")).unwrap();
    fs::create_dir(folder.join("folder.mp4")).unwrap();

    for name in ["link", "a", "folder"] {
        let error = library.clip(name).await.unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    let error = library
        .resolve(folder.join("link.mp4").to_str().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    let page = library
        .list(reelkin::library::ListOptions::default())
        .await
        .unwrap();
    let names: Vec<_> = page
        .clips
        .iter()
        .map(|entry| (entry.id.as_str(), entry.clip.is_ok()))
        .collect();
    assert_eq!(names, [("a", false)]);

    // A link to the library or into it is fine, because its target is there.
    symlink(&folder, outer.path().join("alias")).unwrap();
    symlink(folder.join("b.mp4"), outer.path().join("to-b.mp4")).unwrap();
    fs::write(folder.join("b.mp4"), b"inside").unwrap();
    for path in ["alias/b.mp4", "to-b.mp4", "clips/b.mp4", "clips/../alias/b.mp4"] {
        let found = library
            .resolve(outer.path().join(path).to_str().unwrap())
            .await
            .unwrap();
        assert_eq!(found.id.as_str(), "b");
    }
    let library = Library::open(outer.path().join("alias")).unwrap();
    assert_eq!(library.folder().unwrap(), folder.canonicalize().unwrap());
}
