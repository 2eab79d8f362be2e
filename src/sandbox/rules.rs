//! What the service accepts: its rules, in the sandbox's own copy.
//!
//! Owns models, the capability matrix, limits and the words of every refusal. Shares nothing with the
//! client's tables on purpose: a wrong limit there must fail here. State of October 2026.

use axum::http::StatusCode;
use serde::Deserialize;

use super::errors::Refusal;
use super::wire::{
    VideoUrl, WireAspectRatio, WireEdit, WireExtension, WireGeneration, WireImage, WireKeyframe, WireOutput,
    WirePublicUrl, WireStorage, WireVoice,
};

/// The team that every key belongs to.
pub(super) const TEAM: &str = "00000000-0000-0000-0000-000000000000";

/// Longest prompt in characters. Longer ones are accepted and fail later.
pub(super) const MAX_PROMPT: usize = 4096;

/// Longest clip that can be edited, in milliseconds.
pub(super) const MAX_EDIT_MILLIS: u64 = 8_700;

/// Lengths of a clip that can be extended, in milliseconds.
pub(super) const EXTENDABLE_MILLIS: std::ops::RangeInclusive<u64> = 2_000..=15_000;

/// Seconds that an extension may really add; the synchronous check lets more pass.
pub(super) const EXTENSION_SECONDS: std::ops::RangeInclusive<u32> = 2..=10;

/// Most bytes of a given clip.
pub(super) const MAX_VIDEO_BYTES: usize = 50 << 20;

const SECONDS: std::ops::RangeInclusive<i64> = 1..=15;
const MAX_REFERENCES: usize = 14;
const MAX_VOICES: usize = 3;
const MAX_KEYFRAMES: usize = 4;
/// Keyframes snap to a grid of thirds of a second.
const KEYFRAME_GRID: u32 = 3;
pub(super) const LIFETIME: std::ops::RangeInclusive<i64> = 3_600..=2_592_000;

const VOICES: [&str; 26] = [
    "ara", "eve", "leo", "rex", "sal", "carina", "zagan", "helix", "orion", "luna", "iris", "altair",
    "zenith", "perseus", "helios", "lux", "kepler", "rigel", "cosmo", "celeste", "ursa", "sirius", "lumen",
    "castor", "naksh", "atlas",
];

/// A video model of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Model {
    Classic,
    OneFive,
    Lite,
}

impl Model {
    pub(super) const ALL: [Self; 3] = [Self::Classic, Self::OneFive, Self::Lite];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Classic => "grok-imagine-video",
            Self::OneFive => "grok-imagine-video-1.5",
            Self::Lite => "grok-imagine-video-1.5-lite",
        }
    }

    pub(super) fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::OneFive => &[
                "grok-imagine-video-1.5-preview",
                "grok-imagine-video-1.5-2026-05-30",
            ],
            Self::Classic | Self::Lite => &[],
        }
    }

    pub(super) fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &["text", "image", "video"],
            Self::OneFive => &["text", "image", "audio"],
            Self::Lite => &["text", "image"],
        }
    }

    /// By id or alias; the old name of the classic model still works.
    pub(super) fn find(name: &str) -> Option<Self> {
        if name == "grok-imagine-video-beta" {
            return Some(Self::Classic);
        }
        Self::ALL
            .into_iter()
            .find(|model| model.id() == name || model.aliases().contains(&name))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub(super) enum Resolution {
    #[serde(rename = "480p")]
    P480,
    #[serde(rename = "720p")]
    P720,
    #[serde(rename = "1080p")]
    P1080,
}

/// A picture or a clip by where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Url(String),
    FileId(String),
}

/// A request that passed every check made before the answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) model: Model,
    pub(super) mode: Mode,
    pub(super) prompt: String,
    pub(super) upload_url: Option<String>,
    pub(super) storage: Option<Storage>,
}

#[derive(Debug)]
pub(super) enum Mode {
    Generate(Generate),
    Edit { video: Given },
    Extend { video: Given, seconds: u32 },
}

