//! Measures how much a clip of a chain differs from clip 0.

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::ClipSource;
use crate::error::{Error, Result};
use crate::library::Drift;
use crate::media::{Frame, FramePosition, MediaOptions, nonblocking, statistics_of_both};
use crate::request::MediaInput;

/// Minimum contrast and sharpness in a ratio, to which lower values are raised. Images with lower values are nearly
/// uniform, and a ratio of such values has no meaning.
const MIN_STATISTIC: f64 = 0.5;

/// Returns the last frame of a clip.
pub(crate) async fn last_frame(client: &VideoClient, clip: &MediaInput) -> Result<Frame> {
    let source = ClipSource::find(client, clip).await?;
    let local = source
        .local
        .ok_or_else(|| Error::invalid(format!("read video {}: it is not on this machine", source.name)))?;
    nonblocking::frame(
        local.media(&source.name),
        FramePosition::Last,
        MediaOptions::default(),
    )
    .await
}

/// Measures the drift of a frame from the anchor, the last frame of clip 0.
pub(crate) async fn measure(anchor: Frame, frame: Frame) -> Result<Drift> {
    let work = move |_: &MediaOptions| {
        let (from, to) = statistics_of_both(&anchor, &frame)?;
        let squares = from
            .mean_rgb
            .iter()
            .zip(to.mean_rgb)
            .map(|(a, b)| (a - b).powi(2));
        let ratio = |from: f64, to: f64| to.max(MIN_STATISTIC) / from.max(MIN_STATISTIC);
        Ok(Drift::new(
            rounded(squares.sum::<f64>().sqrt()),
            rounded(ratio(from.contrast, to.contrast)),
            rounded(ratio(from.sharpness, to.sharpness)),
        ))
    };
    nonblocking::run(MediaOptions::default(), work).await
}

/// Rounds to three decimals, for readable records.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a frame with stripes of two grays.
    fn striped(grays: [u8; 2]) -> Frame {
        let pixels = (0..64 * 64).flat_map(|at| [grays[at / 4 % 2]; 3]);
        Frame::from_rgb(64, 64, pixels.collect()).unwrap()
    }

    #[tokio::test]
    async fn a_clip_that_went_dark_and_flat_has_drifted() {
        let anchor = striped([100, 180]);
        let same = measure(anchor.clone(), anchor.clone()).await.unwrap();
        assert_eq!(same, Drift::new(0.0, 1.0, 1.0));
        let dark = measure(anchor.clone(), striped([50, 90])).await.unwrap();
        assert!((dark.contrast_ratio - 0.5).abs() < 0.01 && (dark.sharpness_ratio - 0.25).abs() < 0.01);
        // The mean of each of the three channels differs by 70 levels: 70 * sqrt(3) = 121.2.
        assert!((dark.color_delta - 121.2).abs() < 0.1, "{dark:?}");
        assert!(dark.warning().is_some());
        // Relative to a black frame, both ratios are still finite.
        let black = measure(striped([0, 0]), anchor).await.unwrap();
        assert!(black.contrast_ratio.is_finite() && black.sharpness_ratio.is_finite());
    }
}
