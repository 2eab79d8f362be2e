//! Draws the frames of a clip.
//!
//! Owns the scenes: prompt only, pinned pictures, tiles, edited clip, extended clip. A pinned frame shows its
//! picture without text, so that it can be compared with the input.

use std::time::Duration;

use super::draw::{self, Area, Label, Shape, View};
use super::spec::{FRAME_RATE, InputClip, RenderSpec, Seed, Source};
use crate::error::{Error, Result};
use crate::media::MediaOptions;
use crate::media::each_frame;
use crate::media::encoder::{YuvPicture, yuv_of};

/// Deadline for reading an input clip. Its frames are drawn and encoded while it is read, which is slow on a busy
/// machine.
const READ_DEADLINE: Duration = Duration::from_secs(600);

type Sink<'a> = &'a mut dyn FnMut(&YuvPicture) -> Result<()>;

/// Passes every frame of a clip to `sink`, in order.
pub(super) fn play(spec: &RenderSpec, sink: Sink<'_>) -> Result<()> {
    match &spec.source {
        Source::Pictures { pins, tiles } => draw_pictures(spec, pins, tiles, sink),
        Source::Edit(input) => draw_edit(spec, input, sink),
        Source::Extend(input) => draw_extension(spec, input, sink),
    }
}

/// Passes every frame of an input clip to `sink`, at the size of the rendered clip.
fn read_input(
    spec: &RenderSpec,
    input: &InputClip,
    mut sink: impl FnMut(YuvPicture) -> Result<()>,
) -> Result<()> {
    let options = MediaOptions::new().deadline(READ_DEADLINE);
    each_frame(input.blob.path(), FRAME_RATE, input.frames, &options, |frame| {
        sink(draw::cover(frame, spec.width, spec.height))
    })
}

/// Draws the input clip in other colors.
fn draw_edit(spec: &RenderSpec, input: &InputClip, sink: Sink<'_>) -> Result<()> {
    let seed = Seed::new(&spec.prompt);
    let overlay = Overlay::new(spec, input.frames);
    let [_, cb, cr] = hsv_color(seed.unit(0), 0.8, 0.8);
    let mut number = 0;
    read_input(spec, input, |mut picture| {
        // The luma is kept. The chroma is the mean of the input's and of a color that depends on the prompt.
        for (plane, tint) in [(&mut picture.u, cb), (&mut picture.v, cr)] {
            for value in plane.iter_mut() {
                *value = (u16::from(*value) + u16::from(tint)).div_ceil(2) as u8;
            }
        }
        overlay.paint(&mut picture, number);
        number += 1;
        sink(&picture)
    })
}

/// Draws the input clip unchanged, followed by a camera movement over its last frame.
fn draw_extension(spec: &RenderSpec, input: &InputClip, sink: Sink<'_>) -> Result<()> {
    let seed = Seed::new(&spec.prompt);
    let mut last = None;
    let mut number = 0;
    read_input(spec, input, |picture| {
        sink(&picture)?;
        number += 1;
        if number == input.frames {
            last = Some(picture);
        }
        Ok(())
    })?;
    let last = last.ok_or_else(|| Error::media("extend a clip without frames"))?;
    let overlay = Overlay::new(spec, input.frames + spec.frames);
    let mut camera = Camera::new(spec);
    for step in 1..=spec.frames {
        let mut picture = camera.frame(&last, &seed, step, spec.frames);
        overlay.paint(&mut picture, input.frames + step - 1);
        sink(&picture)?;
    }
    Ok(())
}

/// Length of the fade between a scene and a pinned picture, in frames.
const FADE_FRAMES: usize = 12;

fn draw_pictures(
    spec: &RenderSpec,
    pins: &[(usize, YuvPicture)],
    tiles: &[YuvPicture],
    sink: Sink<'_>,
) -> Result<()> {
    let seed = Seed::new(&spec.prompt);
    let overlay = Overlay::new(spec, spec.frames);
    let scene = Scene::new(spec, &seed, tiles);
    let mut camera = Camera::new(spec);
    for number in 0..spec.frames {
        if let Some((_, pinned)) = pins.iter().find(|(at, _)| *at == number) {
            sink(pinned)?;
            continue;
        }
        let before = pins.iter().rev().find(|(at, _)| *at < number);
        let after = pins.iter().find(|(at, _)| *at > number);
        let mut picture = match (before, after) {
            (None, None) => scene.frame(number),
            (Some((start, first)), None) if tiles.is_empty() => {
                camera.frame(first, &seed, number - start, spec.frames - start)
            }
            // With references, a pinned first frame fades into the scene.
            (Some((start, first)), None) => {
                let weight = ((number - start) * 256 / FADE_FRAMES).min(256);
                draw::blend(first, &scene.frame(number), blend_weight(weight))
            }
            (None, Some((end, last))) => {
                let near = FADE_FRAMES.saturating_sub(end - number);
                draw::blend(&scene.frame(number), last, blend_weight(near * 256 / FADE_FRAMES))
            }
            (Some((start, first)), Some((end, last))) => {
                draw::blend(first, last, blend_weight((number - start) * 256 / (end - start)))
            }
        };
        overlay.paint(&mut picture, number);
        sink(&picture)?;
    }
    Ok(())
}

