//! The work behind a job: fetch what is given, check it, render, store, hand over.
//!
//! Owns the order of these steps and what only fails here, after the create was answered. Runs beside
//! the requests, so a poll never waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::blob::Blob;
use super::faults::FaultKind;
use super::inputs::{self, GivenClip, Still};
use super::jobs::{Phase, Ready};
use super::prices::{self, Usage};
use super::render::{self, GivenFrames, RenderSpec, Source};
use super::rules::{self, Generate, Mode, Plan, Resolution};
use super::server::App;
use crate::error::{Error, ErrorKind, Result};

/// A job that ends as failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: "invalid_argument",
            message: message.into(),
        }
    }

    fn internal(message: impl Into<String>) -> Self {
        Self {
            code: "internal_error",
            message: message.into(),
        }
    }
}

/// Begins the work on a job and returns at once.
pub(super) fn start(app: &App, id: Uuid, plan: Plan, rendering: Vec<FaultKind>) {
    let app = Arc::clone(app);
    let runtime = app.runtime.clone();
    runtime.spawn(async move {
        let phase = match run(&app, id, plan, &rendering).await {
            Ok(ready) => Phase::Ready(ready),
            Err(failure) => Phase::Failed {
                code: failure.code.to_owned(),
                message: failure.message,
            },
        };
        app.jobs.finish(id, phase);
    });
}

/// A job with everything it needs at hand.
struct Prepared {
    spec: RenderSpec,
    resolution: Resolution,
    images: u64,
    /// Milliseconds of the given clip.
    given_millis: u64,
}

async fn run(app: &App, id: Uuid, plan: Plan, rendering: &[FaultKind]) -> Result<Ready, Failure> {
    if plan.prompt.chars().count() > rules::MAX_PROMPT {
        let most = rules::MAX_PROMPT;
        return Err(Failure::invalid(format!(
            "Prompt is too long: the maximum is {most} characters."
        )));
    }
    let mut prepared = match &plan.mode {
        Mode::Generate(generate) => prepare_generate(app, generate, &plan.prompt).await?,
        Mode::Edit { video } => {
            let clip = inputs::clip(app, video).await?;
            if clip.millis > rules::MAX_EDIT_MILLIS {
                return Err(Failure::invalid("Video duration must be at most 8.7 seconds"));
            }
            remade(clip, &plan, 0, Source::Edit)
        }
        Mode::Extend { video, seconds } => {
            if !rules::EXTENSION_SECONDS.contains(seconds) {
                return Err(Failure::invalid("Duration must be between 2 and 10 seconds"));
            }
            let clip = inputs::clip(app, video).await?;
            if !rules::EXTENDABLE_MILLIS.contains(&clip.millis) {
                return Err(Failure::invalid(
                    "Video duration must be between 2 and 15 seconds",
                ));
            }
            remade(clip, &plan, frames(*seconds), Source::Extend)
        }
    };
    for fault in rendering {
        match fault {
            FaultKind::RenderSize(width, height) => {
                (prepared.0.spec.width, prepared.0.spec.height) = (*width as usize, *height as usize);
                if let Source::Pictures { pins, tiles } = &mut prepared.0.spec.source {
                    pins.clear();
                    tiles.clear();
                }
            }
            FaultKind::RenderSeconds(seconds) => prepared.0.spec.frames = frames(*seconds),
            _ => {}
        }
    }
    let length = rendering.iter().find_map(|fault| match fault {
        FaultKind::PadToBytes(bytes) => Some(*bytes),
        _ => None,
    });

    let (clip, rendered_frames, facts) = render(app, prepared).await?;
    let clip = clip.marked(&id.to_string(), length);
    let millis = rendered_frames as u64 * 1000 / u64::from(render::FRAME_RATE);
    let asked = match &plan.mode {
        Mode::Generate(generate) => u64::from(generate.seconds) * 1000,
        Mode::Edit { .. } => facts.given_millis,
        // Only what was added is charged as output; the given part as input.
        Mode::Extend { seconds, .. } => u64::from(*seconds) * 1000,
    };
    let usage = Usage {
        output_millis: asked,
        input_images: facts.images,
        input_video_millis: facts.given_millis,
    };
    let ticks = prices::ticks(plan.model, facts.resolution, usage);
    app.jobs.with(id, |job| job.ticks = ticks);

    if let Some(link) = &plan.upload_url {
        inputs::put(app, link, &clip).await?;
    }
    let mut ready = Ready {
        clip,
        millis,
        file_output: None,
        storage_error: None,
    };
    if let Some(storage) = &plan.storage {
        let outcome = app.jobs.with(id, |job| job.outcome.clone()).unwrap_or_default();
        if outcome.contains(&FaultKind::StorageError) {
            ready.storage_error = Some("the file could not be stored".to_owned());
        } else {
            let refuse = outcome.contains(&FaultKind::PublicUrlError);
            ready.file_output = Some(app.files.keep_result(app, storage, ready.clip.clone(), refuse));
        }
    }
    Ok(ready)
}

impl Prepared {
    fn holding(self, blob: Blob) -> (Self, Option<Blob>) {
        (self, Some(blob))
    }
}

/// What a clip follows from that is made of words alone: its size, frames, sound and prompt.
type Words = (usize, usize, usize, bool, String);

/// The clips that were rendered last, for who asks for the same again.
#[derive(Debug, Default)]
pub(super) struct RenderedClips(Mutex<VecDeque<(Words, Blob, usize)>>);

impl RenderedClips {
    /// So many are kept, and their files with them.
    const MOST: usize = 16;

