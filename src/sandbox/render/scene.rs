//! What is seen in each frame.
//!
//! Owns the scenes: words alone, pinned pictures, tiles, the recoloured clip, the continued clip. A
//! pinned frame shows its picture and nothing else, so that it can be compared with what was given.

use std::time::Duration;

use super::draw::{self, Area, Form, Label, View};
use super::{FRAME_RATE, GivenFrames, RenderSpec, Seed, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::media::encoder::{YuvPicture, yuv_of};
use crate::media::{Frame, MediaOptions, each_frame};

/// How long a clip is read for: each of its frames is drawn on and encoded meanwhile, which takes what it takes on a
/// busy machine.
const READING: Duration = Duration::from_secs(600);

type Sink<'a> = &'a mut dyn FnMut(&YuvPicture) -> Result<()>;

/// How many frames a render will have.
pub(super) fn expected_frames(spec: &RenderSpec) -> usize {
    match &spec.source {
        Source::Pictures { .. } => spec.frames,
        Source::Edit(given) => given.frames,
        Source::Extend(given) => given.frames + spec.frames,
    }
}

/// Hands every frame of a render to `sink`, in order.
pub(super) fn play(spec: &RenderSpec, sink: Sink<'_>) -> Result<()> {
    match &spec.source {
        Source::Pictures { pins, tiles } => pictures(spec, pins, tiles, sink),
        Source::Edit(given) => edit(spec, given, sink),
        Source::Extend(given) => extend(spec, given, sink),
    }
}

/// The given clip in other colours, frame by frame.
fn edit(spec: &RenderSpec, given: &GivenFrames, sink: Sink<'_>) -> Result<()> {
    let seed = Seed::of(&spec.prompt);
    let overlay = Overlay::new(spec, given.frames);
    let [_, cb, cr] = colour(seed.unit(0), 0.8, 0.8);
    let mut number = 0;
    each_frame(
        &given.path,
        FRAME_RATE,
        given.frames,
        &MediaOptions::new().with_deadline(READING),
        |frame| {
            let mut picture = cover(frame, spec);
            // The light stays, the colours become the prompt's: half of what was there, half of that.
            for (plane, tint) in [(&mut picture.u, cb), (&mut picture.v, cr)] {
                for value in plane.iter_mut() {
                    *value = (u16::from(*value) + u16::from(tint)).div_ceil(2) as u8;
                }
            }
            overlay.paint(&mut picture, number);
            number += 1;
            sink(&picture)
        },
    )
}

/// The given clip as it is, then the camera moves on from its last frame.
fn extend(spec: &RenderSpec, given: &GivenFrames, sink: Sink<'_>) -> Result<()> {
    let seed = Seed::of(&spec.prompt);
    let mut last = None;
    let mut number = 0;
    each_frame(
        &given.path,
        FRAME_RATE,
        given.frames,
        &MediaOptions::new().with_deadline(READING),
        |frame| {
            let picture = cover(frame, spec);
            sink(&picture)?;
            number += 1;
            if number == given.frames {
                last = Some(picture);
            }
            Ok(())
        },
    )?;
    let last = last.ok_or_else(|| Error::new(ErrorKind::Media, "extend a clip without frames"))?;
    let overlay = Overlay::new(spec, given.frames + spec.frames);
    let mut camera = Camera::new(spec);
    for step in 1..=spec.frames {
        let mut picture = camera.see(&last, &seed, step, spec.frames);
        overlay.paint(&mut picture, given.frames + step - 1);
        sink(&picture)?;
    }
    Ok(())
}

fn cover(frame: &Frame, spec: &RenderSpec) -> YuvPicture {
    draw::cover(
        frame.rgb(),
        frame.width() as usize,
        frame.height() as usize,
        spec.width,
        spec.height,
    )
}

/// Frames over which a scene turns into a pinned picture that nothing precedes.
const FADE: usize = 12;

fn pictures(
    spec: &RenderSpec,
    pins: &[(usize, YuvPicture)],
    tiles: &[YuvPicture],
    sink: Sink<'_>,
) -> Result<()> {
    let seed = Seed::of(&spec.prompt);
    let overlay = Overlay::new(spec, spec.frames);
    let stage = Stage::new(spec, &seed, tiles);
    let mut camera = Camera::new(spec);
    for number in 0..spec.frames {
        if let Some((_, pinned)) = pins.iter().find(|(at, _)| *at == number) {
            sink(pinned)?;
            continue;
        }
        let before = pins.iter().rev().find(|(at, _)| *at < number);
        let after = pins.iter().find(|(at, _)| *at > number);
        let mut picture = match (before, after) {
            (None, None) => stage.frame(number),
            (Some((start, first)), None) if tiles.is_empty() => {
                camera.see(first, &seed, number - start, spec.frames - start)
            }
            // With references to show, a pinned first frame opens the scene and then gives way to it.
            (Some((start, first)), None) => {
                let weight = ((number - start) * 256 / FADE).min(256);
                draw::blend(first, &stage.frame(number), parts(weight))
            }
            (None, Some((end, last))) => {
                let near = FADE.saturating_sub(end - number);
                draw::blend(&stage.frame(number), last, parts(near * 256 / FADE))
            }
            (Some((start, first)), Some((end, last))) => {
                draw::blend(first, last, parts((number - start) * 256 / (end - start)))
            }
        };
        overlay.paint(&mut picture, number);
        sink(&picture)?;
    }
    Ok(())
}

fn parts(weight: usize) -> u32 {
    u32::try_from(weight.min(256)).unwrap_or(256)
}

/// Moves in by up to an eighth, towards a corner that follows from the prompt. It moves with every second
/// frame, as drawn films do: half the work, and still a movement.
struct Camera {
    step: usize,
    seen: YuvPicture,
}

impl Camera {
    fn new(spec: &RenderSpec) -> Self {
        Self {
            step: 0,
            seen: YuvPicture::black(spec.width, spec.height),
        }
    }

    fn see(&mut self, still: &YuvPicture, seed: &Seed, step: usize, of: usize) -> YuvPicture {
        let step = step.next_multiple_of(2);
        if step != self.step {
            self.step = step;
            let done = u32::try_from(step * 65_536 / of.max(1))
                .unwrap_or(65_536)
                .min(65_536);
            let corner = |place| if seed.pick(place, 2) == 0 { 16_384 } else { 49_152 };
            let view = View {
                size: 65_536 - done / 8,
                across: corner(11),
                down: corner(12),
            };
            draw::look(still, view, &mut self.seen);
        }
        self.seen.clone()
    }
}

/// Prompt and running number, laid over everything but pinned frames.
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
        let room = spec.width.saturating_sub(margin * 2);
        let tall = spec.height * 45 / 100;
        // The largest letters with which the prompt fits, else the smallest that can be read.
        let largest = (side / 180).clamp(2, 5);
        let lay = |scale: usize| {
            let columns = room.saturating_sub(8 * scale) / (8 * scale);
            draw::wrap(&spec.prompt, columns, (tall / draw::line_height(scale)).max(1))
        };
        let mut scale = largest;
        let mut lines = lay(scale);
        while scale > 2 && lines.last().is_some_and(|line| line.ends_with("...")) {
            scale -= 1;
            lines = lay(scale);
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

/// The scene that a prompt alone makes: a coloured ground, a form that moves over it, and the tiles.
struct Stage {
    ground: YuvPicture,
    form: Form,
    colour: [u8; 3],
    radius: i64,
    rates: (f32, f32),
    phase: f32,
    tiles: Vec<(YuvPicture, usize, usize)>,
}

impl Stage {
    fn new(spec: &RenderSpec, seed: &Seed, tiles: &[YuvPicture]) -> Self {
        let hue = seed.unit(0);
        let top = colour(hue, 0.55, 0.35 + 0.3 * seed.unit(1));
        let bottom = colour(hue + 0.12 + 0.2 * seed.unit(2), 0.6, 0.15 + 0.2 * seed.unit(3));
        let forms = [Form::Disc, Form::Square, Form::Diamond, Form::Ring];
        let side = spec.width.min(spec.height);
        let mut stage = Self {
            ground: ground(spec.width, spec.height, top, bottom),
            form: forms[seed.pick(4, forms.len())],
            colour: colour(hue + 0.5, 0.75, 0.9),
            radius: i64::try_from(side / 8 + seed.pick(6, side / 16 + 1)).unwrap_or(32),
            rates: (0.9 + 1.3 * seed.unit(8), 0.7 + 1.5 * seed.unit(9)),
            phase: std::f32::consts::TAU * seed.unit(10),
            tiles: Vec::new(),
        };
        stage.hang(spec, tiles);
        stage
    }

    /// Places the tiles in a grid over the upper part of the picture.
    fn hang(&mut self, spec: &RenderSpec, tiles: &[YuvPicture]) {
        if tiles.is_empty() {
            return;
        }
        let columns = grid_columns(tiles.len(), spec.width, spec.height);
        let cell = spec.width / columns;
        let rows = tiles.len().div_ceil(columns);
        let tall = spec.height * 2 / 3 / rows;
        let top = spec.height / 7;
        for (place, tile) in tiles.iter().enumerate() {
            let (column, row) = (place % columns, place / columns);
            let x = column * cell + cell.saturating_sub(tile.width) / 2;
            let y = top + row * tall + tall.saturating_sub(tile.height) / 2;
            self.tiles.push((tile.clone(), x, y));
        }
    }

    fn frame(&self, number: usize) -> YuvPicture {
        let mut picture = self.ground.clone();
        let time = number as f32 / FRAME_RATE as f32;
        let swing = |rate: f32, length: usize| {
            let room = (length as f32 / 2.0 - self.radius as f32).max(1.0);
            (length as f32 / 2.0 + room * (time * rate + self.phase).sin()) as i64
        };
        let centre = (
            swing(self.rates.0, picture.width),
            swing(self.rates.1 + 0.31, picture.height),
        );
        draw::form(&mut picture, self.form, centre, self.radius, self.colour);
        for (place, (tile, x, y)) in self.tiles.iter().enumerate() {
            let sway = 6.0 * (time * 2.0 + place as f32).sin();
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

/// Columns that give the largest tiles.
fn grid_columns(count: usize, width: usize, height: usize) -> usize {
    let side = |columns: usize| (width / columns).min(height * 2 / 3 / count.div_ceil(columns));
    (1..=count.max(1))
        .max_by_key(|columns| side(*columns))
        .unwrap_or(1)
}

/// The size a tile should have among `count` others, for a picture of a given shape.
pub(in crate::sandbox) fn tile_size(
    count: usize,
    clip: (usize, usize),
    picture: (usize, usize),
) -> (usize, usize) {
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

fn ground(width: usize, height: usize, top: [u8; 3], bottom: [u8; 3]) -> YuvPicture {
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

/// A colour by hue, saturation and brightness, each 0 to 1 (hue wraps).
fn colour(hue: f32, saturation: f32, value: f32) -> [u8; 3] {
    let channel = |shift: f32| {
        let k = (shift + hue.fract() * 6.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0) as u8
    };
    yuv_of(channel(5.0), channel(3.0), channel(1.0))
}
