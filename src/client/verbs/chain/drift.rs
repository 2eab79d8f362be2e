//! How far a clip of a chain has gone from the clip that it began with.

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::ClipSource;
use crate::error::{Error, Result};
use crate::library::Drift;
use crate::media::{Frame, FramePosition, MediaOptions, bridge, statistics_of_both};
use crate::request::MediaInput;

/// Below this a contrast or a sharpness is that of a plain picture, and a ratio to it means nothing.
const LEAST: f64 = 0.5;

/// The last frame of a clip.
pub(crate) async fn last_frame(client: &VideoClient, clip: &MediaInput) -> Result<Frame> {
    let source = ClipSource::find(client, clip).await?;
    let local = source
        .local
        .ok_or_else(|| Error::invalid(format!("read video {}: it is not on this machine", source.name)))?;
    bridge::frame(
        local.media(&source.name),
        FramePosition::Last,
        MediaOptions::default(),
    )
    .await
}

pub(crate) async fn measure(anchor: Frame, frame: Frame) -> Result<Drift> {
    let work = move |_: &MediaOptions| {
        let (from, to) = statistics_of_both(&anchor, &frame)?;
        let squares = from
            .mean_rgb
            .iter()
            .zip(to.mean_rgb)
            .map(|(a, b)| (a - b).powi(2));
        let ratio = |from: f64, to: f64| to.max(LEAST) / from.max(LEAST);
        Ok(Drift::new(
            rounded(squares.sum::<f64>().sqrt()),
            rounded(ratio(from.contrast, to.contrast)),
            rounded(ratio(from.sharpness, to.sharpness)),
        ))
    };
    bridge::run(MediaOptions::default(), work).await
}

/// Thousandths are more than anybody needs, and read well.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes of two greys.
    fn striped(greys: [u8; 2]) -> Frame {
        let pixels = (0..64 * 64).flat_map(|at| [greys[at / 4 % 2]; 3]);
        Frame::from_rgb(64, 64, pixels.collect()).unwrap()
    }

    #[tokio::test]
    async fn a_clip_that_went_dark_and_flat_has_drifted() {
        let anchor = striped([100, 180]);
        let same = measure(anchor.clone(), anchor.clone()).await.unwrap();
        assert_eq!(same, Drift::new(0.0, 1.0, 1.0));
        let dark = measure(anchor.clone(), striped([50, 90])).await.unwrap();
        assert!((dark.contrast_ratio - 0.5).abs() < 0.01 && (dark.sharpness_ratio - 0.25).abs() < 0.01);
        // 70 levels in each of three channels.
        assert!((dark.colour_delta - 121.2).abs() < 0.1, "{dark:?}");
        assert!(dark.warning().is_some());
        // To a black frame there is no ratio, but a number all the same.
        let black = measure(striped([0, 0]), anchor).await.unwrap();
        assert!(black.contrast_ratio.is_finite() && black.sharpness_ratio.is_finite());
    }
}
