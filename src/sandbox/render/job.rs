//! Runs a job: fetches and checks its inputs, renders the clip, stores and uploads it.
//!
//! Owns the order of these steps, and the checks that the service makes only after it has answered the create. Runs
//! beside the requests, so that a poll never waits for it.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::clip;
use super::draw;
use super::inputs;
use super::scene;
use super::spec::{FRAME_RATE, InputClip, RenderSpec, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::faults::FaultKind;
use crate::sandbox::rules::clip_size::{size_following, size_for, size_from_clip};
use crate::sandbox::rules::limits::{
    EXTENDABLE_MILLIS, EXTENSION_SECONDS, KEYFRAMES_PER_SECOND, MAX_EDIT_MILLIS, MAX_PROMPT_CHARS,
};
use crate::sandbox::rules::prices::{VideoUsage, price_ticks};
use crate::sandbox::rules::video_model::Resolution;
use crate::sandbox::rules::video_request::{
    Generation, PublicUrl, RequestKind, StorageRequest, VideoRequest,
};
use crate::sandbox::state::app::{App, AppState};
use crate::sandbox::state::blob::Blob;
use crate::sandbox::state::jobs::{FinishedClip, JobFailure};

/// Starts the work on a job and returns at once.
pub(crate) fn start(app: &App, id: Uuid, request: VideoRequest, render_faults: Vec<FaultKind>) {
    let app = Arc::clone(app);
    let runtime = app.runtime.clone();
    runtime.spawn(async move {
        let result = run(&app, id, request, &render_faults).await;
        app.jobs.finish(id, result);
    });
}

/// A job whose inputs are fetched and checked.
struct PreparedJob {
    spec: RenderSpec,
    resolution: Resolution,
    input_images: u64,
    input_millis: u64,
}

async fn run(
    app: &App,
    id: Uuid,
    request: VideoRequest,
    render_faults: &[FaultKind],
) -> Result<FinishedClip, JobFailure> {
    if request.prompt.chars().count() > MAX_PROMPT_CHARS {
        return Err(JobFailure::invalid(format!(
            "Prompt is too long: the maximum is {MAX_PROMPT_CHARS} characters."
        )));
    }
    let mut prepared = prepare(app, &request).await?;
    apply_render_faults(&mut prepared.spec, render_faults);
    let padded_length = render_faults.iter().find_map(|fault| match fault {
        FaultKind::PadToBytes(bytes) => Some(*bytes),
        _ => None,
    });
    let usage = VideoUsage {
        output_millis: match &request.kind {
            RequestKind::Generate(generation) => u64::from(generation.seconds) * 1000,
            RequestKind::Edit { .. } => prepared.input_millis,
            // Only the added part is charged as output; the input clip is charged as input.
            RequestKind::Extend { seconds, .. } => u64::from(*seconds) * 1000,
        },
        input_images: prepared.input_images,
        input_video_millis: prepared.input_millis,
    };
    let ticks = price_ticks(request.model, prepared.resolution, usage);

    let (clip, frames) = render(app, prepared.spec).await?;
    let clip = clip.with_free_box(&id.to_string(), padded_length);
    app.jobs.with(id, |job| job.ticks = ticks);

    if let Some(url) = &request.upload_url {
        inputs::upload(app, url, &clip).await?;
    }
    let mut finished = FinishedClip {
        clip,
        millis: frames as u64 * 1000 / u64::from(FRAME_RATE),
        file_output: None,
        storage_error: None,
    };
    if let Some(storage) = &request.storage {
        let outcome = app.jobs.with(id, |job| job.outcome.clone()).unwrap_or_default();
        if outcome.contains(&FaultKind::StorageError) {
            finished.storage_error = Some("the file could not be stored".to_owned());
        } else {
            let refuse_public_url = outcome.contains(&FaultKind::PublicUrlError);
            let output = store(app, storage, finished.clip.clone(), refuse_public_url);
            finished.file_output = Some(output);
        }
    }
    Ok(finished)
}

async fn prepare(app: &App, request: &VideoRequest) -> Result<PreparedJob, JobFailure> {
    match &request.kind {
        RequestKind::Generate(generation) => prepare_generation(app, generation, &request.prompt).await,
        RequestKind::Edit { video } => {
            let clip = inputs::clip(app, video).await?;
            if clip.millis > MAX_EDIT_MILLIS {
                return Err(JobFailure::invalid("Video duration must be at most 8.7 seconds"));
            }
            Ok(prepare_from_clip(clip, request, 0, Source::Edit))
        }
        RequestKind::Extend { video, seconds } => {
            if !EXTENSION_SECONDS.contains(seconds) {
                return Err(JobFailure::invalid("Duration must be between 2 and 10 seconds"));
            }
            let clip = inputs::clip(app, video).await?;
            if !EXTENDABLE_MILLIS.contains(&clip.millis) {
                return Err(JobFailure::invalid(
                    "Video duration must be between 2 and 15 seconds",
                ));
            }
            Ok(prepare_from_clip(clip, request, frames(*seconds), Source::Extend))
        }
    }
}

async fn prepare_generation(
    app: &App,
    generation: &Generation,
    prompt: &str,
) -> Result<PreparedJob, JobFailure> {
    let first = match &generation.first {
        Some(input) => Some(inputs::picture(app, input).await?),
        None => None,
    };
    let (width, height) = match &first {
        // The clip has the shape of its first picture, whatever ratio was requested.
        Some(frame) => size_following(
            frame.width() as usize,
            frame.height() as usize,
            generation.resolution,
        ),
        None => size_for(generation.aspect_ratio, generation.resolution),
    };
    let total = frames(generation.seconds);
    let mut pins = Vec::new();
    if let Some(frame) = &first {
        pins.push((0, draw::cover(frame, width, height)));
    }
    for (position, input) in &generation.keyframes {
        let frame = inputs::picture(app, input).await?;
        let number = (*position * FRAME_RATE / KEYFRAMES_PER_SECOND) as usize;
        pins.push((number, draw::cover(&frame, width, height)));
    }
    if let Some(input) = &generation.last {
        let frame = inputs::picture(app, input).await?;
        pins.push((total - 1, draw::cover(&frame, width, height)));
    }
    let mut tiles = Vec::new();
    for input in &generation.references {
        let frame = inputs::picture(app, input).await?;
        let size = (frame.width() as usize, frame.height() as usize);
        let (tile_width, tile_height) = scene::tile_size(generation.references.len(), (width, height), size);
        tiles.push(draw::cover(&frame, tile_width, tile_height));
    }
    let input_images = (pins.len() + tiles.len()) as u64;
    Ok(PreparedJob {
        spec: RenderSpec {
            width,
            height,
            frames: total,
            prompt: prompt.to_owned(),
            sound: generation.sound,
            source: Source::Pictures { pins, tiles },
        },
        resolution: generation.resolution,
        input_images,
        input_millis: 0,
    })
}

/// Prepares a clip that is made from another and has its size.
fn prepare_from_clip(
    clip: InputClip,
    request: &VideoRequest,
    frames: usize,
    source: impl FnOnce(InputClip) -> Source,
) -> PreparedJob {
    let (width, height, resolution) = size_from_clip(clip.width, clip.height);
    let input_millis = clip.millis;
    PreparedJob {
        spec: RenderSpec {
            width,
            height,
            frames,
            prompt: request.prompt.clone(),
            sound: true,
            source: source(clip),
        },
        resolution,
        input_images: 0,
        input_millis,
    }
}

fn apply_render_faults(spec: &mut RenderSpec, faults: &[FaultKind]) {
    for fault in faults {
        match fault {
            FaultKind::RenderSize(width, height) => {
                (spec.width, spec.height) = (*width as usize, *height as usize);
                if let Source::Pictures { pins, tiles } = &mut spec.source {
                    pins.clear();
                    tiles.clear();
                }
            }
            FaultKind::RenderSeconds(seconds) => spec.frames = frames(*seconds),
            _ => {}
        }
    }
}

fn frames(seconds: u32) -> usize {
    (seconds * FRAME_RATE) as usize
}

/// Renders a clip on a blocking thread and returns it with its number of frames.
async fn render(app: &App, spec: RenderSpec) -> Result<(Blob, usize), JobFailure> {
    let permit = Arc::clone(&app.renderers)
        .acquire_owned()
        .await
        .map_err(|_| JobFailure::internal("the sandbox is stopping"))?;
    let app = Arc::clone(app);
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        render_or_reuse(&app, &spec)
    });
    match task.await {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) if error.kind() == ErrorKind::Stopped => {
            Err(JobFailure::internal("the sandbox is stopping"))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "sandbox: rendering failed");
            Err(JobFailure::internal(error.to_string()))
        }
        Err(error) => Err(JobFailure::internal(error.to_string())),
    }
}