    fn find(&self, words: &Words) -> Option<(Blob, usize)> {
        let clips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = clips.iter().find(|(known, ..)| known == words);
        found.map(|(_, clip, frames)| (clip.clone(), *frames))
    }

    fn keep(&self, words: Words, clip: Blob, frames: usize) {
        let mut clips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clips.truncate(Self::MOST - 1);
        clips.push_front((words, clip, frames));
    }
}

/// What is left to know of a job once it is rendered.
struct Facts {
    resolution: Resolution,
    images: u64,
    given_millis: u64,
}

async fn render(app: &App, prepared: (Prepared, Option<Blob>)) -> Result<(Blob, usize, Facts), Failure> {
    let permit = Arc::clone(&app.renderers)
        .acquire_owned()
        .await
        .map_err(|_| Failure::internal("the sandbox is stopping"))?;
    let app = Arc::clone(app);
    let task = tokio::task::spawn_blocking(move || -> Result<(Blob, usize, Facts)> {
        let _permit = permit;
        // The given clip must outlive the render that reads it.
        let (prepared, _given) = prepared;
        let facts = Facts {
            resolution: prepared.resolution,
            images: prepared.images,
            given_millis: prepared.given_millis,
        };
        // Words alone always make the same clip.
        let known = prepared.spec.follows_from_words().then(|| {
            let spec = &prepared.spec;
            (
                spec.width,
                spec.height,
                spec.frames,
                spec.sound,
                spec.prompt.clone(),
            )
        });
        if let Some(known) = &known
            && let Some((clip, frames)) = app.rendered.find(known)
        {
            return Ok((clip, frames, facts));
        }
        let file = app.scratch.file("mp4");
        let rendered = render::render(&prepared.spec, file.path(), &app.stop)?;
        let blob = Blob::new(file)
            .map_err(|e| Error::new(ErrorKind::Media, "read the rendered clip").with_source(e))?;
        if let Some(known) = known {
            app.rendered.keep(known, blob.clone(), rendered.frames);
        }
        Ok((blob, rendered.frames, facts))
    });
    match task.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == ErrorKind::Stopped => {
            Err(Failure::internal("the sandbox is stopping"))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "sandbox: rendering failed");
            Err(Failure::internal(error.to_string()))
        }
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

async fn prepare_generate(
    app: &App,
    plan: &Generate,
    prompt: &str,
) -> Result<(Prepared, Option<Blob>), Failure> {
    let mut first = None;
    if let Some(given) = &plan.first {
        first = Some(inputs::still(app, given).await?);
    }
    let (width, height) = match &first {
        // The clip follows the first picture, whatever ratio was asked for.
        Some(still) => rules::size_following(still.width, still.height, plan.resolution),
        None => rules::size_for(plan.aspect_ratio, plan.resolution),
    };
    let total = frames(plan.seconds);
    let mut images = 0;
    let mut pins = Vec::new();
    let pin = |still: &Still| render::fit(&still.rgb, still.width, still.height, width, height);
    if let Some(still) = &first {
        pins.push((0, pin(still)));
        images += 1;
    }
    for (slot, given) in &plan.keyframes {
        let still = inputs::still(app, given).await?;
        pins.push(((*slot * render::FRAME_RATE / 3) as usize, pin(&still)));
        images += 1;
    }
    if let Some(given) = &plan.last {
        pins.push((total - 1, pin(&inputs::still(app, given).await?)));
        images += 1;
    }
    let mut tiles = Vec::new();
    for given in &plan.references {
        let still = inputs::still(app, given).await?;
        let size = render::scene::tile_size(
            plan.references.len(),
            (width, height),
            (still.width, still.height),
        );
        tiles.push(render::fit(&still.rgb, still.width, still.height, size.0, size.1));
        images += 1;
    }
    let spec = RenderSpec {
        width,
        height,
        frames: total,
        prompt: prompt.to_owned(),
        sound: plan.sound,
        source: Source::Pictures { pins, tiles },
    };
    Ok((
        Prepared {
            spec,
            resolution: plan.resolution,
            images,
            given_millis: 0,
        },
        None,
    ))
}

fn frames(seconds: u32) -> usize {
    (seconds * render::FRAME_RATE) as usize
}

/// A clip made from another, in its size.
fn remade(
    clip: GivenClip,
    plan: &Plan,
    frames: usize,
    source: impl FnOnce(GivenFrames) -> Source,
) -> (Prepared, Option<Blob>) {
    let (width, height, resolution) = inherited(clip.width, clip.height);
    let given = GivenFrames {
        path: clip.blob.path().to_owned(),
        frames: clip.frames,
    };
    Prepared {
        spec: RenderSpec {
            width,
            height,
            frames,
            prompt: plan.prompt.clone(),
            sound: true,
            source: source(given),
        },
        resolution,
        images: 0,
        given_millis: clip.millis,
    }
    .holding(clip.blob)
}

/// Size and price class of a clip made from another: its own, at most 720p, even.
fn inherited(width: usize, height: usize) -> (usize, usize, Resolution) {
    let (short, long) = (width.min(height), width.max(height));
    let shrink = (720.0 / short as f64).min(1520.0 / long as f64).min(1.0);
    let even = |side: usize| ((side as f64 * shrink).round() as usize).max(16) & !1;
    let (width, height) = (even(width), even(height));
    // The widest 480p clip has some 407,000 pixels, the smallest of 720p more than 880,000.
    let class = if width * height <= 500_000 {
        Resolution::P480
    } else {
        Resolution::P720
    };
    (width, height, class)
}