#[derive(Debug)]
pub(super) struct Generate {
    pub(super) seconds: u32,
    pub(super) aspect_ratio: WireAspectRatio,
    pub(super) resolution: Resolution,
    pub(super) sound: bool,
    pub(super) first: Option<Given>,
    pub(super) last: Option<Given>,
    /// With the third of a second each is pinned to.
    pub(super) keyframes: Vec<(u32, Given)>,
    pub(super) references: Vec<Given>,
    pub(super) voices: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) filename: String,
    pub(super) expires_after: Option<i64>,
    pub(super) public: Publish,
}

/// Whether a stored result gets a public link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publish {
    No,
    /// For so many seconds; without a number as long as the file.
    For(Option<i64>),
}

impl Plan {
    /// The name of the mode in the sandbox's state.
    pub(super) fn mode_name(&self) -> &'static str {
        match &self.mode {
            Mode::Edit { .. } => "edit",
            Mode::Extend { .. } => "extend",
            Mode::Generate(plan) if !plan.references.is_empty() || plan.voices > 0 => "references",
            Mode::Generate(plan) if plan.last.is_some() || !plan.keyframes.is_empty() => "frames",
            Mode::Generate(plan) if plan.first.is_some() => "image",
            Mode::Generate(_) => "text",
        }
    }

    /// Everything that is given by reference, for a look whether it is there.
    pub(super) fn given(&self) -> Vec<&Given> {
        match &self.mode {
            Mode::Edit { video } | Mode::Extend { video, .. } => vec![video],
            Mode::Generate(plan) => plan
                .first
                .iter()
                .chain(&plan.last)
                .chain(plan.keyframes.iter().map(|(_, given)| given))
                .chain(&plan.references)
                .collect(),
        }
    }
}

