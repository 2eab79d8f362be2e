use super::*;

#[test]
fn dangerous_names_are_rejected() {
    let long = "x".repeat(201);
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "..\\x",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        ".hidden",
        ".incoming",
        "x.mp4",
        "x.mp4.json",
        "x.json",
        "file:///etc/passwd",
        &long,
    ] {
        let error = ClipId::parse(name).expect_err(name);
        assert_eq!(
            crate::Error::from(error.clone()).kind(),
            crate::ErrorKind::InvalidRequest,
            "{name:?}"
        );
        assert!(!error.to_string().contains(['\0', '\n']), "{error}");
        assert!(error.to_string().len() < 200, "{error}");
    }
}

#[test]
fn windows_devices_are_recognized() {
    for name in [
        "con", "NUL", "nul.txt", "Com1", "LPT9.mp4", "aux ", "COM³", "CONIN$",
    ] {
        assert!(is_windows_device(name), "{name}");
    }
    for name in [
        "console",
        "com",
        "COM10",
        "nul_",
        "lpt",
        "x.nul",
        "1763812000000_0a1b2c3d",
    ] {
        assert!(!is_windows_device(name), "{name}");
    }
}

#[test]
fn names_from_other_programs_are_valid() {
    for name in [
        "my clip",
        "clip (1)",
        "żółw",
        "a..b",
        "x#1",
        "100%",
        "x~y[z]",
        "-o",
        &"x".repeat(200),
    ] {
        let id = ClipId::parse(name).unwrap();
        assert_eq!(ClipId::from_file_name(&id.file_name()).unwrap(), id);
        assert_eq!(ClipId::from_file_name(&id.sidecar_name()).unwrap(), id);
    }
    for name in [
        "clip",
        "clip.mov",
        "clip.MP4",
        ".mp4",
        "..mp4",
        "x.mp4.mp4",
        "a/b.mp4",
    ] {
        ClipId::from_file_name(name).expect_err(name);
    }
}

#[test]
fn new_ids_are_in_order() {
    let mut last = ClipId::fresh().unwrap();
    assert_eq!(last.as_str().len(), "1763812000000_0a1b2c3d".len());
    for _ in 0..10_000 {
        let next = ClipId::fresh().unwrap();
        assert!(next > last, "{next} after {last}");
        last = next;
    }
}

#[test]
fn an_id_has_a_time_even_if_the_clock_is_wrong() {
    for now in [0, 1, 86_400_000, 999_999_999, 1_763_812_000_000, LATEST_MILLIS] {
        let id = ClipId(format_timestamped(now, 7));
        assert_eq!(id.millis(), Some(now), "{id}");
        assert_eq!(ClipId::parse(id.as_str()).unwrap(), id);
    }
    assert!(ClipId(format_timestamped(5, 0)) < ClipId(format_timestamped(LATEST_MILLIS, 0)));
}

#[test]
fn ids_are_sorted_by_time_and_then_by_name() {
    let mut ids: Vec<ClipId> = [
        "zebra",
        "9763812000000_a",
        "10763812000000_a",
        "1763812000000_b",
        "0007_x",
        "1763812000000_a",
    ]
    .into_iter()
    .map(|name| ClipId::parse(name).unwrap())
    .collect();
    ids.sort();
    ids.reverse();
    let names: Vec<&str> = ids.iter().map(ClipId::as_str).collect();
    assert_eq!(
        names,
        [
            "10763812000000_a",
            "9763812000000_a",
            "1763812000000_b",
            "1763812000000_a",
            "zebra",
            "0007_x"
        ]
    );
}

#[test]
fn the_letters_of_a_uuid_have_no_case() {
    let [upper, lower] = [
        "4DEDC2AC-56e1-4339-ad4a-4c5d35add35a",
        "4dedc2ac-56e1-4339-ad4a-4c5d35add35a",
    ]
    .map(|id| JobId::parse(id).unwrap());
    assert_eq!(upper, lower);
    assert_eq!(upper.as_str(), "4DEDC2AC-56e1-4339-ad4a-4c5d35add35a");
    assert!(std::collections::HashSet::from([upper.clone()]).contains(&lower));
    assert_eq!(ClipId::job_suffix(&upper), ClipId::job_suffix(&lower));
    assert_ne!(JobId::parse("Job-1").unwrap(), JobId::parse("job-1").unwrap());
}
