//! The verb `analyze`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::client::VideoClient;
use crate::error::Result;
use crate::planner::ClipNotes;
use crate::request::{AnalyzeOptions, MediaInput};
use crate::telemetry::{self, Verb};

/// A clip to be described; see [`VideoClient::analyze`].
#[derive(Debug)]
#[must_use = "nothing is read or sent until it is awaited"]
pub struct Analyze {
    #[cfg_attr(not(feature = "media"), expect(dead_code, reason = "no frame can be taken"))]
    client: VideoClient,
    input: MediaInput,
    options: AnalyzeOptions,
}

impl VideoClient {
    /// Has a language model describe a clip: shot, camera, light, palette, subjects, motion, mood,
    /// sound, and a prompt to make it again.
    ///
    /// The clip is one of the library, a file or bytes. It stays here: frames are taken out of it in
    /// the process and shown to the model, scaled down to 768 pixels.
    ///
    /// # Errors
    /// `InvalidRequest` for a URL, a `file_id` or a data URL; `NotFound` and `Media` for a clip that is
    /// gone or cannot be decoded; `FramesUnavailable` without the feature `media`; `Budget` when a limit forbids it; `Moderated` when the
    /// model declined; `Timeout`, `Network`, and `Protocol` for an answer that is no description.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the decoder. Once the question was sent it is paid all the same:
    /// its answer is lost, its cost is in the ledger.
    ///
    /// # Cost
    /// One question to a language model, some tenths of a cent; the actual cost is in the notes.
    pub fn analyze(&self, clip: impl Into<MediaInput>) -> Analyze {
        Analyze {
            client: self.clone(),
            input: clip.into(),
            options: AnalyzeOptions::default(),
        }
    }
}

impl Analyze {
    /// All options at once.
    pub fn options(mut self, options: AnalyzeOptions) -> Self {
        self.options = options;
        self
    }

    /// How many frames are looked at, spread evenly over the clip: 2 to 32.
    pub const fn frames(mut self, count: u32) -> Self {
        self.options.frames = Some(count);
        self
    }

    /// The language model; it must see pictures.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.options.model = model.into();
        self
    }

    /// How long the model thinks.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.options.reasoning_effort = Some(effort.into());
        self
    }

    /// The longest that all of it may take.
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
    use crate::media::{MediaOptions, bridge};
    use crate::planner;

    let Analyze {
        client,
        input,
        options,
    } = analyze;
    options.check(&input)?;
    let until = Instant::now() + options.deadline;
    let stop = client.stop_signal().clone();
    let found = stop.run_before_send(ClipSource::find(&client, &input)).await?;
    let local = found.local.ok_or_else(|| {
        // The check of the options refuses these, in better words.
        Error::invalid(format!("analyze {}: the clip has to be here", found.name))
    })?;
    let count = options.frame_count();
    let bounds = MediaOptions::default().with_deadline(options.deadline);
    let look = bridge::run(bounds, move |bounds| look(&local, &found.name, count, bounds));
    let clip = stop.run_before_send(look).await?;

    // A question is paid, too, and its record has to be safe.
    client.inner.library.writable().await?;
    let mut record = JobRecord::question()?;
    record.model = Some(options.model.clone());
    let size = planner::describe_query_size(&clip);
    let most = planner::max_query_cost(&client.inner.models, &options.model, size, false);
    (record.questions, record.unpriced_question) = (most, most.is_none());
    let file = submit::reserve(&client, record).await?;
    if stop.is_stopped() {
        file.discard().await?;
        return Err(crate::stop::stopped_before_send());
    }
    let asking = tokio::spawn(ask(client, options, until, clip, file).in_current_span()).await;
    asking.unwrap_or_else(|ended| {
        let error = if ended.is_panic() {
            Error::new(
                ErrorKind::Internal,
                "analyze the clip: its task panicked, which is a defect of reelkin; a question that was sent is paid",
            )
        } else {
            Error::new(ErrorKind::Stopped, "analyze the clip: its runtime was shut down")
        };
        Err(error.with_charge(Charge::Unknown))
    })
}

/// Asks, and books what it cost: in a task of its own, since what was asked is paid.
#[cfg(feature = "media")]
async fn ask(
    client: VideoClient,
    options: AnalyzeOptions,
    until: tokio::time::Instant,
    clip: crate::planner::SampledClip,
    mut file: crate::journal::OwnedRecord,
) -> Result<ClipNotes> {
    use crate::error::Charge;
    use crate::journal::{JobError, JobState};
    use crate::money::UsdTicks;
    use crate::planner::{self, QueryCost};

    file.change_unsent(|record| record.state = JobState::Intended)
        .await?;
    let mut bill = QueryCost::default();
    let notes = planner::describe(
        &*client.inner.provider,
        &options.model,
        options.reasoning_effort.as_deref(),
        until.saturating_duration_since(tokio::time::Instant::now()),
        &clip,
        &mut bill,
    )
    .await;
    let free = bill == QueryCost::default()
        && notes
            .as_ref()
            .is_err_and(|error| error.may_have_been_charged() == Charge::No);
    let booked = if free {
        file.discard().await
    } else {
        let closed = file.close(|record| {
            crate::client::pipeline::submit::set_query_cost(record, bill);
            record.cost = Some(UsdTicks::ZERO);
            record.state = match &notes {
                Ok(_) => JobState::Saved,
                Err(_) => JobState::Failed,
            };
            record.error = notes.as_ref().err().map(JobError::from);
        });
        closed.await.map(drop)
    };
    if let Err(error) = booked {
        tracing::warn!(%error, "the ledger does not say what an analysis cost");
    }
    notes
}

#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
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

/// Takes `count` frames, first and last among them, in one pass over the clip.
#[cfg(feature = "media")]
fn look(
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
        // A clip of few frames shows one of them at more than one of the times.
        if frames.last().is_some_and(|(before, _)| before.time == time) {
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
