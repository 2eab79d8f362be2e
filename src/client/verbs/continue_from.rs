//! The verb `continue_from`: continues a clip by a frame of it or by the service's extension.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::client::pipeline::clip_source::{ClipSource, LocalClip};
use crate::client::pipeline::content_checks::ReferenceImage;
use crate::client::pipeline::media_origin::MediaOrigin;
use crate::client::pipeline::planning;
use crate::client::pipeline::submit::SubmissionObserver;
use crate::client::verbs::generate::{self, ContinuedFrom};
use crate::client::verbs::transform;
use crate::client::{JobHandle, VideoClient};
use crate::error::{Error, Result};
use crate::job::{self, JobEvent, Reporter};
use crate::library::{Clip, FrameRecord, Seconds};
use crate::media::{Frame, FramePosition, MediaOptions, nonblocking};
use crate::model::{Mode, Resolution};
use crate::request::{
    ContinueRequest, ContinueStrategy, Estimate, ExtendRequest, FrameChoice, GenerateRequest, MediaInput,
};
use crate::storage::sha256_hex;
use crate::telemetry::Verb;

/// Maximum number of frames to choose the sharpest one from: two seconds of a clip of the service.
const MAX_SHARPEST_FRAMES: u32 = 48;

/// A clip to continue; see [`VideoClient::continue_from`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct ContinueFrom {
    client: VideoClient,
    from: MediaInput,
    request: ContinueRequest,
}

impl VideoClient {
    /// Makes a clip that starts where another one ends. The other one is a clip of the library, a video file or bytes.
    /// Await the future for the clip, or [`start`](ContinueFrom::start) it for a handle.
    ///
    /// The sidecar of the new clip contains the parent with its hash, the frame that the clip starts on, and how alike
    /// that frame and the first frame of the clip are.
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate). Before anything is paid also `Library` for a parent whose sidecar cannot
    /// be read, and `InvalidRequest` for a URL.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
    ///
    /// # Cost
    /// The price of a clip with one input image, or for an extension the cost of [`extend`](Self::extend). By default the
    /// prompt is planned, which also costs one query to a language model.
    pub fn continue_from(&self, from: impl Into<MediaInput>, request: ContinueRequest) -> ContinueFrom {
        ContinueFrom {
            client: self.clone(),
            from: from.into(),
            request,
        }
    }
}

impl ContinueFrom {
    /// Sends the request, and returns when the job has its id. The work continues in the background.
    ///
    /// # Errors
    /// The reason why there is no job; `SubmissionUnknown` if there may be one.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
    pub async fn start(self) -> Result<JobHandle> {
        let Self {
            client,
            from,
            request,
        } = self;
        let stop = client.stop_signal().clone();
        let work = move |reporter| run(client, from, request, None, reporter);
        job::spawn(Verb::Continue.span(), &stop, move |reporter| async move {
            Box::pin(work(reporter)).await
        })
        .handle()
        .await
    }
}

awaits_handle!(ContinueFrom => Clip);

