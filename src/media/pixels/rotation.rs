//! Rotation and mirroring of pictures: the eight orientations of display matrices and EXIF.

use serde::Serialize;

/// How a coded picture is rotated and mirrored to be shown.
///
/// It is rotated clockwise by [`degrees`](Self::degrees) first. Then left and right are swapped if
/// [`is_mirrored`](Self::is_mirrored). [`Frame`](crate::media::Frame)s have the rotation already applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Rotation {
    degrees: u16,
    mirrored: bool,
}

impl Rotation {
    /// Returns the clockwise rotation: 0, 90, 180 or 270.
    pub fn degrees(self) -> u16 {
        self.degrees
    }

    /// Returns whether left and right are swapped after the rotation.
    pub fn is_mirrored(self) -> bool {
        self.mirrored
    }

    /// Returns the rotation of a display matrix with the rows `a b u`, `c d v` and `x y w`.
    ///
    /// The matrix maps a point to `(a x + c y, b x + d y)`. Other angles are rounded to the nearest quarter turn.
    pub(crate) fn from_matrix(matrix: &[i32; 9]) -> Self {
        let [a, b, _, c, d, ..] = matrix.map(i64::from);
        let (degrees, mirrored) = if a.abs() + d.abs() >= b.abs() + c.abs() {
            match (a < 0, d < 0) {
                (false, false) => (0, false),
                (true, true) => (180, false),
                (true, false) => (0, true),
                (false, true) => (180, true),
            }
        } else {
            match (b < 0, c < 0) {
                (false, true) => (90, false),
                (true, false) => (270, false),
                (false, false) => (90, true),
                (true, true) => (270, true),
            }
        };
        Self { degrees, mirrored }
    }

    /// Returns the rotation of an EXIF orientation, 1 to 8.
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

    /// Returns whether width and height are exchanged.
    fn swaps_sides(self) -> bool {
        !self.degrees.is_multiple_of(180)
    }

    /// Converts a coded size to the size as shown.
    pub(crate) fn shown_size(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Rotates packed RGB of the coded size.
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

    /// Rotates two by three pixels that are numbered in reading order.
    fn rotated(rotation: Rotation) -> Vec<u8> {
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
            assert_eq!(rotated(rotation), expect, "{rotation:?}");
            assert_eq!(Rotation::from_exif(exif), rotation);
        }
    }
}
