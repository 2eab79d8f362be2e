//! Checks video requests by the service's rules.
//!
//! Defines the checks that are made before a create request is answered, and the wording of each refusal. Failures
//! after that are in `render::job`.

use super::limits::{
    KEYFRAMES_PER_SECOND, LIFETIME_SECONDS, MAX_CLASSIC_REFERENCE_SECONDS, MAX_KEYFRAMES, MAX_REFERENCES,
    MAX_VOICES, SECONDS, VOICES,
};
use super::refusal::Refusal;
use super::video_body::{
    VideoUrl, WireAspectRatio, WireEdit, WireExtension, WireGeneration, WireImage, WireKeyframe, WireOutput,
    WirePublicUrl, WireStorage, WireVoice,
};
use super::video_model::{Resolution, VideoModel};
use super::video_request::{Generation, MediaRef, PublicUrl, RequestKind, StorageRequest, VideoRequest};

/// The model for a request that does not specify one.
const DEFAULT_MODEL: &str = "grok-imagine-video";

/// Checks the body of `POST /v1/videos/generations`. `zdr` is whether the team has Zero Data Retention.
pub(crate) fn generation(body: WireGeneration, zdr: bool) -> Result<VideoRequest, Refusal> {
    let model = VideoModel::find(body.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    let references = body.reference_images.unwrap_or_default();
    let voices = body.reference_audios.unwrap_or_default();
    let keyframes = body.keyframes.unwrap_or_default();
    require_support(
        model != VideoModel::Lite || references.is_empty(),
        "reference_images",
    )?;
    require_support(
        model == VideoModel::OneFive || voices.is_empty(),
        "reference_audios",
    )?;
    require_support(
        model == VideoModel::OneFive || body.last_frame.is_none(),
        "last_frame",
    )?;
    require_support(model == VideoModel::OneFive || keyframes.is_empty(), "keyframes")?;

    let pinned = body.last_frame.is_some() || !keyframes.is_empty();
    let by_reference = !references.is_empty() || !voices.is_empty() || pinned;
    if model == VideoModel::Classic && body.image.is_some() && !references.is_empty() {
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
        let max = if model == VideoModel::Classic {
            MAX_CLASSIC_REFERENCE_SECONDS
        } else {
            *SECONDS.end()
        };
        if seconds > max {
            return Err(Refusal::invalid(format!(
                "Duration {seconds}s exceeds the maximum allowed for reference-to-video, which is {max}s."
            )));
        }
        if resolution == Resolution::P1080 {
            return Err(Refusal::invalid(
                "1080p video resolution is not supported for reference-to-video requests.",
            ));
        }
    }
    let seconds = check_seconds(seconds)?;
    if resolution == Resolution::P1080 && model == VideoModel::Classic {
        return Err(Refusal::invalid(
            "1080p video resolution is not supported for this model.",
        ));
    }
    let prompt = body.prompt.unwrap_or_default();
    if prompt.trim().is_empty() && body.image.is_none() && references.is_empty() && !pinned {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    let generation = Generation {
        seconds,
        aspect_ratio: body.aspect_ratio.unwrap_or(WireAspectRatio::Wide),
        resolution,
        sound: body.generate_audio.unwrap_or(true),
        first: body.image.map(|image| image_ref("image", image)).transpose()?,
        last: body
            .last_frame
            .map(|image| image_ref("last_frame", image))
            .transpose()?,
        keyframes: check_keyframes(keyframes, seconds)?,
        references: references
            .into_iter()
            .map(|image| image_ref("reference_images", image))
            .collect::<Result<_, _>>()?,
        voices: voices.len(),
    };
    let upload_url = check_output(body.output, zdr)?;
    let storage = check_storage(body.storage_options)?;
    Ok(VideoRequest {
        model,
        kind: RequestKind::Generate(generation),
        prompt,
        upload_url,
        storage,
    })
}

/// Checks `POST /v1/videos/edits`.
pub(crate) fn edit(body: WireEdit, zdr: bool) -> Result<VideoRequest, Refusal> {
    let model = VideoModel::find(body.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    if model != VideoModel::Classic {
        return Err(Refusal::invalid("Video editing is not supported for this model."));
    }
    if body.prompt.trim().is_empty() {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    Ok(VideoRequest {
        model,
        kind: RequestKind::Edit {
            video: video_ref(body.video)?,
        },
        prompt: body.prompt,
        upload_url: check_output(body.output, zdr)?,
        storage: check_storage(body.storage_options)?,
    })
}

/// Checks `POST /v1/videos/extensions`.
pub(crate) fn extension(body: WireExtension, zdr: bool) -> Result<VideoRequest, Refusal> {
    let model = VideoModel::find(body.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    if model != VideoModel::Classic {
        return Err(Refusal::invalid(
            "Video extension is not supported for this model.",
        ));
    }
    let seconds = check_seconds(body.duration.unwrap_or(6))?;
    if body.prompt.trim().is_empty() {
        return Err(Refusal::invalid("Prompt cannot be empty."));
    }
    Ok(VideoRequest {
        model,
        kind: RequestKind::Extend {
            video: video_ref(body.video)?,
            seconds,
        },
        prompt: body.prompt,
        upload_url: check_output(body.output, zdr)?,
        storage: check_storage(body.storage_options)?,
    })
}

fn require_support(is_supported: bool, field: &str) -> Result<(), Refusal> {
    if is_supported {
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

fn check_keyframes(keyframes: Vec<WireKeyframe>, seconds: u32) -> Result<Vec<(u32, MediaRef)>, Refusal> {
    if keyframes.len() > MAX_KEYFRAMES {
        return Err(Refusal::invalid(format!(
            "Too many keyframes: {}. Maximum allowed is {MAX_KEYFRAMES}.",
            keyframes.len()
        )));
    }
    let mut slots: Vec<(u32, MediaRef)> = Vec::new();
    for keyframe in keyframes {
        let at = keyframe.timestamp_s;
        if !(at > 0.0 && at < f64::from(seconds)) {
            return Err(Refusal::invalid(format!(
                "Keyframe timestamp {at}s must be strictly between 0 and the duration of {seconds}s."
            )));
        }
        // A keyframe close to an end of the clip moves to the nearest inner slot, because the slots at the ends are for
        // `image` and `last_frame`. Integer arithmetic on milliseconds rounds exactly, unlike floats.
        let millis = (at * 1000.0).round() as u32;
        let slot =
            ((millis * KEYFRAMES_PER_SECOND + 500) / 1000).clamp(1, seconds * KEYFRAMES_PER_SECOND - 1);
        if slots.iter().any(|(used, _)| *used == slot) {
            return Err(Refusal::invalid(format!(
                "Two keyframes fall on the same 1/3-second slot at {:.3}s.",
                f64::from(slot) / f64::from(KEYFRAMES_PER_SECOND)
            )));
        }
        slots.push((slot, image_ref("keyframes", keyframe.image)?));
    }
    slots.sort_by_key(|(slot, _)| *slot);
    Ok(slots)
}

fn image_ref(field: &str, image: WireImage) -> Result<MediaRef, Refusal> {
    media_ref(field, image.url, image.file_id)
}

fn video_ref(video: VideoUrl) -> Result<MediaRef, Refusal> {
    media_ref("video", video.url, video.file_id)
}

fn media_ref(field: &str, url: Option<String>, file_id: Option<String>) -> Result<MediaRef, Refusal> {
    let non_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (non_empty(url), non_empty(file_id)) {
        (Some(url), None) => Ok(MediaRef::Url(url)),
        (None, Some(id)) => Ok(MediaRef::FileId(id)),
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

fn check_storage(options: Option<WireStorage>) -> Result<Option<StorageRequest>, Refusal> {
    let Some(options) = options else { return Ok(None) };
    if options.filename.trim().is_empty() {
        return Err(Refusal::invalid("storage_options.filename must not be empty."));
    }
    check_lifetime("storage_options.expires_after", options.expires_after)?;
    let public_url = match options.public_url {
        None | Some(WirePublicUrl::Switch(false)) => PublicUrl::No,
        Some(WirePublicUrl::Switch(true)) => PublicUrl::For(None),
        Some(WirePublicUrl::Options { expires_after }) => PublicUrl::For(expires_after),
    };
    if let PublicUrl::For(lifetime) = public_url {
        check_lifetime("storage_options.public_url.expires_after", lifetime)?;
    }
    Ok(Some(StorageRequest {
        filename: options.filename,
        expires_after: options.expires_after,
        public_url,
    }))
}

/// Checks the requested lifetime of a stored file or a public URL.
pub(crate) fn check_lifetime(field: &str, seconds: Option<i64>) -> Result<(), Refusal> {
    match seconds {
        Some(seconds) if !LIFETIME_SECONDS.contains(&seconds) => Err(Refusal::invalid(format!(
            "{field} must be between {} and {} seconds.",
            LIFETIME_SECONDS.start(),
            LIFETIME_SECONDS.end()
        ))),
        _ => Ok(()),
    }
}