/// Makes a clip and saves it in the library.
pub(crate) async fn run(
    client: VideoClient,
    from: MediaInput,
    request: ContinueRequest,
    observer: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> Result<Clip> {
    reporter.emit(JobEvent::Planning);
    // Boxed, so that the frame is freed before the job is waited for.
    let strategy = Box::pin(resolve_strategy(&client, from, request));
    match reporter.stop_signal().run_before_send(strategy).await? {
        ResolvedStrategy::Extension(extension) => {
            Box::pin(transform::run_extension(&client, *extension, observer, reporter)).await
        }
        ResolvedStrategy::LastFrame(generate, origin) => {
            Box::pin(generate::run(
                client,
                *generate,
                Some(*origin),
                observer,
                reporter,
            ))
            .await
        }
    }
}

/// The request that continues a clip.
enum ResolvedStrategy {
    Extension(Box<ExtendRequest>),
    LastFrame(Box<GenerateRequest>, Box<ContinuedFrom>),
}

/// Chooses how to continue a clip, and prepares the request.
async fn resolve_strategy(
    client: &VideoClient,
    from: MediaInput,
    request: ContinueRequest,
) -> Result<ResolvedStrategy> {
    let (source, local) = find_clip(client, &from).await?;
    if uses_extension(client, &local, &source.name, &request).await {
        let mut extension = extension_request(&from, &request)?;
        extension.plan = planning::choice_for_continuation(client, &request.plan);
        return Ok(ResolvedStrategy::Extension(Box::new(extension)));
    }

    let parent = match &source.parent {
        Some(clip) => Some(client.library().parent(clip).await?),
        None => None,
    };
    let (frame, note) = choose_frame(&local, &source.name, request.frame).await?;
    let png: Bytes = frame.to_png()?.into();
    let record = FrameRecord {
        seconds: Some(Seconds::from(frame.time())),
        pts: Some(frame.pts()),
        number: frame.number(),
        sha256: Some(sha256_hex(&png)),
        of: Some("png".to_owned()),
        ..FrameRecord::default()
    };
    let generate = last_frame_request(client, &request, png);
    let origin = match &source.parent {
        Some(clip) => MediaOrigin::Clip(clip.id.clone()),
        None => local.hashed_origin(client, &source.name).await?,
    };
    let origin = ContinuedFrom {
        parent,
        frame: record,
        start: ReferenceImage::FrameOf(origin, frame.time()),
        note,
    };
    Ok(ResolvedStrategy::LastFrame(Box::new(generate), Box::new(origin)))
}

/// Finds the clip to continue.
async fn find_clip(client: &VideoClient, from: &MediaInput) -> Result<(ClipSource, LocalClip)> {
    let source = ClipSource::find(client, from).await?;
    let local = source.local.clone().ok_or_else(|| {
        Error::invalid(format!(
            "continue {}: its last frame must be extracted on this machine; give a local file or a clip of the library",
            source.name
        ))
    })?;
    Ok((source, local))
}

/// Returns whether a clip is continued by the service's extension, because the request asks for it, or because the
/// service accepts the clip, the model and the duration.
async fn uses_extension(
    client: &VideoClient,
    local: &LocalClip,
    name: &str,
    request: &ContinueRequest,
) -> bool {
    match request.strategy {
        ContinueStrategy::LastFrame => false,
        ContinueStrategy::Extend => true,
        // A clip that is not an MP4 can still be continued by its last frame.
        ContinueStrategy::Auto => local.measure(name).await.is_ok_and(|facts| {
            facts
                .length
                .is_some_and(|length| extension_fits(client, request, length))
        }),
    }
}

/// Estimates the cost of continuing a clip.
pub(super) async fn estimate(
    client: &VideoClient,
    from: &MediaInput,
    request: &ContinueRequest,
) -> Result<Estimate> {
    let (source, local) = find_clip(client, from).await?;
    if uses_extension(client, &local, &source.name, request).await {
        return client.extend(extension_request(from, request)?).estimate().await;
    }
    estimate_by_last_frame(client, request)
}

/// Estimates the cost of continuing any clip by a frame of it.
pub(crate) fn estimate_by_last_frame(client: &VideoClient, request: &ContinueRequest) -> Result<Estimate> {
    sharpest_count(request.frame)?;
    let generate = last_frame_request(client, request, Bytes::new());
    Ok(client.check(&generate)?.to_estimate())
}

/// Returns the number of frames to choose the sharpest one from, or `None` for the last frame.
fn sharpest_count(choice: FrameChoice) -> Result<Option<u32>> {
    match choice {
        FrameChoice::Last => Ok(None),
        FrameChoice::SharpestOfLast(count) if (2..=MAX_SHARPEST_FRAMES).contains(&count) => Ok(Some(count)),
        FrameChoice::SharpestOfLast(count) => Err(Error::invalid(format!(
            "sharpest of the last {count} frames is out of range: use 2 to {MAX_SHARPEST_FRAMES}"
        ))),
    }
}

/// Returns whether the service's extension accepts a clip of this length and the options of the request.
pub(crate) fn extension_fits(client: &VideoClient, request: &ContinueRequest, length: Duration) -> bool {
    let inner = &client.inner;
    let model = request.model.as_ref().unwrap_or(&inner.defaults.model);
    let Some(limits) = inner.models.get(model).and_then(|entry| entry.mode(Mode::Extend)) else {
        return false;
    };
    let added = request.duration.unwrap_or(DEFAULT_DURATION).as_secs_f64();
    let fits = limits
        .seconds
        .is_none_or(|[min, max]| (f64::from(min)..=f64::from(max)).contains(&added));
    let has_other_options =
        request.resolution.is_some() || request.audio == Some(false) || request.aspect_ratio.is_some();
    let length = length.as_secs_f64();
    fits && !has_other_options
        && limits
            .input_seconds
            .is_some_and(|[min, max]| (min..=max).contains(&length))
}

/// Default duration of a continuation, as in ima2-gen.
const DEFAULT_DURATION: Duration = Duration::from_secs(5);

/// Returns the request that continues a clip by the service's extension.
///
/// # Errors
/// `InvalidRequest` for options that an extension does not have.
pub(crate) fn extension_request(from: &MediaInput, request: &ContinueRequest) -> Result<ExtendRequest> {
    if request.resolution.is_some() || request.aspect_ratio.is_some() || request.audio.is_some() {
        return Err(Error::invalid(
            "an extension keeps the resolution, aspect ratio and audio of its clip: leave them out, or continue by the last frame",
        ));
    }
    let prompt = request.prompt.clone().unwrap_or_default();
    let mut extension = ExtendRequest::new(from.clone(), prompt);
    extension.duration = Some(request.duration.unwrap_or(DEFAULT_DURATION));
    extension.model.clone_from(&request.model);
    extension.storage.clone_from(&request.storage);
    Ok(extension)
}

/// Returns the request that continues a clip from a frame.
pub(crate) fn last_frame_request(
    client: &VideoClient,
    request: &ContinueRequest,
    png: Bytes,
) -> GenerateRequest {
    let mut generate = GenerateRequest::image(MediaInput::bytes("the last frame", png));
    generate.prompt.clone_from(&request.prompt);
    generate.model = Some(
        request
            .model
            .clone()
            .unwrap_or_else(|| client.inner.defaults.model.clone()),
    );
    generate.duration = Some(request.duration.unwrap_or(DEFAULT_DURATION));
    generate.resolution = Some(request.resolution.clone().unwrap_or(Resolution::P720));
    generate.aspect_ratio.clone_from(&request.aspect_ratio);
    generate.audio = request.audio;
    generate.user.clone_from(&request.user);
    generate.storage.clone_from(&request.storage);
    generate.plan = planning::choice_for_continuation(client, &request.plan);
    generate
}

/// Extracts the frame that the new clip starts on. Also returns a warning for the sidecar if it is not the last one.
async fn choose_frame(local: &LocalClip, name: &str, choice: FrameChoice) -> Result<(Frame, Option<String>)> {
    let sharpest_of = sharpest_count(choice)?;
    let options = MediaOptions::default();
    let last = nonblocking::frame(local.media(name), FramePosition::Last, options.clone()).await?;
    let Some(count) = sharpest_of else {
        return Ok((last, None));
    };
    let end = last.time();
    // Frame by frame, because all of them at once would take too much memory.
    let source = local.media(name);
    let work = move |options: &MediaOptions| crate::media::sharpest_of_last(source, count, options);
    let sharpest = nonblocking::run(options, work).await?;
    let before = end.saturating_sub(sharpest.time()).as_secs_f64();
    let note = (before > 0.0).then(|| {
        format!(
            "started on the sharpest of the last {count} frames, {before:.3} s before the end of its parent"
        )
    });
    Ok((sharpest, note))
}
