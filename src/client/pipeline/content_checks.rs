//! What is compared in a finished clip with what went in: that a given picture was used, and where an
//! extension begins.
//!
//! What a clip is held against is named here and read again when the clip is there: a job then holds no
//! picture while it runs, and what is named survives a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::client::VideoClient;
use crate::library::{DeliveryReport, PictureMatch, SeamReport};

/// Below this the first frame has little to do with the picture: encoders leave 35 dB and more, and an
/// unrelated picture some 10.
const MIN_START_DB: f64 = 20.0;

/// What a finished clip is to be held against.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ContentChecks {
    /// The picture that the clip was to start on.
    pub(crate) start: Option<ReferenceImage>,
    /// The clip that was extended, and its length.
    pub(crate) old_part: Option<(MediaOrigin, Duration)>,
}

impl ContentChecks {
    /// Whether some of it was given as bytes, which are not written down.
    pub(crate) fn has_bytes(&self) -> bool {
        let start = self.start.as_ref().map(|shown| match shown {
            ReferenceImage::Picture(origin) | ReferenceImage::FrameOf(origin, _) => origin,
        });
        let old_part = self.old_part.as_ref().map(|(origin, _)| origin);
        let is_bytes = |origin: &MediaOrigin| matches!(origin, MediaOrigin::Memory { .. });
        start.into_iter().chain(old_part).any(is_bytes)
    }
}

/// A picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ReferenceImage {
    Picture(MediaOrigin),
    /// The frame of a clip at a time of it.
    FrameOf(MediaOrigin, Duration),
}

/// Where a picture or a clip can be read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum MediaOrigin {
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
pub(crate) struct CheckResults {
    start: Option<PictureMatch>,
    seam: Option<SeamReport>,
    warnings: Vec<String>,
}

impl CheckResults {
    /// Adds what was found to a report; returns what the user should know.
    pub(crate) fn add_to(self, report: DeliveryReport) -> (DeliveryReport, Vec<String>) {
        let mut report = match self.start {
            Some(start) => report.with_start(start, MIN_START_DB),
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

    use super::{CheckResults, ContentChecks, MediaOrigin, ReferenceImage};
    use crate::client::VideoClient;
    use crate::client::pipeline::clip_source::{self, ClipSource, LocalClip};
    use crate::error::{Error, ErrorKind, Result};
    use crate::library::{PictureMatch, SeamReport};
    use crate::media::{Frame, FramePosition, Likeness, MediaOptions, MediaSource, bridge, likeness, seam};
    use crate::request::{MediaContent, MediaInput};

    /// A frame's time is cut to whole nanoseconds: a little later it is surely the one on the screen.
    const LITTLE: Duration = Duration::from_millis(1);

    impl ContentChecks {
        pub(crate) async fn look(self, client: &VideoClient, clip: &Path) -> CheckResults {
            let source = || MediaSource::from(clip).with_name("the downloaded clip");
            let mut found = CheckResults::default();
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

    async fn start(client: &VideoClient, shown: ReferenceImage, clip: MediaSource) -> Result<PictureMatch> {
        let options = MediaOptions::default;
        let sent = match shown {
            ReferenceImage::Picture(origin) => bridge::picture(origin.open(client).await?, options()).await?,
            ReferenceImage::FrameOf(origin, time) => {
                let position = FramePosition::At(time + LITTLE);
                bridge::frame(origin.open(client).await?, position, options()).await?
            }
        };
        let first = bridge::frame(clip, FramePosition::First, options()).await?;
        Ok(matched(likeness(&sent, &first)))
    }

    async fn old_part(
        client: &VideoClient,
        old: &MediaOrigin,
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

    impl MediaOrigin {
        async fn open(&self, client: &VideoClient) -> Result<MediaSource> {
            const NAME: &str = "what the clip was made from";
            let gone = |why: &str| Error::new(ErrorKind::NotFound, format!("read {NAME}: {why}"));
            match self {
                Self::Clip(id) => {
                    let found = ClipSource::find(client, &MediaInput::clip(id)).await?;
                    let local = found.local.ok_or_else(|| gone("it is not here"))?;
                    Ok(local.media(&found.name))
                }
                Self::File { path, sha256 } => {
                    let length = crate::client::pipeline::input_context::facts(path)
                        .await
                        .map_or(0, |about| about.len());
                    let content = MediaContent::File {
                        path: path.clone(),
                        length,
                    };
                    if clip_source::hash(&content).await? != *sha256 {
                        return Err(gone("the file was changed since"));
                    }
                    Ok(LocalClip::File(path.clone()).media(NAME))
                }
                Self::Memory { bytes } if bytes.is_empty() => Err(gone(
                    "it was given as bytes, and they are gone with the process that had them",
                )),
                Self::Memory { bytes } => Ok(LocalClip::Memory(bytes.clone()).media(NAME)),
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

impl ContentChecks {
    /// Measures a finished clip. A clip that was verified is not thrown away because a measurement
    /// failed: that is a warning.
    #[cfg(feature = "media")]
    pub(crate) async fn take(self, client: &VideoClient, clip: &Path) -> CheckResults {
        self.look(client, clip).await
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the other variant waits")]
    pub(crate) async fn take(self, _client: &VideoClient, _clip: &Path) -> CheckResults {
        CheckResults::default()
    }
}
