//! `reelkin generate`.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use reelkin::request::PublicUrl;
use reelkin::{
    Defaults, GenerateMode, GenerateRequest, Keyframe, ModelTable, StorageOptions, UploadTarget, Validation,
};

use crate::args::{self, Generate, Global};
use crate::output::{Failure, Outcome};
use crate::session::{self, Settings, check_destination, plan};
use crate::video::ratio;

pub(crate) fn run(global: &Global, command: &Generate) -> Outcome {
    check_destination(&command.wait, &global.library)?;
    let settings = Settings {
        timeout: Some(command.wait.timeout),
        validation: match command.validation {
            args::Validation::Strict => Validation::Strict,
            args::Validation::Warn => Validation::Warn,
            args::Validation::Off => Validation::Off,
        },
        table: command
            .table
            .as_deref()
            .map(crate::models::read_table)
            .transpose()?,
    };
    let request = request(command)?;
    // A mistake in the request shows before a library is made.
    match &settings.table {
        Some(table) => request.check(table, &Defaults::default(), settings.validation)?,
        None => request.check(ModelTable::built_in()?, &Defaults::default(), settings.validation)?,
    };
    session::make(global, &command.wait, settings, |client| async move {
        client.generate(request).start().await
    })
}

fn request(command: &Generate) -> Outcome<GenerateRequest> {
    let mut request = GenerateRequest::default();
    request.prompt.clone_from(&command.prompt);
    request.mode = mode(command)?;
    request.voices.clone_from(&command.voices);
    request.model = command.model.as_deref().map(Into::into);
    request.duration = command.duration;
    request.resolution = command.resolution.as_deref().map(Into::into);
    request.aspect_ratio = ratio(command.aspect_ratio.as_deref());
    request.audio = command.no_audio.then_some(false);
    request.user.clone_from(&command.user);
    request.storage = command.store.as_deref().map(|name| {
        let mut storage = StorageOptions::new(name);
        storage.expires_after = command.store_expires;
        storage.public_url = command.public_url.then_some(PublicUrl::LikeTheFile);
        storage
    });
    request.output = command.upload_url.as_deref().map(|upload| {
        let mut target = UploadTarget::new(upload);
        target.fetch_url.clone_from(&command.fetch_url);
        target
    });
    request.topic.clone_from(&command.topic);
    request.plan = plan(&command.planning);
    Ok(request)
}

fn mode(command: &Generate) -> Outcome<GenerateMode> {
    let optional = |text: &Option<OsString>| text.as_deref().map(session::picture).transpose();
    let first = optional(&command.first_frame)?;
    let last = optional(&command.last_frame)?;
    if last.is_some() || !command.keyframes.is_empty() {
        let keyframes = command
            .keyframes
            .iter()
            .map(|text| keyframe(text))
            .collect::<Outcome<_>>()?;
        return Ok(GenerateMode::Frames {
            first,
            last,
            keyframes,
        });
    }
    let mut references = command
        .references
        .iter()
        .map(|text| session::picture(text))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match (references.len(), first) {
        (0, None) => GenerateMode::Text,
        (0, Some(image)) => GenerateMode::Image { image },
        // ima2's rule: a single picture is where the clip starts.
        (1, None) if !command.as_reference => GenerateMode::Image {
            image: references.remove(0),
        },
        (_, first_frame) => GenerateMode::References {
            images: references,
            first_frame,
        },
    })
}

/// Splits a text at its first `=`. What follows may be a path that is not Unicode.
fn split(text: &OsStr) -> Option<(&str, &OsStr)> {
    if let Some(text) = text.to_str() {
        let (before, after) = text.split_once('=')?;
        return Some((before, OsStr::new(after)));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;

        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=')?;
        let before = std::str::from_utf8(&bytes[..at]).ok()?;
        Some((before, OsStr::from_bytes(&bytes[at + 1..])))
    }
    #[cfg(not(unix))]
    None
}

fn keyframe(text: &OsStr) -> Outcome<Keyframe> {
    let bad = || {
        Failure::Arguments(format!(
            "read keyframe {:?}: write it as SECONDS=FILE, as in 2.667=middle.png",
            text.to_string_lossy()
        ))
    };
    let (at, file) = split(text).ok_or_else(bad)?;
    let at: f64 = at.parse().map_err(|_| bad())?;
    let at = Duration::try_from_secs_f64(at).map_err(|_| bad())?;
    Ok(Keyframe::new(at, session::picture(file)?))
}
