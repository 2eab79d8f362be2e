use super::*;
use crate::request::{GenerateMode, GenerateRequest, Keyframe, MediaInput, secs};

fn picture() -> MediaInput {
    MediaInput::bytes("picture", &b"x"[..])
}

fn check_with(request: &GenerateRequest, validation: Validation) -> Result<CheckedRequest> {
    request.check(ModelTable::built_in()?, &Defaults::default(), validation)
}

fn check(request: &GenerateRequest) -> Result<CheckedRequest> {
    check_with(request, Validation::Strict)
}

/// Returns the message of the refusal.
fn refusal(request: &GenerateRequest) -> String {
    let error = check(request).expect_err("the table forbids this");
    assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
    assert_eq!(error.may_have_been_charged(), crate::Charge::No);
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.ends_with('.'), "{line}");
    line
}

#[test]
fn open_fields_use_the_documented_defaults() {
    let checked = check(&GenerateRequest::text("rain")).unwrap();
    assert_eq!(checked.model, VideoModel::CLASSIC);
    assert_eq!(
        (checked.seconds, checked.resolution.as_str(), checked.audio),
        (5, "480p", true)
    );
    assert_eq!(checked.aspect_ratio, None);
    assert_eq!(checked.estimate.unwrap().to_string(), "$0.25");
    assert!(checked.warnings.is_empty());
}

#[test]
fn a_blank_prompt_is_refused_with_guidance() {
    for prompt in ["", " ", "\n\t"] {
        let error = check(&GenerateRequest::text(prompt)).unwrap_err();
        assert!(error.guidance().unwrap().contains("ending frame"), "{prompt:?}");
    }
    assert!(check(&GenerateRequest::image(picture())).is_ok());
    assert!(check(&GenerateRequest::image(picture()).prompt(" ")).is_err());
    let voices_alone = GenerateRequest::default().voices(["eve"]).model(VideoModel::V1_5);
    assert!(refusal(&voices_alone).contains("blank"));
}

#[test]
fn invalid_durations_are_refused() {
    let base = || GenerateRequest::text("rain");
    assert!(refusal(&base().duration(secs(0))).contains("duration 0 s"));
    assert!(refusal(&base().duration(secs(16))).contains("1 to 15 s"));
    assert!(refusal(&base().duration(Duration::from_millis(2500))).contains("2.5 s"));
    assert!(refusal(&base().duration(secs(u64::MAX))).contains("out of range"));
    assert!(check(&base().duration(secs(15))).is_ok());
    let references = GenerateRequest::references([picture()]).duration(secs(11));
    assert!(refusal(&references).contains("1 to 10 s"));
    assert!(check(&references.model(VideoModel::V1_5)).is_ok());
}

#[test]
fn resolutions_depend_on_model_and_mode() {
    let hd = |request: GenerateRequest| request.resolution(Resolution::P1080);
    assert!(refusal(&hd(GenerateRequest::text("rain"))).contains("480p or 720p"));
    assert!(check(&hd(GenerateRequest::text("rain")).model(VideoModel::V1_5)).is_ok());
    let references = hd(GenerateRequest::references([picture()])).model(VideoModel::V1_5);
    assert!(refusal(&references).contains("resolution 1080p"));
}

#[test]
fn aspect_ratios_depend_on_model_and_mode() {
    assert!(refusal(&GenerateRequest::text("rain").aspect_ratio("7:5")).contains("aspect_ratio 7:5"));
    assert!(refusal(&GenerateRequest::text("rain").aspect_ratio("auto")).contains("omit it"));
    assert!(refusal(&GenerateRequest::image(picture()).aspect_ratio("16:9")).contains("would be ignored"));
    assert!(check(&GenerateRequest::text("rain").aspect_ratio("2:3")).is_ok());
}

#[test]
fn counts_of_references_and_voices_are_limited() {
    let references = |count| GenerateRequest::references(vec![picture(); count]);
    assert!(refusal(&references(15)).contains("at most 14"));
    assert!(check(&references(14)).is_ok());
    assert!(refusal(&references(0)).contains("references are empty"));
    let voices = |count| {
        GenerateRequest::text("hi")
            .voices(vec!["eve"; count])
            .model(VideoModel::V1_5)
    };
    assert!(refusal(&voices(4)).contains("at most 3"));
    assert!(check(&voices(3)).is_ok());
    assert!(refusal(&GenerateRequest::text("hi").voices(["eve"])).contains("accepts no voices"));
}

