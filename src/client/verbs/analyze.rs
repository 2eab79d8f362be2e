//! The verb `analyze`: describes a clip with a language model.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::client::VideoClient;
use crate::error::Result;
use crate::planner::ClipNotes;
use crate::request::{AnalyzeOptions, MediaInput};
use crate::telemetry::{self, Verb};

/// A clip to describe; see [`VideoClient::analyze`].
#[derive(Debug)]
#[must_use = "nothing is read or sent until it is awaited"]
pub struct Analyze {
    #[cfg_attr(not(feature = "media"), expect(dead_code, reason = "frames need libav"))]
    client: VideoClient,
    input: MediaInput,
    options: AnalyzeOptions,
}

impl VideoClient {
    /// Describes a clip with a language model: shot, camera, light, palette, subjects, motion, mood, sound, and a prompt
    /// that would make a similar clip.
    ///
    /// The clip is one of the library, a file or bytes. It is not uploaded: frames are extracted in this process, scaled
    /// down to 768 pixels, and sent to the model.
    ///
    /// # Errors
    /// `InvalidRequest` for a URL, a `file_id` or a data URL; `NotFound` and `Media` for a clip that is gone or cannot be
    /// decoded; `FramesUnavailable` without the feature `media`; `Budget` if a limit forbids it; `Moderated` if the model
    /// declined; `Timeout`, `Network`, and `Protocol` for an answer that is not a description.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the decoder. A query that was sent is charged nevertheless: its answer is lost, and
    /// its cost is in the ledger.
    ///
    /// # Cost
    /// One query to a language model, a few tenths of a cent. The actual cost is in the notes.
    pub fn analyze(&self, clip: impl Into<MediaInput>) -> Analyze {
        Analyze {
            client: self.clone(),
            input: clip.into(),
            options: AnalyzeOptions::default(),
        }
    }
}

impl Analyze {
    /// Sets all options.
    pub fn options(mut self, options: AnalyzeOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the number of frames, which are spread evenly over the clip: 2 to 32.
    pub const fn frames(mut self, count: u32) -> Self {
        self.options.frames = Some(count);
        self
    }

    /// Sets the language model, which must accept images.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.options.model = model.into();
        self
    }

    /// Sets the reasoning effort of the model.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.options.reasoning_effort = Some(effort.into());
        self
    }

    /// Limits the time for the whole analysis.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }
}

impl IntoFuture for Analyze {
    type Output = Result<ClipNotes>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ClipNotes>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(telemetry::instrument(Verb::Analyze.span(), run(self)))
    }
}

#[cfg(feature = "media")]
async fn run(analyze: Analyze) -> Result<ClipNotes> {
    use tokio::time::Instant;
    use tracing::Instrument as _;

    use crate::client::pipeline::clip_source::ClipSource;
    use crate::client::pipeline::submit;
    use crate::error::{Charge, Error, ErrorKind};
    use crate::journal::JobRecord;
    use crate::media::{MediaOptions, nonblocking};
    use crate::planner;

    let Analyze {
        client,
        input,
        options,
    } = analyze;
    options.check(&input)?;
    let deadline = Instant::now() + options.deadline;
    let stop = client.stop_signal().clone();
    let source = stop.run_before_send(ClipSource::find(&client, &input)).await?;
    let local = source.local.ok_or_else(|| {
        // `AnalyzeOptions::check` refuses these inputs with a better message.
        Error::invalid(format!(
            "analyze {}: the clip is not on this machine",
            source.name
        ))
    })?;
    let count = options.frame_count();
    let bounds = MediaOptions::default().deadline(options.deadline);
    let sampling = nonblocking::run(bounds, move |bounds| {
        sample_frames(&local, &source.name, count, bounds)
    });
    let clip = stop.run_before_send(sampling).await?;

    // The query is paid, so its record must be writable.
    client.inner.library.writable().await?;
    let mut record = JobRecord::query()?;
    record.model = Some(options.model.clone());
    let size = planner::describe_query_size(&clip);
    let max_cost = planner::max_query_cost(&client.inner.models, &options.model, size, false);
    (record.query_cost, record.has_unpriced_query) = (max_cost, max_cost.is_none());
    let owned = submit::reserve_with_retries(&client, record).await?;
    if stop.is_stopped() {
        owned.discard().await?;
        return Err(crate::stop::stopped_before_send());
    }
    let answer = tokio::spawn(query_model(client, options, deadline, clip, owned).in_current_span()).await;
    answer.unwrap_or_else(|join_error| {
        let error = if join_error.is_panic() {
            Error::new(
                ErrorKind::Internal,
                "analyze the clip: its task panicked, which is a bug in reelkin; a query that was sent is charged",
            )
        } else {
            Error::stopped("analyze the clip: its runtime was shut down")
        };
        Err(error.with_charge(Charge::Unknown))
    })
}