fn blend_weight(weight: usize) -> u32 {
    u32::try_from(weight.min(256)).unwrap_or(256)
}

/// A camera that zooms in by up to an eighth, toward a corner that depends on the prompt. It moves every second frame,
/// which halves the work.
struct Camera {
    step: usize,
    picture: YuvPicture,
}

impl Camera {
    fn new(spec: &RenderSpec) -> Self {
        Self {
            step: 0,
            picture: YuvPicture::black(spec.width, spec.height),
        }
    }

    fn frame(&mut self, still: &YuvPicture, seed: &Seed, step: usize, steps: usize) -> YuvPicture {
        let step = step.next_multiple_of(2);
        if step != self.step {
            self.step = step;
            let done = u32::try_from(step * 65_536 / steps.max(1))
                .unwrap_or(65_536)
                .min(65_536);
            let corner = |index| if seed.pick(index, 2) == 0 { 16_384 } else { 49_152 };
            let view = View {
                size: 65_536 - done / 8,
                x: corner(11),
                y: corner(12),
            };
            draw::crop(still, view, &mut self.picture);
        }
        self.picture.clone()
    }
}

/// The prompt and the frame number, drawn on all frames but pinned ones.
struct Overlay {
    prompt: Option<Label>,
    total: usize,
    scale: usize,
    margin: usize,
}

impl Overlay {
    fn new(spec: &RenderSpec, total: usize) -> Self {
        let side = spec.width.min(spec.height);
        let margin = side / 30;
        let max_width = spec.width.saturating_sub(margin * 2);
        let max_height = spec.height * 45 / 100;
        // The largest letters with which the prompt fits, otherwise the smallest legible ones.
        let largest = (side / 180).clamp(2, 5);
        let wrap = |scale: usize| {
            let columns = max_width.saturating_sub(8 * scale) / (8 * scale);
            draw::wrap(
                &spec.prompt,
                columns,
                (max_height / draw::line_height(scale)).max(1),
            )
        };
        let mut scale = largest;
        let mut lines = wrap(scale);
        while scale > 2 && lines.last().is_some_and(|line| line.ends_with("...")) {
            scale -= 1;
            lines = wrap(scale);
        }
        let prompt = (!lines.is_empty()).then(|| Label::new(&lines, scale));
        Self {
            prompt,
            total,
            scale: (side / 160).clamp(2, 6),
            margin,
        }
    }

    fn paint(&self, picture: &mut YuvPicture, number: usize) {
        let seconds = number as f64 / f64::from(FRAME_RATE);
        let text = format!("{number:04}/{:04} {seconds:5.2}s", self.total);
        Label::new(&[text], self.scale).paint(picture, self.margin, self.margin, self.margin);
        if let Some(label) = &self.prompt {
            let x = (picture.width.saturating_sub(label.width())) / 2;
            let y = picture.height.saturating_sub(label.height() + self.margin);
            label.paint(picture, x, y, self.margin);
        }
    }
}

/// The scene of a prompt without pinned pictures: a colored background, a moving shape, and the tiles.
struct Scene {
    background: YuvPicture,
    shape: Shape,
    color: [u8; 3],
    radius: i64,
    rates: (f32, f32),
    phase: f32,
    tiles: Vec<(YuvPicture, usize, usize)>,
}

impl Scene {
    fn new(spec: &RenderSpec, seed: &Seed, tiles: &[YuvPicture]) -> Self {
        let hue = seed.unit(0);
        let top = hsv_color(hue, 0.55, 0.35 + 0.3 * seed.unit(1));
        let bottom = hsv_color(hue + 0.12 + 0.2 * seed.unit(2), 0.6, 0.15 + 0.2 * seed.unit(3));
        let shapes = [Shape::Disc, Shape::Square, Shape::Diamond, Shape::Ring];
        let side = spec.width.min(spec.height);
        let mut scene = Self {
            background: gradient(spec.width, spec.height, top, bottom),
            shape: shapes[seed.pick(4, shapes.len())],
            color: hsv_color(hue + 0.5, 0.75, 0.9),
            radius: i64::try_from(side / 8 + seed.pick(6, side / 16 + 1)).unwrap_or(32),
            rates: (0.9 + 1.3 * seed.unit(8), 0.7 + 1.5 * seed.unit(9)),
            phase: std::f32::consts::TAU * seed.unit(10),
            tiles: Vec::new(),
        };
        scene.place_tiles(spec, tiles);
        scene
    }