/// Checks `POST /v1/videos/generations`.
pub(super) fn generation(body: WireGeneration, zdr: bool) -> Result<Plan, Refusal> {
    let model = find_model(body.model.as_deref())?;
    let references = body.reference_images.unwrap_or_default();
    let voices = body.reference_audios.unwrap_or_default();
    let keyframes = body.keyframes.unwrap_or_default();
    supports(model != Model::Lite || references.is_empty(), "reference_images")?;
    supports(model == Model::OneFive || voices.is_empty(), "reference_audios")?;
    supports(model == Model::OneFive || body.last_frame.is_none(), "last_frame")?;
    supports(model == Model::OneFive || keyframes.is_empty(), "keyframes")?;

    let pinned = body.last_frame.is_some() || !keyframes.is_empty();
    let by_reference = !references.is_empty() || !voices.is_empty() || pinned;
    if model == Model::Classic && body.image.is_some() && !references.is_empty() {
        return Err(Refusal::invalid(
            "`image` and `reference_images` cannot be combined for this model.",
        ));
    }
    if references.len() > MAX_REFERENCES {
        return Err(Refusal::invalid(format!(
            "Too many reference images: {}. Maximum allowed is {MAX_REFERENCES}.",
            references.len()
        )));
    }
    check_voices(&voices)?;

    let seconds = body.duration.unwrap_or(8);
    let resolution = body.resolution.unwrap_or(Resolution::P480);
    if by_reference {
        let most = if model == Model::Classic {
            10
        } else {
            *SECONDS.end()
        };
        if seconds > most {
            return Err(Refusal::invalid(format!(
                "Duration {seconds}s exceeds the maximum allowed for reference-to-video, which is {most}s."
            )));
        }
        if resolution == Resolution::P1080 {
            return Err(Refusal::invalid(
                "1080p video resolution is not supported for reference-to-video requests.",
            ));
        }
    }
    let seconds = check_seconds(seconds)?;
    if resolution == Resolution::P1080 && model == Model::Classic {
        return Err(Refusal::invalid(
            "1080p video resolution is not supported for this model.",
        ));
    }
    let prompt = body.prompt.unwrap_or_default();
    if prompt.trim().is_empty() && body.image.is_none() && references.is_empty() && !pinned {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    let plan = Generate {
        seconds,
        aspect_ratio: body.aspect_ratio.unwrap_or(WireAspectRatio::Wide),
        resolution,
        sound: body.generate_audio.unwrap_or(true),
        first: body.image.map(|image| given_image("image", image)).transpose()?,
        last: body
            .last_frame
            .map(|image| given_image("last_frame", image))
            .transpose()?,
        keyframes: check_keyframes(keyframes, seconds)?,
        references: references
            .into_iter()
            .map(|image| given_image("reference_images", image))
            .collect::<Result<_, _>>()?,
        voices: voices.len(),
    };
    let upload_url = check_output(body.output, zdr)?;
    let storage = check_storage(body.storage_options)?;
    Ok(Plan {
        model,
        mode: Mode::Generate(plan),
        prompt,
        upload_url,
        storage,
    })
}

/// Checks `POST /v1/videos/edits`.
pub(super) fn edit(body: WireEdit, zdr: bool) -> Result<Plan, Refusal> {
    let model = find_model(body.model.as_deref())?;
    if model != Model::Classic {
        return Err(Refusal::invalid("Video editing is not supported for this model."));
    }
    if body.prompt.trim().is_empty() {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    Ok(Plan {
        model,
        mode: Mode::Edit {
            video: given_video(body.video)?,
        },
        prompt: body.prompt,
        upload_url: check_output(body.output, zdr)?,
        storage: check_storage(body.storage_options)?,
    })
}

/// Checks `POST /v1/videos/extensions`.
pub(super) fn extension(body: WireExtension, zdr: bool) -> Result<Plan, Refusal> {
    let model = find_model(body.model.as_deref())?;
    if model != Model::Classic {
        return Err(Refusal::invalid(
            "Video extension is not supported for this model.",
        ));
    }
    let seconds = check_seconds(body.duration.unwrap_or(6))?;
    if body.prompt.trim().is_empty() {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    Ok(Plan {
        model,
        mode: Mode::Extend {
            video: given_video(body.video)?,
            seconds,
        },
        prompt: body.prompt,
        upload_url: check_output(body.output, zdr)?,
        storage: check_storage(body.storage_options)?,
    })
}

fn find_model(name: Option<&str>) -> Result<Model, Refusal> {
    let name = name.unwrap_or("grok-imagine-video");
    Model::find(name).ok_or_else(|| {
        Refusal::not_found(format!(
            "The model {name} does not exist or your team {TEAM} does not have access to it."
        ))
    })
}

fn supports(holds: bool, field: &str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::invalid(format!(
            "`{field}` is not supported for this model."
        )))
    }
}

fn check_seconds(seconds: i64) -> Result<u32, Refusal> {
    match u32::try_from(seconds) {
        Ok(whole) if SECONDS.contains(&seconds) => Ok(whole),
        _ => Err(Refusal::invalid("Duration must be between 1 and 15 seconds")),
    }
}

fn check_voices(voices: &[WireVoice]) -> Result<(), Refusal> {
    if voices.len() > MAX_VOICES {
        return Err(Refusal::invalid(format!(
            "Too many reference audio clips: {}. Maximum allowed is {MAX_VOICES}.",
            voices.len()
        )));
    }
    for voice in voices {
        match (&voice.voice_id, &voice.url) {
            (Some(id), None) if VOICES.contains(&id.to_lowercase().as_str()) => {}
            (Some(id), None) => {
                let known = VOICES.join(", ");
                return Err(Refusal::invalid(format!(
                    "Unknown voice_id: {id}. Available voices: {known}."
                )));
            }
            (None, Some(_)) => {
                return Err(Refusal::forbidden(
                    "reference_audios with a url is not enabled for this team",
                ));
            }
            _ => {
                return Err(Refusal::invalid(
                    "Exactly one of voice_id and url must be set in reference_audios.",
                ));
            }
        }
    }
    Ok(())
}

fn check_keyframes(keyframes: Vec<WireKeyframe>, seconds: u32) -> Result<Vec<(u32, Given)>, Refusal> {
    if keyframes.len() > MAX_KEYFRAMES {
        return Err(Refusal::invalid(format!(
            "Too many keyframes: {}. Maximum allowed is {MAX_KEYFRAMES}.",
            keyframes.len()
        )));
    }
    let mut slots: Vec<(u32, Given)> = Vec::new();
    for keyframe in keyframes {
        let at = keyframe.timestamp_s;
        if !(at > 0.0 && at < f64::from(seconds)) {
            return Err(Refusal::invalid(format!(
                "Keyframe timestamp {at}s must be strictly between 0 and the duration of {seconds}s."
            )));
        }
        // A pin just inside an end snaps to the first slot inside it: the ends belong to the other fields.
        // In whole milliseconds: 3 times a float may land on either side of the middle between two slots.
        let millis = (at * 1000.0).round() as u32;
        let slot = ((millis * KEYFRAME_GRID + 500) / 1000).clamp(1, seconds * KEYFRAME_GRID - 1);
        if slots.iter().any(|(taken, _)| *taken == slot) {
            return Err(Refusal::invalid(format!(
                "Two keyframes fall on the same 1/3-second slot at {:.3}s.",
                f64::from(slot) / f64::from(KEYFRAME_GRID)
            )));
        }
        slots.push((slot, given_image("keyframes", keyframe.image)?));
    }
    slots.sort_by_key(|(slot, _)| *slot);
    Ok(slots)
}

fn given_image(field: &str, image: WireImage) -> Result<Given, Refusal> {
    given(field, image.url, image.file_id)
}

fn given_video(video: VideoUrl) -> Result<Given, Refusal> {
    given("video", video.url, video.file_id)
}

fn given(field: &str, url: Option<String>, file_id: Option<String>) -> Result<Given, Refusal> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (filled(url), filled(file_id)) {
        (Some(url), None) => Ok(Given::Url(url)),
        (None, Some(id)) => Ok(Given::FileId(id)),
        (Some(_), Some(_)) => Err(Refusal::invalid(format!(
            "`{field}`: url and file_id are mutually exclusive."
        ))),
        (None, None) => Err(Refusal::invalid(format!(
            "`{field}`: one of url and file_id must be set."
        ))),
    }
}

