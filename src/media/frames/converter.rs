//! From a picture as libav decoded it to a [`Frame`] as a player shows it.

use ffmpeg_next as ff;

use super::frame::Frame;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav::{stream, time_base};
use crate::media::limits::Watch;
use crate::media::pixels::color::{self, ColourInfo};
use crate::media::pixels::rotation::Rotation;

/// What the clip adds to each of its pictures.
#[derive(Debug, Clone)]
pub(crate) struct Presenter {
    watch: Watch,
    matrix: Option<[i32; 9]>,
    time_base: ff::Rational,
    origin: i64,
}

impl Presenter {
    pub(crate) fn of(clip: &Clip) -> Self {
        Self {
            watch: clip.watch.clone(),
            matrix: clip.video.matrix,
            time_base: clip.video.time_base,
            origin: clip.origin,
        }
    }

    /// The pixels, upright and in RGB, with their time.
    pub(crate) fn frame(&self, picture: &ff::frame::Video, pts: i64, number: Option<u64>) -> Result<Frame> {
        let colour = ColourInfo::of(picture);
        let rgb = color::to_rgb(picture, &colour).map_err(|cause| self.watch.fail("decode", cause))?;
        let rotation = self.rotation(picture);
        let (width, height) = (picture.width(), picture.height());
        let rgb = rotation.apply(rgb, width as usize, height as usize);
        let (width, height) = rotation.shown(width, height);
        let part = |n: i32| u32::try_from(n).unwrap_or(1);
        Ok(Frame {
            width,
            height,
            rgb,
            pts,
            time_base: (
                part(self.time_base.numerator()),
                part(self.time_base.denominator()),
            ),
            time: self.time_of(pts),
            number,
            colour,
            rotation,
        })
    }

    /// The time a player's clock shows when the frame with this timestamp appears.
    pub(crate) fn time_of(&self, pts: i64) -> std::time::Duration {
        time_base::to_duration(pts.saturating_sub(self.origin), self.time_base)
    }

    /// The container's display matrix; else the one in the coded picture.
    pub(crate) fn rotation(&self, picture: &ff::frame::Video) -> Rotation {
        let matrix = self.matrix.or_else(|| {
            let data = picture.side_data(ff::frame::side_data::Type::DisplayMatrix)?;
            stream::parse_matrix(data.data())
        });
        matrix.map(|m| Rotation::from_matrix(&m)).unwrap_or_default()
    }
}