    /// Places the tiles in a grid over the upper part of the picture.
    fn place_tiles(&mut self, spec: &RenderSpec, tiles: &[YuvPicture]) {
        if tiles.is_empty() {
            return;
        }
        let columns = grid_columns(tiles.len(), spec.width, spec.height);
        let cell = spec.width / columns;
        let rows = tiles.len().div_ceil(columns);
        let row_height = spec.height * 2 / 3 / rows;
        let top = spec.height / 7;
        for (index, tile) in tiles.iter().enumerate() {
            let (column, row) = (index % columns, index / columns);
            let x = column * cell + cell.saturating_sub(tile.width) / 2;
            let y = top + row * row_height + row_height.saturating_sub(tile.height) / 2;
            self.tiles.push((tile.clone(), x, y));
        }
    }

    fn frame(&self, number: usize) -> YuvPicture {
        let mut picture = self.background.clone();
        let time = number as f32 / FRAME_RATE as f32;
        let swing = |rate: f32, length: usize| {
            let room = (length as f32 / 2.0 - self.radius as f32).max(1.0);
            (length as f32 / 2.0 + room * (time * rate + self.phase).sin()) as i64
        };
        let center = (
            swing(self.rates.0, picture.width),
            swing(self.rates.1 + 0.31, picture.height),
        );
        draw::draw_shape(&mut picture, self.shape, center, self.radius, self.color);
        for (index, (tile, x, y)) in self.tiles.iter().enumerate() {
            let sway = 6.0 * (time * 2.0 + index as f32).sin();
            let y = y.saturating_add_signed(sway as isize);
            let frame = Area {
                x: x.saturating_sub(4),
                y: y.saturating_sub(4),
                width: tile.width + 8,
                height: tile.height + 8,
            };
            draw::fill(&mut picture, frame, [235, 128, 128]);
            draw::paste(&mut picture, tile, *x, y);
        }
        picture
    }
}

/// Returns the number of columns with which the tiles are largest.
fn grid_columns(count: usize, width: usize, height: usize) -> usize {
    let side = |columns: usize| (width / columns).min(height * 2 / 3 / count.div_ceil(columns));
    (1..=count.max(1))
        .max_by_key(|columns| side(*columns))
        .unwrap_or(1)
}

/// Returns the size of one of `count` tiles, for a picture of this size.
pub(super) fn tile_size(count: usize, clip: (usize, usize), picture: (usize, usize)) -> (usize, usize) {
    let columns = grid_columns(count, clip.0, clip.1);
    let rows = count.max(1).div_ceil(columns);
    let room = (clip.0 / columns * 85 / 100, clip.1 * 2 / 3 / rows * 85 / 100);
    let scaled = (room.1 * picture.0 / picture.1.max(1), room.1);
    let (width, height) = if scaled.0 <= room.0 {
        scaled
    } else {
        (room.0, room.0 * picture.1 / picture.0.max(1))
    };
    (width.max(16) & !1, height.max(16) & !1)
}

/// Returns a vertical gradient.
fn gradient(width: usize, height: usize, top: [u8; 3], bottom: [u8; 3]) -> YuvPicture {
    let mut picture = YuvPicture::black(width, height);
    let (w, h) = (picture.width, picture.height);
    let mix = |plane: usize, row: usize, rows: usize| {
        let (a, b) = (usize::from(top[plane]), usize::from(bottom[plane]));
        ((a * (rows - row) + b * row) / rows) as u8
    };
    for row in 0..h {
        picture.y[row * w..(row + 1) * w].fill(mix(0, row, h));
    }
    for row in 0..h / 2 {
        picture.u[row * w / 2..(row + 1) * w / 2].fill(mix(1, row, h / 2));
        picture.v[row * w / 2..(row + 1) * w / 2].fill(mix(2, row, h / 2));
    }
    picture
}

/// Returns a color by hue, saturation and brightness, each 0 to 1. The hue wraps.
fn hsv_color(hue: f32, saturation: f32, value: f32) -> [u8; 3] {
    let channel = |shift: f32| {
        let k = (shift + hue.fract() * 6.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0) as u8
    };
    yuv_of(channel(5.0), channel(3.0), channel(1.0))
}