fn render_or_reuse(app: &AppState, spec: &RenderSpec) -> Result<(Blob, usize)> {
    let key = spec.is_prompt_only().then(|| {
        (
            spec.width,
            spec.height,
            spec.frames,
            spec.sound,
            spec.prompt.clone(),
        )
    });
    if let Some(rendered) = key.as_ref().and_then(|key| app.rendered.find(key)) {
        return Ok(rendered);
    }
    let file = app.scratch.new_file("mp4");
    let frames = clip::render(spec, file.path(), &app.stop)?;
    let blob = Blob::new(file).map_err(|e| Error::media("read the rendered clip").with_source(e))?;
    if let Some(key) = key {
        app.rendered.add(key, (blob.clone(), frames));
    }
    Ok((blob, frames))
}

/// Stores a clip in the Files API and returns `file_output` of the poll.
fn store(app: &AppState, storage: &StorageRequest, clip: Blob, refuse_public_url: bool) -> Value {
    let file = app
        .files
        .add(&storage.filename, "video_generation", storage.expires_after, clip);
    let mut output = json!({ "file_id": file.id, "filename": file.filename });
    if let Some(at) = file.expires_at {
        output["expires_at"] = at.into();
    }
    if let PublicUrl::For(lifetime) = storage.public_url {
        let published = if refuse_public_url {
            None
        } else {
            app.files.publish(&file.id, lifetime).ok()
        };
        let base = format!("http://{}", app.address);
        match published.and_then(|file| file.public_url(&base)) {
            Some((url, expires_at)) => {
                output["public_url"] = url.into();
                if let Some(at) = expires_at {
                    output["public_url_expires_at"] = at.into();
                }
            }
            None => output["public_url_error"] = "the public URL could not be created".into(),
        }
    }
    output
}
