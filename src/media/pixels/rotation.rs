//! The eight ways in which a display matrix can turn and mirror a picture.

use serde::Serialize;

/// How a picture was turned and mirrored on its way from the coded one to the one shown.
///
/// First turned clockwise by [`degrees`](Self::degrees), then, if [`is_mirrored`](Self::is_mirrored),
/// swapped left and right. Frames have it applied already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Rotation {
    degrees: u16,
    mirrored: bool,
}

impl Rotation {
    /// 0, 90, 180 or 270, clockwise.
    pub fn degrees(self) -> u16 {
        self.degrees
    }

    /// Whether left and right were swapped after turning.
    pub fn is_mirrored(self) -> bool {
        self.mirrored
    }

    /// From the 3x3 matrix of a track header, rows `a b u`, `c d v`, `x y w`: a point goes to
    /// `(a x + c y, b x + d y)`. An angle between is taken for the nearest quarter turn.
    pub(crate) fn from_matrix(matrix: &[i32; 9]) -> Self {
        let [a, b, _, c, d, ..] = matrix.map(i64::from);
        if a.abs() + d.abs() >= b.abs() + c.abs() {
            match (a < 0, d < 0) {
                (false, false) => Self {
                    degrees: 0,
                    mirrored: false,
                },
                (true, true) => Self {
                    degrees: 180,
                    mirrored: false,
                },
                (true, false) => Self {
                    degrees: 0,
                    mirrored: true,
                },
                (false, true) => Self {
                    degrees: 180,
                    mirrored: true,
                },
            }
        } else {
            match (b < 0, c < 0) {
                (false, true) => Self {
                    degrees: 90,
                    mirrored: false,
                },
                (true, false) => Self {
                    degrees: 270,
                    mirrored: false,
                },
                (false, false) => Self {
                    degrees: 90,
                    mirrored: true,
                },
                (true, true) => Self {
                    degrees: 270,
                    mirrored: true,
                },
            }
        }
    }

    /// From the orientation tag of a photograph, 1 to 8.
    pub(crate) fn from_exif(orientation: u16) -> Self {
        let (degrees, mirrored) = match orientation {
            2 => (0, true),
            3 => (180, false),
            4 => (180, true),
            5 => (90, true),
            6 => (90, false),
            7 => (270, true),
            8 => (270, false),
            _ => (0, false),
        };
        Self { degrees, mirrored }
    }

    pub(crate) fn swaps_sides(self) -> bool {
        !self.degrees.is_multiple_of(180)
    }

    /// Width and height as shown, from those coded.
    pub(crate) fn shown(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Turns packed RGB of the coded size.
    pub(crate) fn apply(self, rgb: Vec<u8>, width: usize, height: usize) -> Vec<u8> {
        if self == Self::default() || width == 0 || height == 0 {
            return rgb;
        }
        let (out_width, out_height) = if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        };
        let (pixels, _) = rgb.as_chunks::<3>();
        let mut out = Vec::with_capacity(rgb.len());
        for y in 0..out_height {
            for x in 0..out_width {
                let x = if self.mirrored { out_width - 1 - x } else { x };
                let (from_x, from_y) = match self.degrees {
                    90 => (y, height - 1 - x),
                    180 => (width - 1 - x, height - 1 - y),
                    270 => (width - 1 - y, x),
                    _ => (x, y),
                };
                out.extend_from_slice(pixels.get(from_y * width + from_x).unwrap_or(&[0; 3]));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Rotation {
        Rotation::from_matrix(&[a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30])
    }

    /// Two by three pixels, numbered in reading order.
    fn turned(rotation: Rotation) -> Vec<u8> {
        let rgb = (1..=6).flat_map(|n| [n; 3]).collect();
        rotation.apply(rgb, 2, 3).into_iter().step_by(3).collect()
    }

    #[test]
    fn eight_orientations() {
        // 1 2
        // 3 4
        // 5 6
        for (rotation, exif, expect) in [
            (matrix(1, 0, 0, 1), 1, [1, 2, 3, 4, 5, 6]),
            (matrix(-1, 0, 0, 1), 2, [2, 1, 4, 3, 6, 5]),
            (matrix(-1, 0, 0, -1), 3, [6, 5, 4, 3, 2, 1]),
            (matrix(1, 0, 0, -1), 4, [5, 6, 3, 4, 1, 2]),
            (matrix(0, 1, 1, 0), 5, [1, 3, 5, 2, 4, 6]),
            (matrix(0, 1, -1, 0), 6, [5, 3, 1, 6, 4, 2]),
            (matrix(0, -1, -1, 0), 7, [6, 4, 2, 5, 3, 1]),
            (matrix(0, -1, 1, 0), 8, [2, 4, 6, 1, 3, 5]),
        ] {
            assert_eq!(turned(rotation), expect, "{rotation:?}");
            assert_eq!(Rotation::from_exif(exif), rotation);
        }
    }
}
