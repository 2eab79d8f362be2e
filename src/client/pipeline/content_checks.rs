//! Compares a finished clip with its inputs: whether it starts on the start image, and where an extension begins.
//!
//! Before the job runs, only the origins of the inputs are recorded. The inputs are read again when the clip is
//! there, so a waiting job holds no images in memory, and the comparison still works after a crash.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::VideoClient;
use crate::client::pipeline::media_origin::MediaOrigin;
use crate::library::DeliveryReport;
use crate::similarity::{PictureMatch, SeamReport};

/// Minimum likeness of the first frame to the start image. Encoding leaves 35 dB or more, and unrelated images are
/// about 10 dB alike.
const MIN_START_DB: f64 = 20.0;

/// The comparisons of a finished clip with its inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ContentChecks {
    /// The image that the clip should start on.
    pub(crate) start: Option<ReferenceImage>,
    /// The clip that was extended, and its length.
    pub(crate) old_part: Option<(MediaOrigin, Duration)>,
}

impl ContentChecks {
    /// Returns whether an input was given as bytes, which the journal does not keep.
    pub(crate) fn has_bytes(&self) -> bool {
        let start = self.start.as_ref().map(|image| match image {
            ReferenceImage::Picture(origin) | ReferenceImage::FrameOf(origin, _) => origin,
        });
        let old_part = self.old_part.as_ref().map(|(origin, _)| origin);
        let is_bytes = |origin: &MediaOrigin| matches!(origin, MediaOrigin::Memory { .. });
        start.into_iter().chain(old_part).any(is_bytes)
    }
}

/// An image to compare a frame with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ReferenceImage {
    Picture(MediaOrigin),
    /// The frame of a clip at the given time.
    FrameOf(MediaOrigin, Duration),
}

/// The results of [`ContentChecks`].
#[derive(Debug, Default)]
pub(crate) struct CheckResults {
    start: Option<PictureMatch>,
    seam: Option<SeamReport>,
    warnings: Vec<String>,
}

impl CheckResults {
    /// Adds the results to a delivery report, and returns the report and the warnings for the user.
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
mod compare {
    use std::path::Path;
    use std::time::Duration;

    use super::{CheckResults, ContentChecks, MediaOrigin, ReferenceImage};
    use crate::client::VideoClient;
    use crate::client::pipeline::clip_source::{self, ClipSource, LocalClip};
    use crate::error::{Error, Result};
    use crate::media::{Frame, FramePosition, MediaOptions, MediaSource, likeness, nonblocking, seam};
    use crate::request::MediaInput;
    use crate::similarity::{PictureMatch, SeamReport};

    /// Added to the time of a frame. The time is cut to whole nanoseconds, and could otherwise select the frame before.
    const FRAME_TIME_MARGIN: Duration = Duration::from_millis(1);

    impl ContentChecks {
        pub(super) async fn compare(self, client: &VideoClient, clip: &Path) -> CheckResults {
            let source = || MediaSource::from(clip).named("the downloaded clip");
            let mut results = CheckResults::default();
            if let Some(image) = self.start {
                match compare_start(client, image, source()).await {
                    Ok(start) => results.start = Some(start),
                    Err(error) => results
                        .warnings
                        .push(format!("the first frame could not be compared: {error}")),
                }
            }
            if let Some((old, length)) = self.old_part {
                match locate_seam(client, &old, length, source()).await {
                    Ok(Some(seam)) => results.seam = Some(seam),
                    Ok(None) => results
                        .warnings
                        .push("no frame of the clip resembles the last frame of its source".to_owned()),
                    Err(error) => results
                        .warnings
                        .push(format!("the seam could not be measured: {error}")),
                }
            }
            results
        }
    }

    /// Compares the first frame of a clip with the image that it should start on.
    async fn compare_start(
        client: &VideoClient,
        image: ReferenceImage,
        clip: MediaSource,
    ) -> Result<PictureMatch> {
        let options = MediaOptions::default;
        let sent = match image {
            ReferenceImage::Picture(origin) => {
                nonblocking::picture(origin.open(client).await?, options()).await?
            }
            ReferenceImage::FrameOf(origin, time) => {
                let position = FramePosition::At(time + FRAME_TIME_MARGIN);
                nonblocking::frame(origin.open(client).await?, position, options()).await?
            }
        };
        let first = nonblocking::frame(clip, FramePosition::First, options()).await?;
        Ok(likeness(&sent, &first))
    }

    /// Finds where an extension begins: after the frame that resembles the last frame of the old clip.
    async fn locate_seam(
        client: &VideoClient,
        old: &MediaOrigin,
        length: Duration,
        clip: MediaSource,
    ) -> Result<Option<SeamReport>> {
        let old = old.open(client).await?;
        let last: Frame = nonblocking::frame(old, FramePosition::Last, MediaOptions::default()).await?;
        let work = move |options: &MediaOptions| seam(clip, &last, length, options);
        nonblocking::run(MediaOptions::default(), work).await
    }

    impl MediaOrigin {
        /// Opens the input again.
        async fn open(&self, client: &VideoClient) -> Result<MediaSource> {
            const NAME: &str = "the input of the clip";
            let gone = |reason: &str| Error::not_found(format!("read {NAME}: {reason}"));
            match self {
                Self::Clip(id) => {
                    let source = ClipSource::find(client, &MediaInput::clip(id.as_str())).await?;
                    let local = source.local.ok_or_else(|| gone("it is not on this machine"))?;
                    Ok(local.media(&source.name))
                }
                Self::File { path, sha256 } => {
                    if clip_source::hash_file(path).await? != *sha256 {
                        return Err(gone("the file has changed since then"));
                    }
                    Ok(LocalClip::File(path.clone()).media(NAME))
                }
                Self::Memory { bytes } if bytes.is_empty() => {
                    Err(gone("it was given as bytes, which did not outlive their process"))
                }
                Self::Memory { bytes } => Ok(LocalClip::Memory(bytes.clone()).media(NAME)),
            }
        }
    }
}

impl ContentChecks {
    /// Compares a finished clip with its inputs. A comparison that fails is a warning, because the clip itself was
    /// verified.
    #[cfg(feature = "media")]
    pub(crate) async fn run(self, client: &VideoClient, clip: &Path) -> CheckResults {
        self.compare(client, clip).await
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the variant with libav is async")]
    pub(crate) async fn run(self, _client: &VideoClient, _clip: &Path) -> CheckResults {
        CheckResults::default()
    }
}