#[test]
fn an_unsupported_mode_names_models_that_support_it() {
    let lite = GenerateRequest::references([picture()]).model(VideoModel::V1_5_LITE);
    assert!(refusal(&lite).contains("use grok-imagine-video or grok-imagine-video-1.5"));
    let pinned = GenerateRequest::frames(None, Some(picture()), []);
    assert!(refusal(&pinned).contains("grok-imagine-video-1.5"));
}

#[test]
fn keyframes_lie_inside_the_clip_on_different_slots() {
    let frames = |times: &[u64]| {
        let keyframes = times
            .iter()
            .map(|ms| Keyframe::new(Duration::from_millis(*ms), picture()));
        GenerateRequest::frames(None, None, keyframes)
            .model(VideoModel::V1_5)
            .duration(secs(6))
    };
    assert!(check(&frames(&[333, 2667])).is_ok());
    assert!(refusal(&frames(&[0])).contains("not inside"));
    assert!(refusal(&frames(&[6000])).contains("below 6 s"));
    assert!(refusal(&frames(&[1000, 1100])).contains("same third"));
    // Both are moved to the first third inside the clip, or both to the last.
    assert!(refusal(&frames(&[100, 300])).contains("same third"));
    assert!(refusal(&frames(&[5600, 5900])).contains("same third"));
    // 0.5 s lies between two thirds and is moved to the later one.
    assert!(refusal(&frames(&[500, 667])).contains("same third"));
    assert!(check(&frames(&[499, 500])).is_ok());
    let mut fine = frames(&[1000]);
    if let GenerateMode::Frames { keyframes, .. } = &mut fine.mode {
        keyframes[0].at += Duration::from_nanos(1);
    }
    assert!(refusal(&fine).contains("give whole milliseconds"));
    assert!(refusal(&frames(&[1000, 2000, 3000, 4000, 5000])).contains("at most 4"));
    assert!(refusal(&frames(&[])).contains("neither"));
    let spoken = frames(&[1000]).voices(["eve"]);
    assert!(refusal(&spoken).contains("use them with references"));
}

#[test]
fn long_prompts_are_counted_in_characters() {
    let prompt = "é".repeat(4096);
    assert!(check(&GenerateRequest::text(prompt.clone())).is_ok());
    assert!(refusal(&GenerateRequest::text(prompt + "é")).contains("4097 characters"));
}

#[test]
fn storage_lifetimes_are_checked() {
    let stored =
        |life| GenerateRequest::text("rain").storage(StorageOptions::new("a.mp4").expires_after(secs(life)));
    assert!(check(&stored(3600)).is_ok());
    assert!(refusal(&stored(3599)).contains("expires_after 3599 s"));
    let link = StorageOptions::new("a.mp4").public_url(PublicUrl::ExpiresAfter(secs(1)));
    assert!(refusal(&GenerateRequest::text("rain").storage(link)).contains("public_url"));
    assert!(refusal(&GenerateRequest::text("rain").storage(StorageOptions::new(" "))).contains("filename"));
}

#[test]
fn an_unknown_model_passes_with_a_warning() {
    let request = GenerateRequest::text("rain")
        .model("grok-imagine-video-2.0")
        .duration(secs(40));
    let checked = check(&request).unwrap();
    assert_eq!(checked.estimate, None);
    assert!(checked.warnings[0].contains("not in the table"));
}

#[test]
fn warn_accepts_with_a_warning_and_off_without() {
    let request = GenerateRequest::text("rain").aspect_ratio("21:9");
    assert!(check(&request).is_err());
    assert!(check_with(&request, Validation::Warn).unwrap().warnings[0].contains("21:9"));
    assert!(check_with(&request, Validation::Off).unwrap().warnings.is_empty());
    assert!(check_with(&GenerateRequest::text(" "), Validation::Off).is_err());
}

#[test]
fn estimates_count_every_picture() {
    let request = GenerateRequest::frames(Some(picture()), Some(picture()), [])
        .model(VideoModel::V1_5)
        .duration(secs(6))
        .resolution(Resolution::P720);
    // 6 s at $0.14 and two pictures at $0.01.
    assert_eq!(check(&request).unwrap().estimate.unwrap().to_string(), "$0.86");
}
