//! The verb `analyze`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use super::VideoClient;
use crate::error::Result;
use crate::library::Clip;
use crate::planner::ClipNotes;
use crate::request::{AnalyzeOptions, MediaInput};

/// A clip to be described; see [`VideoClient::analyze`].
#[derive(Debug)]
#[must_use = "nothing is read or sent until it is awaited"]
pub struct Analyze {
    client: VideoClient,
    input: MediaInput,
    options: AnalyzeOptions,
}

impl From<&Clip> for MediaInput {
    fn from(clip: &Clip) -> Self {
        Self::Clip(clip.file_name.clone())
    }
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
    /// gone or cannot be decoded; `FramesUnavailable` without the feature `media`; `Moderated` when the
    /// model declined; `Timeout`, `Network`, and `Protocol` for an answer that is no description.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the decoder. Once the question was sent it is paid all the same,
    /// and its answer is lost.
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
        Box::pin(run(self))
    }
}

#[cfg(feature = "media")]
async fn run(analyze: Analyze) -> Result<ClipNotes> {
    use tokio::time::Instant;

    use crate::media::{MediaOptions, bridge};

    let Analyze {
        client,
        input,
        options,
    } = analyze;
    options.check(&input)?;
    let until = Instant::now() + options.deadline;
    let source = look::source(&client, input).await?;
    let count = options.frame_count();
    let bounds = MediaOptions::default().with_deadline(options.deadline);
    let clip = bridge::run(bounds, move |bounds| look::at(source, count, bounds)).await?;
    crate::planner::describe(
        &*client.inner.provider,
        &options.model,
        options.reasoning_effort.as_deref(),
        until.saturating_duration_since(Instant::now()),
        &clip,
    )
    .await
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

#[cfg(feature = "media")]
mod look {
    use bytes::Bytes;

    use crate::client::VideoClient;
    use crate::client::plan::{SHOWN_QUALITY, SHOWN_SIDE};
    use crate::error::{Error, ErrorKind, Result};
    use crate::media::{self, FramePosition, MediaOptions, MediaSource};
    use crate::planner::{ClipSeen, SeenFrame};
    use crate::request::MediaInput;

    /// Most bytes of a clip that is held in memory.
    const MAX_CLIP_BYTES: u64 = 2 << 30;

    /// A clip that can be opened more than once.
    pub(super) enum Source {
        Path(std::path::PathBuf),
        Bytes(String, Bytes),
    }

    impl Source {
        fn open(&self) -> MediaSource {
            match self {
                Self::Path(path) => MediaSource::from(path),
                Self::Bytes(name, bytes) => MediaSource::named_bytes(name.clone(), bytes.clone()),
            }
        }
    }

    pub(super) async fn source(client: &VideoClient, input: MediaInput) -> Result<Source> {
        match input {
            MediaInput::Path(path) => Ok(Source::Path(path)),
            MediaInput::Bytes { bytes, name } => Ok(Source::Bytes(name, bytes)),
            MediaInput::Clip(name) => {
                let library = client.library();
                let clip = library.resolve(&name).await?;
                match clip.path {
                    Some(path) => Ok(Source::Path(path)),
                    None => Ok(Source::Bytes(
                        clip.file_name,
                        library.read(&clip.id, MAX_CLIP_BYTES).await?,
                    )),
                }
            }
            // The check of the options refuses these, in better words.
            other => Err(Error::invalid(format!(
                "analyze {}: the clip has to be here",
                other.display_name()
            ))),
        }
    }

    /// Takes `count` frames, first and last among them, in one pass over the clip.
    pub(super) fn at(source: Source, count: u32, bounds: &MediaOptions) -> Result<ClipSeen> {
        let probe = media::probe(source.open(), bounds)?;
        if matches!(probe.container, "png" | "jpeg" | "webp") {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("analyze {}: it is a picture; give a clip", source.open().name()),
            ));
        }
        let steps = count.saturating_sub(1).max(1);
        let mut positions = vec![FramePosition::First];
        positions.extend((1..steps).map(|step| FramePosition::At(probe.duration * step / steps)));
        positions.push(FramePosition::Last);
        let mut frames = Vec::with_capacity(positions.len());
        for frame in media::frames(source.open(), &positions, bounds)? {
            let time = frame.time();
            // A clip of few frames shows one of them at more than one of the times.
            if frames
                .last()
                .is_some_and(|(before, _): &(SeenFrame, Bytes)| before.time == time)
            {
                continue;
            }
            let small = frame.fit_within(SHOWN_SIDE);
            let seen = SeenFrame::new(time, small.width(), small.height());
            frames.push((seen, small.to_jpeg(SHOWN_QUALITY)?.into()));
        }
        Ok(ClipSeen {
            duration: probe.duration,
            has_sound: probe.audio.is_some(),
            frames,
        })
    }
}