fn check_output(output: Option<WireOutput>, zdr: bool) -> Result<Option<String>, Refusal> {
    let Some(link) = output.and_then(|output| output.upload_url) else {
        if zdr {
            return Err(Refusal::invalid(
                "Zero Data Retention teams must provide output.upload_url for video generation.",
            ));
        }
        return Ok(None);
    };
    let valid =
        url::Url::parse(&link).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if valid {
        Ok(Some(link))
    } else {
        Err(Refusal::invalid("The output.upload_url field is invalid."))
    }
}

fn check_storage(options: Option<WireStorage>) -> Result<Option<Storage>, Refusal> {
    let Some(options) = options else { return Ok(None) };
    if options.filename.trim().is_empty() {
        return Err(Refusal::invalid("storage_options.filename must not be empty."));
    }
    check_lifetime("storage_options.expires_after", options.expires_after)?;
    let public = match options.public_url {
        None | Some(WirePublicUrl::Switch(false)) => Publish::No,
        Some(WirePublicUrl::Switch(true)) => Publish::For(None),
        Some(WirePublicUrl::Options { expires_after }) => Publish::For(expires_after),
    };
    if let Publish::For(lifetime) = public {
        check_lifetime("storage_options.public_url.expires_after", lifetime)?;
    }
    Ok(Some(Storage {
        filename: options.filename,
        expires_after: options.expires_after,
        public,
    }))
}

