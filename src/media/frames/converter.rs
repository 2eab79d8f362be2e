//! Conversion of decoded pictures to [`Frame`]s as a player shows them.

use ffmpeg_next as ff;

use super::frame::Frame;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav::{stream::parse_display_matrix, time_base::to_duration};
use crate::media::limits::CallLimits;
use crate::media::pixels::color::{self, ColorInfo};
use crate::media::pixels::rotation::Rotation;

/// Converts the pictures of one clip to frames.
#[derive(Debug, Clone)]
pub(crate) struct FrameConverter {
    limits: CallLimits,
    display_matrix: Option<[i32; 9]>,
    time_base: ff::Rational,
    origin: i64,
}

impl FrameConverter {
    /// Creates a converter for the pictures of a clip.
    pub(crate) fn new(clip: &Clip) -> Self {
        Self {
            limits: clip.limits.clone(),
            display_matrix: clip.video.display_matrix,
            time_base: clip.video.time_base,
            origin: clip.origin,
        }
    }

    /// Converts a picture to RGB, rotates it, and adds its timestamp and number.
    pub(crate) fn convert(&self, picture: &ff::frame::Video, pts: i64, number: Option<u64>) -> Result<Frame> {
        let color = ColorInfo::of(picture);
        let rgb = color::to_rgb(picture, &color).map_err(|cause| self.limits.error("decode", cause))?;
        let rotation = self.rotation(picture);
        let (width, height) = (picture.width(), picture.height());
        let rgb = rotation.apply(rgb, width as usize, height as usize);
        let (width, height) = rotation.shown_size(width, height);
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
            color,
            rotation,
        })
    }

    /// Returns the time on a player's clock when the frame with this timestamp appears.
    pub(crate) fn time_of(&self, pts: i64) -> std::time::Duration {
        to_duration(pts.saturating_sub(self.origin), self.time_base)
    }

    /// Returns the rotation of a picture: that of the container, else that of the coded picture.
    pub(crate) fn rotation(&self, picture: &ff::frame::Video) -> Rotation {
        let matrix = self.display_matrix.or_else(|| {
            let data = picture.side_data(ff::frame::side_data::Type::DisplayMatrix)?;
            parse_display_matrix(data.data())
        });
        matrix.map(|m| Rotation::from_matrix(&m)).unwrap_or_default()
    }
}
