//! The sound of a clip: two quiet tones that depend on the prompt.

use super::spec::Seed;
use crate::media::encoder::SAMPLE_RATE;

/// Amplitude of a tone; full scale is 1.
const LOUDNESS: f32 = 0.06;

/// A pentatonic scale from A3, in hertz, in which any two notes are consonant.
const NOTES: [f32; 10] = [
    220.0, 246.9, 277.2, 329.6, 370.0, 440.0, 493.9, 554.4, 659.3, 740.0,
];

/// Generates the sound of a clip, frame by frame.
pub(super) struct Tones {
    low: f32,
    high: f32,
    beat: f32,
    sample: u32,
    total: u32,
}

impl Tones {
    /// Returns the tones of a clip of `total` samples. The sound fades in and out over the first and last 50 ms.
    pub(super) fn new(seed: &Seed, total: u32) -> Self {
        let low = NOTES[seed.pick(20, 5)];
        let high = NOTES[5 + seed.pick(21, 5)];
        let beat = 0.5 + seed.unit(22);
        Self {
            low,
            high,
            beat,
            sample: 0,
            total,
        }
    }

    /// Returns the next `count` samples of the left and the right channel.
    pub(super) fn next(&mut self, count: u32) -> (Vec<f32>, Vec<f32>) {
        let mut left = Vec::with_capacity(count as usize);
        let mut right = Vec::with_capacity(count as usize);
        let edge = SAMPLE_RATE / 20;
        for sample in self.sample..self.sample + count {
            let near = sample.min(self.total.saturating_sub(sample + 1)).min(edge);
            let fade = near as f32 / edge as f32;
            // The phase is reduced to one turn in f64: f32 is not accurate enough for large angles.
            let angle = |hertz: f32| {
                let phase = f64::from(hertz) * f64::from(sample) / f64::from(SAMPLE_RATE);
                (phase.fract() * std::f64::consts::TAU) as f32
            };
            let swell = 0.7 + 0.3 * angle(self.beat).sin();
            let (a, b) = (angle(self.low).sin(), angle(self.high).sin());
            left.push((a + 0.5 * b) * LOUDNESS * swell * fade);
            right.push((0.5 * a + b) * LOUDNESS * swell * fade);
        }
        self.sample += count;
        (left, right)
    }
}