/// Sends the query and records its cost. Runs in a separate task, because a query that was sent is charged even if the
/// caller drops its future.
#[cfg(feature = "media")]
async fn query_model(
    client: VideoClient,
    options: AnalyzeOptions,
    deadline: tokio::time::Instant,
    clip: crate::planner::SampledClip,
    mut owned: crate::journal::OwnedRecord,
) -> Result<ClipNotes> {
    use crate::error::Charge;
    use crate::journal::{JobError, JobState};
    use crate::money::UsdTicks;
    use crate::planner::{self, QueryCost};

    owned
        .change_unsent(|record| record.state = JobState::Intended)
        .await?;
    let mut cost = QueryCost::default();
    let notes = planner::describe(
        &*client.inner.provider,
        &options.model,
        options.reasoning_effort.as_deref(),
        deadline.saturating_duration_since(tokio::time::Instant::now()),
        &clip,
        client.stop_signal(),
        &mut cost,
    )
    .await;
    let is_free = cost == QueryCost::default()
        && notes
            .as_ref()
            .is_err_and(|error| error.may_have_been_charged() == Charge::No);
    let recorded = if is_free {
        owned.discard().await
    } else {
        let closed = owned.close(|record| {
            crate::client::pipeline::submit::set_query_cost(record, cost);
            record.cost = Some(UsdTicks::ZERO);
            record.state = match &notes {
                Ok(_) => JobState::Saved,
                Err(_) => JobState::Failed,
            };
            record.error = notes.as_ref().err().map(JobError::from);
        });
        closed.await.map(drop)
    };
    if let Err(error) = recorded {
        tracing::warn!(%error, "the cost of an analysis could not be written to the ledger");
    }
    notes
}

#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the variant with libav is async")]
async fn run(analyze: Analyze) -> Result<ClipNotes> {
    use crate::error::{Error, ErrorKind};

    analyze.options.check(&analyze.input)?;
    Err(Error::new(
        ErrorKind::FramesUnavailable,
        format!(
            "analyze {}: frames are unavailable, because the crate was built without the feature media",
            analyze.input.display_name()
        ),
    ))
}

/// Extracts `count` frames, including the first and the last one, in one pass over the clip.
#[cfg(feature = "media")]
fn sample_frames(
    local: &crate::client::pipeline::clip_source::LocalClip,
    name: &str,
    count: u32,
    bounds: &crate::media::MediaOptions,
) -> Result<crate::planner::SampledClip> {
    use crate::client::pipeline::planning::{PLANNER_PICTURE_QUALITY, PLANNER_PICTURE_SIDE};
    use crate::error::Error;
    use crate::media::{self, FramePosition};
    use crate::planner::{SampledClip, SeenFrame};

    let probe = media::probe(local.media(name), bounds)?;
    if matches!(probe.container.as_str(), "png" | "jpeg" | "webp") {
        return Err(Error::invalid(format!(
            "analyze {name}: it is a picture; give a clip"
        )));
    }
    let steps = count.saturating_sub(1).max(1);
    let mut positions = vec![FramePosition::First];
    positions.extend((1..steps).map(|step| FramePosition::At(probe.duration * step / steps)));
    positions.push(FramePosition::Last);
    let mut frames: Vec<(SeenFrame, bytes::Bytes)> = Vec::with_capacity(positions.len());
    for frame in media::frames(local.media(name), &positions, bounds)? {
        let time = frame.time();
        // In a clip with few frames, several positions can have the same frame.
        if frames.last().is_some_and(|(previous, _)| previous.time == time) {
            continue;
        }
        let small = frame.fit_within(PLANNER_PICTURE_SIDE);
        let seen = SeenFrame::new(time, small.width(), small.height());
        frames.push((seen, small.to_jpeg(PLANNER_PICTURE_QUALITY)?.into()));
    }
    Ok(SampledClip {
        duration: probe.duration,
        has_sound: probe.audio.is_some(),
        frames,
    })
}
