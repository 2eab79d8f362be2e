//! A decoded frame: its pixels, and where it came from.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::media::pixels::color::ColorInfo;
use crate::media::pixels::rotation::Rotation;
use crate::media::pixels::scale::scale_down;

/// A picture as a player shows it: packed RGB with 8 bits a channel, rows from the top, with the rotation applied.
///
/// A picture whose pixels are not square is not stretched.
#[derive(Clone)]
pub struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgb: Vec<u8>,
    pub(super) pts: i64,
    pub(super) time_base: (u32, u32),
    pub(super) time: Duration,
    pub(super) number: Option<u64>,
    pub(super) color: ColorInfo,
    pub(super) rotation: Rotation,
}

/// Everything that is known of a frame besides its pixels. With the pixels, it suffices to recreate the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameOrigin {
    /// See [`Frame::pts`].
    pub pts: i64,
    /// See [`Frame::time_base`].
    pub time_base: (u32, u32),
    /// See [`Frame::time`].
    pub time: Duration,
    /// See [`Frame::number`].
    pub number: Option<u64>,
    /// See [`Frame::color`].
    pub color: ColorInfo,
    /// See [`Frame::rotation`].
    pub rotation: Rotation,
}

impl Frame {
    /// Creates a frame from packed RGB pixels, `width * height * 3` bytes.
    ///
    /// # Errors
    ///
    /// Returns `Media` if a side is 0 or the number of bytes does not match the size.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let expect = u64::from(width) * u64::from(height) * 3;
        if expect == 0 || rgb.len() as u64 != expect {
            return Err(Error::media(format!(
                "create a frame of {width}x{height}: got {} bytes of RGB, expected {expect}",
                rgb.len()
            )));
        }
        Ok(Self {
            width,
            height,
            rgb,
            pts: 0,
            time_base: (1, 1),
            time: Duration::ZERO,
            number: Some(0),
            color: ColorInfo::rgb(),
            rotation: Rotation::default(),
        })
    }

    /// Returns everything that is known of the frame besides its pixels.
    pub fn origin(&self) -> FrameOrigin {
        FrameOrigin {
            pts: self.pts,
            time_base: self.time_base,
            time: self.time,
            number: self.number,
            color: self.color.clone(),
            rotation: self.rotation,
        }
    }

    /// Sets everything that is known of the frame besides its pixels.
    #[must_use]
    pub fn with_origin(self, origin: FrameOrigin) -> Self {
        Self {
            pts: origin.pts,
            time_base: origin.time_base,
            time: origin.time,
            number: origin.number,
            color: origin.color,
            rotation: origin.rotation,
            ..self
        }
    }

    /// Returns the width in pixels, as shown.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels, as shown.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the pixels: red, green and blue, row by row from the top, without padding.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Converts the frame into its pixels, without a copy.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// Returns the presentation timestamp (PTS) in the stream, in units of [`time_base`](Self::time_base).
    pub fn pts(&self) -> i64 {
        self.pts
    }

    /// Returns the unit of [`pts`](Self::pts) in seconds, as numerator and denominator.
    pub fn time_base(&self) -> (u32, u32) {
        self.time_base
    }

    /// Returns the time on a player's clock when this frame appears.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Returns the number of the frame in presentation order, from 0.
    ///
    /// It is `None` if it is not known without decoding all frames before it.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// Returns the matrix and range that the pixels were converted with, and whether the clip specifies them.
    pub fn color(&self) -> &ColorInfo {
        &self.color
    }

    /// Returns how the coded picture was rotated. The rotation is already applied.
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// Scales the frame down so that its longer side has at most `side` pixels, and keeps its proportions.
    ///
    /// Each pixel is the mean of the area that it covers, which avoids aliasing. A frame that already fits is returned
    /// unchanged.
    pub fn fit_within(self, side: u32) -> Self {
        let longest = self.width.max(self.height);
        if longest <= side || side == 0 {
            return self;
        }
        let scaled = |n: u32| {
            let n = (u64::from(n) * u64::from(side) + u64::from(longest) / 2) / u64::from(longest);
            u32::try_from(n).unwrap_or(side).max(1)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        let size = |width: u32, height: u32| (width as usize, height as usize);
        let rgb = scale_down(&self.rgb, size(self.width, self.height), size(width, height));
        Self {
            width,
            height,
            rgb,
            ..self
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("pts", &self.pts)
            .field("time_base", &self.time_base)
            .field("time", &self.time)
            .field("number", &self.number)
            .field("color", &self.color)
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Frame::from_rgb(width, height, rgb.flat_map(|(x, y)| pixel(x, y)).collect()).unwrap()
    }

    #[test]
    fn sizes_keep_their_proportions_and_never_grow() {
        for (size, side, expect) in [
            ((1280, 720), 768, (768, 432)),
            ((720, 1280), 768, (432, 768)),
            ((848, 480), 768, (768, 435)),
            ((768, 300), 768, (768, 300)),
            ((64, 48), 768, (64, 48)),
            ((4000, 2), 768, (768, 1)),
            ((3, 2), 1, (1, 1)),
        ] {
            let small = frame(size.0, size.1, |_, _| [9, 8, 7]).fit_within(side);
            assert_eq!((small.width(), small.height()), expect, "{size:?}");
            assert!(small.rgb().chunks_exact(3).all(|pixel| pixel == [9, 8, 7]));
        }
    }

    #[test]
    fn each_pixel_is_the_mean_of_its_area() {
        // 3 to 2: each new pixel covers one old one and half of the middle one.
        let three = frame(3, 1, |x, _| [[0, 90, 240][x as usize]; 3]).fit_within(2);
        assert_eq!(three.rgb(), [[30; 3], [190; 3]].concat());
        // A checkerboard becomes its mean.
        let board = frame(100, 60, |x, y| [if (x + y) % 2 == 0 { 255 } else { 0 }; 3]).fit_within(50);
        assert!(board.rgb().iter().all(|&v| v == 128), "{:?}", &board.rgb()[..6]);
        // The mean of the whole picture does not change.
        let ramp = |x: u32, y: u32| [x * 2, y * 3, 77].map(|value| u8::try_from(value).unwrap());
        let mean = |frame: &Frame, channel: usize| {
            let values = frame.rgb().iter().skip(channel).step_by(3);
            values.map(|&v| f64::from(v)).sum::<f64>() / f64::from(frame.width() * frame.height())
        };
        let (large, small) = (frame(120, 80, ramp), frame(120, 80, ramp).fit_within(37));
        for channel in 0..3 {
            assert!((mean(&large, channel) - mean(&small, channel)).abs() < 0.5);
        }
    }
}
