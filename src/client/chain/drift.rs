//! How far a clip of a chain has gone from the clip that it began with.

use crate::client::VideoClient;
use crate::client::source::Source;
use crate::error::{Error, Result};
use crate::library::Drift;
use crate::media::{Frame, FramePosition, MediaOptions, bridge, statistics_of_both};
use crate::request::MediaInput;

/// Below this a contrast or a sharpness is that of a plain picture, and a ratio to it means nothing.
const LEAST: f64 = 0.5;

/// The last frame of a clip.
pub(super) async fn last_frame(client: &VideoClient, clip: &MediaInput) -> Result<Frame> {
    let source = Source::find(client, clip).await?;
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

pub(super) async fn measure(anchor: Frame, frame: Frame) -> Result<Drift> {
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
