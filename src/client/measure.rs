//! What is compared in a finished clip with what went in: that a given picture was used, and where an
//! extension begins.
//!
//! What a clip is held against is named here and read again when the clip is there: a job then holds no
//! picture while it runs, and what is named survives a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::VideoClient;
use crate::library::{DeliveryReport, PictureMatch, SeamReport};

/// Below this the first frame has little to do with the picture: encoders leave 35 dB and more, and an
/// unrelated picture some 10.
const LEAST_START_DB: f64 = 20.0;

/// What a finished clip is to be held against.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Measure {
    /// The picture that the clip was to start on.
    pub(super) start: Option<Shown>,
    /// The clip that was extended, and its length.
    pub(super) old_part: Option<(Whence, Duration)>,
}

impl Measure {
    /// Whether some of it was given as bytes, which are not written down.
    pub(super) fn has_bytes(&self) -> bool {
        let start = self.start.as_ref().map(|shown| match shown {
            Shown::Picture(whence) | Shown::FrameOf(whence, _) => whence,
        });
        let old_part = self.old_part.as_ref().map(|(whence, _)| whence);
        let is_bytes = |whence: &Whence| matches!(whence, Whence::Memory { .. });
        start.into_iter().chain(old_part).any(is_bytes)
    }
}

/// A picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Shown {
    Picture(Whence),
    /// The frame of a clip at a time of it.
    FrameOf(Whence, Duration),
}

/// Where a picture or a clip can be read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Whence {
    /// A clip of the library.
    Clip(String),
    /// A file of this machine, as long as it has this hash.
    File { path: PathBuf, sha256: String },
    /// Bytes that were given. They do not outlive the process.
    Memory {
        #[serde(skip)]
        bytes: Bytes,
    },
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    start: Option<PictureMatch>,
    seam: Option<SeamReport>,
    warnings: Vec<String>,
}

impl Found {
    /// Adds what was found to a report; returns what the user should know.
    pub(super) fn add_to(self, report: DeliveryReport) -> (DeliveryReport, Vec<String>) {
        let mut report = match self.start {
            Some(start) => report.with_start(start, LEAST_START_DB),
            None => report,
        };
        report.seam = self.seam;
        (report, self.warnings)
    }
}

#[cfg(feature = "media")]
mod look {
    use std::path::Path;
    use std::time::Duration;

    use super::super::VideoClient;
    use super::super::source::{self, Local, Source};
    use super::{Found, Measure, Shown, Whence};
    use crate::error::{Error, ErrorKind, Result};
    use crate::library::{PictureMatch, SeamReport};
    use crate::media::{Frame, FramePosition, Likeness, MediaOptions, MediaSource, bridge, likeness, seam};
    use crate::request::{MediaContent, MediaInput};

    /// A frame's time is cut to whole nanoseconds: a little later it is surely the one on the screen.
    const LITTLE: Duration = Duration::from_millis(1);

    impl Measure {
        pub(super) async fn look(self, client: &VideoClient, clip: &Path) -> Found {
            let source = || MediaSource::from(clip).with_name("the downloaded clip");
            let mut found = Found::default();
            if let Some(shown) = self.start {
                match start(client, shown, source()).await {
                    Ok(start) => found.start = Some(start),
                    Err(error) => found
                        .warnings
                        .push(format!("the first frame could not be compared: {error}")),
                }
            }
            if let Some((old, length)) = self.old_part {
                match old_part(client, &old, length, source()).await {
                    Ok(Some(seam)) => found.seam = Some(seam),
                    Ok(None) => found
                        .warnings
                        .push("no frame of the clip is like the last one of its source".to_owned()),
                    Err(error) => found
                        .warnings
                        .push(format!("the seam could not be measured: {error}")),
                }
            }
            found
        }
    }

    async fn start(client: &VideoClient, shown: Shown, clip: MediaSource) -> Result<PictureMatch> {
        let options = MediaOptions::default;
        let sent = match shown {
            Shown::Picture(whence) => bridge::picture(whence.open(client).await?, options()).await?,
            Shown::FrameOf(whence, time) => {
                let position = FramePosition::At(time + LITTLE);
                bridge::frame(whence.open(client).await?, position, options()).await?
            }
        };
        let first = bridge::frame(clip, FramePosition::First, options()).await?;
        Ok(matched(likeness(&sent, &first)))
    }

    async fn old_part(
        client: &VideoClient,
        old: &Whence,
        length: Duration,
        clip: MediaSource,
    ) -> Result<Option<SeamReport>> {
        let old = old.open(client).await?;
        let last: Frame = bridge::frame(old, FramePosition::Last, MediaOptions::default()).await?;
        let work = move |options: &MediaOptions| seam(clip, &last, length, options);
        let found = bridge::run(MediaOptions::default(), work).await?;
        Ok(found.map(|seam| SeamReport {
            seconds: seam.seconds,
            likeness: matched(seam.likeness),
        }))
    }

    impl Whence {
        async fn open(&self, client: &VideoClient) -> Result<MediaSource> {
            const NAME: &str = "what the clip was made from";
            let gone = |why: &str| Error::new(ErrorKind::NotFound, format!("read {NAME}: {why}"));
            match self {
                Self::Clip(id) => {
                    let found = Source::find(client, &MediaInput::clip(id)).await?;
                    let local = found.local.ok_or_else(|| gone("it is not here"))?;
                    Ok(local.media(&found.name))
                }
                Self::File { path, sha256 } => {
                    let length = crate::client::given::facts(path)
                        .await
                        .map_or(0, |about| about.len());
                    let content = MediaContent::File {
                        path: path.clone(),
                        length,
                    };
                    if source::hash(&content).await? != *sha256 {
                        return Err(gone("the file was changed since"));
                    }
                    Ok(Local::File(path.clone()).media(NAME))
                }
                Self::Memory { bytes } if bytes.is_empty() => Err(gone(
                    "it was given as bytes, and they are gone with the process that had them",
                )),
                Self::Memory { bytes } => Ok(Local::Memory(bytes.clone()).media(NAME)),
            }
        }
    }

    const fn matched(likeness: Likeness) -> PictureMatch {
        PictureMatch {
            luma_db: likeness.luma_db,
            colour_db: likeness.colour_db,
            reduced: likeness.reduced,
        }
    }
}

impl Measure {
    /// Measures a finished clip. A clip that was verified is not thrown away because a measurement
    /// failed: that is a warning.
    #[cfg(feature = "media")]
    pub(super) async fn take(self, client: &VideoClient, clip: &Path) -> Found {
        self.look(client, clip).await
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the other variant waits")]
    pub(super) async fn take(self, _client: &VideoClient, _clip: &Path) -> Found {
        Found::default()
    }
}