/// One hour to thirty days.
pub(super) fn check_lifetime(field: &str, seconds: Option<i64>) -> Result<(), Refusal> {
    match seconds {
        Some(seconds) if !LIFETIME.contains(&seconds) => Err(Refusal::flat(
            StatusCode::BAD_REQUEST,
            "invalid-argument",
            format!(
                "{field} must be between {} and {} seconds.",
                LIFETIME.start(),
                LIFETIME.end()
            ),
        )),
        _ => Ok(()),
    }
}

/// The size of a clip for a ratio.
pub(super) fn size_for(ratio: WireAspectRatio, resolution: Resolution) -> (usize, usize) {
    let (long, short) = match ratio {
        WireAspectRatio::Wide | WireAspectRatio::Tall => [(848, 480), (1280, 720), (1920, 1080)],
        WireAspectRatio::Square => [(560, 560), (960, 960), (1440, 1440)],
        WireAspectRatio::FourThree | WireAspectRatio::ThreeFour => [(640, 480), (1088, 816), (1664, 1248)],
        // 672x448 and 1168x768 were seen on the service.
        WireAspectRatio::ThreeTwo | WireAspectRatio::TwoThree => [(672, 448), (1168, 768), (1728, 1152)],
        WireAspectRatio::Cinema => [(840, 360), (1456, 624), (2184, 936)],
        WireAspectRatio::Banner => [(880, 352), (1520, 608), (2280, 912)],
    }[resolution as usize];
    match ratio {
        WireAspectRatio::Tall | WireAspectRatio::ThreeFour | WireAspectRatio::TwoThree => (short, long),
        _ => (long, short),
    }
}

/// The size of a clip that follows a picture: the picture's own when it has about the pixels of the
/// resolution, else the nearest of the same shape.
pub(super) fn size_following(width: usize, height: usize, resolution: Resolution) -> (usize, usize) {
    let pixels = [307_200, 921_600, 2_073_600][resolution as usize];
    let area = width * height;
    let even = width.is_multiple_of(2) && height.is_multiple_of(2);
    let usual = width.max(height) <= width.min(height) * 4;
    if even && usual && (pixels * 7 / 10..=pixels * 14 / 10).contains(&area) {
        return (width, height);
    }
    let ratios = [
        WireAspectRatio::Square,
        WireAspectRatio::Wide,
        WireAspectRatio::Tall,
        WireAspectRatio::FourThree,
        WireAspectRatio::ThreeFour,
        WireAspectRatio::ThreeTwo,
        WireAspectRatio::TwoThree,
        WireAspectRatio::Cinema,
        WireAspectRatio::Banner,
    ];
    let shape = (width.max(1) as f64 / height.max(1) as f64).clamp(0.25, 4.0);
    for ratio in ratios {
        let (w, h) = size_for(ratio, resolution);
        if (w as f64 / h as f64 / shape - 1.0).abs() < 0.02 {
            return (w, h);
        }
    }
    let long = (pixels as f64 * shape).sqrt();
    (
        ((long / 16.0) as usize).max(4) * 16,
        ((long / shape / 16.0) as usize).max(4) * 16,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_a_clip_size_keeps_its_size() {
        for resolution in [Resolution::P480, Resolution::P720, Resolution::P1080] {
            for ratio in [
                WireAspectRatio::Wide,
                WireAspectRatio::Square,
                WireAspectRatio::TwoThree,
                WireAspectRatio::Banner,
            ] {
                let (w, h) = size_for(ratio, resolution);
                assert_eq!(size_following(w, h, resolution), (w, h));
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_gives_its_shape() {
        assert_eq!(size_following(4000, 2250, Resolution::P720), (1280, 720));
        assert_eq!(size_following(333, 333, Resolution::P480), (560, 560));
        let (w, h) = size_following(1000, 3000, Resolution::P720);
        assert!(w.is_multiple_of(2) && h.is_multiple_of(2) && h > w * 2, "{w}x{h}");
    }

    #[test]
    fn there_are_26_voices() {
        assert_eq!(VOICES.iter().collect::<std::collections::HashSet<_>>().len(), 26);
    }
}
