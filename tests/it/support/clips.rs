//! Clips with their frame number painted in, so that a test can read which frame it got.
//!
//! The pixels are made here in YUV and passed to the `ffmpeg` program unchanged, so that only the scaler under test
//! is involved. Clips are kept in the temporary folder of the build, by their recipe.

#![cfg(feature = "media")]
#![expect(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::many_single_char_names,
    reason = "test helpers may panic, and their numbers are small"
)]

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reelkin::media::Frame;

/// Side of a cell. Bits and patches are cells, so that chroma subsampling and compression do not blur them.
pub const CELL: usize = 16;
/// Bits of the number, in the first row of cells.
const BITS: usize = 12;
/// The colors of the rows below, in columns of two cells.
pub const PATCHES: [[u8; 3]; 8] = [
    [255, 255, 255],
    [0, 0, 0],
    [200, 30, 30],
    [30, 180, 40],
    [40, 50, 210],
    [220, 200, 30],
    [128, 128, 128],
    [20, 190, 200],
];

#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
}

#[derive(Clone, Debug, Hash)]
pub struct Recipe {
    pub width: usize,
    pub height: usize,
    pub frames: usize,
    pub pix_fmt: &'static str,
    pub matrix: Matrix,
    pub full_range: bool,
    /// What goes to ffmpeg before the output: more inputs, codec, muxer.
    pub args: String,
    pub ending: &'static str,
    /// A second run over the first result: ffmpeg's arguments before the output, with `-i IN` implied.
    pub remux: Vec<String>,
}

impl Recipe {
    pub fn new(frames: usize, args: &str) -> Self {
        Self {
            width: 320,
            height: 192,
            frames,
            pix_fmt: "yuv420p",
            matrix: Matrix::Bt601,
            full_range: false,
            args: args.to_owned(),
            ending: "mp4",
            remux: Vec::new(),
        }
    }

    pub fn size(mut self, width: usize, height: usize) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub fn pix_fmt(mut self, pix_fmt: &'static str) -> Self {
        self.pix_fmt = pix_fmt;
        self
    }

    pub fn color(mut self, matrix: Matrix, full_range: bool) -> Self {
        (self.matrix, self.full_range) = (matrix, full_range);
        self
    }

    pub fn ending(mut self, ending: &'static str) -> Self {
        self.ending = ending;
        self
    }

    pub fn remux(mut self, args: &str) -> Self {
        self.remux.push(args.to_owned());
        self
    }

    /// Returns the path of the clip, which is made at the first call.
    pub fn make(&self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{:016x}.{}", hasher.finish(), self.ending));
        if path.exists() {
            return path;
        }
        let unfinished = tempfile::tempdir_in(&folder).unwrap();
        let mut made = unfinished.path().join(format!("0.{}", self.ending));
        let mut args = format!(
            "-f rawvideo -pix_fmt {} -video_size {}x{} -framerate 25 -i pipe:0 ",
            self.pix_fmt, self.width, self.height
        );
        write!(args, "{} -pix_fmt {}", self.args, self.pix_fmt).unwrap();
        ffmpeg(&args, None, &made, (0..self.frames).map(|n| self.paint(n)));
        for (i, remux) in self.remux.iter().enumerate() {
            let next = unfinished.path().join(format!("{}.{}", i + 1, self.ending));
            ffmpeg(remux, Some(&made), &next, std::iter::empty());
            made = next;
        }
        std::fs::rename(made, &path).unwrap();
        path
    }

    fn paint(&self, number: usize) -> Vec<u8> {
        let depth: u32 = if self.pix_fmt.contains("p10") || self.pix_fmt.contains("gray10") {
            10
        } else {
            8
        };
        let gray = self.pix_fmt.starts_with("gray");
        let (across, down) = match self.pix_fmt {
            f if f.contains("420") => (2, 2),
            f if f.contains("422") => (2, 1),
            _ => (1, 1),
        };
        let mut out = Vec::new();
        let mut put = |value: f64| {
            let value = value.round() as u16;
            if depth > 8 {
                out.extend(value.to_le_bytes());
            } else {
                out.push(value as u8);
            }
        };
        let planes: &[(usize, usize, usize)] = if gray {
            &[(0, 1, 1)]
        } else {
            &[(0, 1, 1), (1, across, down), (2, across, down)]
        };
        for &(plane, across, down) in planes {
            for y in 0..self.height.div_ceil(down) {
                for x in 0..self.width.div_ceil(across) {
                    let mut rgb = color_at(number, x * across, y * down);
                    if gray {
                        rgb = [rgb[1]; 3];
                    }
                    put(self.yuv(rgb, depth)[plane]);
                }
            }
        }
        out
    }

