//! What is compared in a finished clip with what went in: that a given picture was used, and where an
//! extension begins.

use std::path::Path;

use crate::library::{DeliveryReport, PictureMatch, SeamReport};

/// Below this the first frame has little to do with the picture: encoders leave 35 dB and more, and an
/// unrelated picture some 10.
const LEAST_START_DB: f64 = 20.0;

/// What a finished clip is to be held against.
#[derive(Debug, Default)]
pub(super) struct Measure {
    /// The picture that the clip was to start on.
    #[cfg(feature = "media")]
    pub(super) start: Option<crate::media::Frame>,
    /// The last frame of the clip that was extended, and that clip's length.
    #[cfg(feature = "media")]
    pub(super) old_part: Option<(crate::media::Frame, std::time::Duration)>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    start: Option<PictureMatch>,
    seam: Option<SeamReport>,
    warning: Option<String>,
}

impl Found {
    /// Adds what was found to a report; returns what the user should know.
    pub(super) fn add_to(self, report: DeliveryReport) -> (DeliveryReport, Option<String>) {
        let mut report = match self.start {
            Some(start) => report.with_start(start, LEAST_START_DB),
            None => report,
        };
        report.seam = self.seam;
        (report, self.warning)
    }
}

#[cfg(feature = "media")]
impl Measure {
    /// Measures a finished clip. A clip that was verified is not thrown away because a measurement
    /// failed: that is a warning.
    pub(super) async fn take(self, clip: &Path) -> Found {
        use crate::media::{FramePosition, MediaOptions, MediaSource, bridge, likeness, seam};

        let source = || MediaSource::from(clip).with_name("the downloaded clip");
        let mut found = Found::default();
        if let Some(sent) = self.start {
            match bridge::frame(source(), FramePosition::First, MediaOptions::default()).await {
                Ok(first) => found.start = Some(matched(likeness(&sent, &first))),
                Err(error) => found.warning = Some(format!("the first frame could not be compared: {error}")),
            }
        }
        if let Some((last, length)) = self.old_part {
            let source = source();
            let work = move |options: &MediaOptions| seam(source, &last, length, options);
            match bridge::run(MediaOptions::default(), work).await {
                Ok(Some(seam)) => {
                    found.seam = Some(SeamReport {
                        seconds: seam.seconds,
                        likeness: matched(seam.likeness),
                    });
                }
                Ok(None) => {
                    found.warning =
                        Some("no frame of the clip is like the last one of its source".to_owned());
                }
                Err(error) => found.warning = Some(format!("the seam could not be measured: {error}")),
            }
        }
        found
    }
}

#[cfg(feature = "media")]
const fn matched(likeness: crate::media::Likeness) -> PictureMatch {
    PictureMatch {
        luma_db: likeness.luma_db,
        colour_db: likeness.colour_db,
        reduced: likeness.reduced,
    }
}

#[cfg(not(feature = "media"))]
impl Measure {
    #[expect(clippy::unused_async, reason = "the other variant waits")]
    pub(super) async fn take(self, _clip: &Path) -> Found {
        Found::default()
    }
}