    /// Converts a color with the standard formulas, in floating point.
    fn yuv(&self, rgb: [u8; 3], depth: u32) -> [f64; 3] {
        let (kr, kb) = match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let [r, g, b] = rgb.map(|v| f64::from(v) / 255.0);
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (u, v) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
        let step = f64::from(1 << (depth - 8));
        let middle = 128.0 * step;
        let top = f64::from((1 << depth) - 1);
        if self.full_range {
            [y * top, (u * top + middle).min(top), (v * top + middle).min(top)]
        } else {
            [
                (16.0 + 219.0 * y) * step,
                224.0 * step * u + middle,
                224.0 * step * v + middle,
            ]
        }
    }
}

fn color_at(number: usize, x: usize, y: usize) -> [u8; 3] {
    let (column, row) = (x / CELL, y / CELL);
    if row == 0 {
        let bit = column < BITS && number >> column & 1 == 1;
        return if bit { [255; 3] } else { [0; 3] };
    }
    // A bar that moves, so that frames differ by more than their number and have motion to predict.
    if row == 5 {
        return if (x + 320 - number * 4 % 320) % 320 < 40 {
            [230, 120, 40]
        } else {
            [60, 60, 60]
        };
    }
    PATCHES[column / 2 % PATCHES.len()]
}

pub fn ffmpeg(args: &str, input: Option<&Path>, output: &Path, frames: impl Iterator<Item = Vec<u8>>) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    // Arguments before `--` belong to the input.
    let (before, after) = args.split_once(" -- ").unwrap_or(("", args));
    command.args(before.split_whitespace());
    if let Some(input) = input {
        command.arg("-i").arg(input);
    }
    command.args(after.split_whitespace()).arg(output);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests make their clips with the program ffmpeg; install it");
    let mut pipe = child.stdin.take().unwrap();
    for frame in frames {
        // ffmpeg may close its input early.
        if pipe.write_all(&frame).is_err() {
            break;
        }
    }
    drop(pipe);
    let done = child.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "ffmpeg {args}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Returns the frame before its rotation, so that number and patches are where they were painted.
pub fn unturned(frame: &Frame) -> Frame {
    let (w, h) = (frame.width() as usize, frame.height() as usize);
    let (degrees, mirrored) = (frame.rotation().degrees(), frame.rotation().is_mirrored());
    let swaps = degrees % 180 != 0;
    let (ow, oh) = if swaps { (h, w) } else { (w, h) };
    let mut out = vec![0; frame.rgb().len()];
    for y in 0..oh {
        for x in 0..ow {
            // The position of the coded pixel in the rotated frame.
            let (mut sx, sy) = match degrees {
                90 => (oh - 1 - y, x),
                180 => (ow - 1 - x, oh - 1 - y),
                270 => (y, ow - 1 - x),
                _ => (x, y),
            };
            if mirrored {
                sx = w - 1 - sx;
            }
            let (from, to) = ((sy * w + sx) * 3, (y * ow + x) * 3);
            out[to..to + 3].copy_from_slice(&frame.rgb()[from..from + 3]);
        }
    }
    Frame::from_rgb(ow as u32, oh as u32, out).unwrap()
}

/// Returns the mean color of the middle of a cell.
fn cell(frame: &Frame, column: usize, row: usize) -> [f64; 3] {
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for y in row * CELL + 4..row * CELL + 12 {
        for x in column * CELL + 4..column * CELL + 12 {
            let at = (y * frame.width() as usize + x) * 3;
            for (sum, &v) in sum.iter_mut().zip(&frame.rgb()[at..at + 3]) {
                *sum += f64::from(v);
            }
            count += 1.0;
        }
    }
    sum.map(|s| s / count)
}

/// Returns the number painted into an upright frame.
#[track_caller]
pub fn number(frame: &Frame) -> usize {
    (0..BITS)
        .map(|bit| {
            let [r, ..] = cell(frame, bit, 0);
            assert!(
                !(60.0..200.0).contains(&r),
                "bit {bit} is neither black nor white: {r}"
            );
            usize::from(r > 128.0) << bit
        })
        .sum()
}

/// Returns the largest distance of a patch from its color, over all channels.
pub fn worst_patch(frame: &Frame, gray: bool) -> f64 {
    let mut worst: f64 = 0.0;
    for (i, patch) in PATCHES.iter().enumerate() {
        // The cell in the middle row of the patches, away from the bar.
        let got = cell(frame, i * 2, 3);
        let want = if gray { [patch[1]; 3] } else { *patch };
        for (got, want) in got.iter().zip(want) {
            worst = worst.max((got - f64::from(want)).abs());
        }
    }
    worst
}
