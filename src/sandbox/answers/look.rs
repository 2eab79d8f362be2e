//! What a picture shows, from its pixels: colours by name and place, light, contrast.
//!
//! Owns measuring and the words for it. There is no model here: it knows colours, not things.

use std::collections::BTreeMap;

/// Cells of the grid on which pictures are compared.
pub(super) const WIDE: usize = 48;
pub(super) const HIGH: usize = 27;
/// Colours with a smaller share are not named.
const LEAST_SHARE: f64 = 0.04;
/// Most colours that are named.
const MOST_COLOURS: usize = 4;

pub(super) type Rgb = [f32; 3];

/// One picture, measured.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The largest share first.
    pub(super) colours: Vec<Colour>,
    /// Mean luma, 0 to 255.
    pub(super) light: f64,
    /// Standard deviation of the luma.
    pub(super) contrast: f64,
    pub(super) cells: Vec<Rgb>,
}

/// A colour of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Colour {
    pub(super) name: &'static str,
    /// Of the whole picture, 0 to 1.
    pub(super) share: f64,
    /// The middle of it, 0 to 1 from the left and from the top.
    pub(super) middle: (f64, f64),
}

impl Look {
    /// Measures packed RGB pixels, `width * height * 3` bytes.
    pub(super) fn of(width: usize, height: usize, rgb: &[u8]) -> Self {
        let pixel = |x: usize, y: usize| {
            let at = (y * width + x) * 3;
            rgb.get(at..at + 3).map_or([0; 3], |p| [p[0], p[1], p[2]])
        };
        // A hundred thousand samples tell as much as ten million.
        let step = (((width * height) as f64 / 1e5).sqrt() as usize).max(1);
        let mut found: BTreeMap<&'static str, (f64, f64, f64)> = BTreeMap::new();
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for y in (0..height).step_by(step) {
            for x in (0..width).step_by(step) {
                let value = pixel(x, y);
                let entry = found.entry(name(value)).or_default();
                entry.0 += 1.0;
                entry.1 += (x as f64 + 0.5) / width as f64;
                entry.2 += (y as f64 + 0.5) / height as f64;
                let luma = luma(value.map(f32::from));
                sum += luma;
                squares += luma * luma;
                count += 1.0;
            }
        }
        let mut colours: Vec<Colour> = found
            .into_iter()
            .map(|(name, (n, x, y))| Colour {
                name,
                share: n / count,
                middle: (x / n, y / n),
            })
            .collect();
        colours.sort_by(|a, b| b.share.total_cmp(&a.share));
        let least = colours.first().map_or(0.0, |first| first.share.min(LEAST_SHARE));
        colours.retain(|colour| colour.share >= least);
        colours.truncate(MOST_COLOURS);
        let light = sum / count;
        Self {
            width,
            height,
            colours,
            light,
            contrast: (squares / count - light * light).max(0.0).sqrt(),
            cells: cells(width, height, pixel),
        }
    }

    pub(super) fn light_word(&self) -> &'static str {
        match self.light {
            l if l < 48.0 => "dark",
            l if l < 100.0 => "dim",
            l if l < 170.0 => "medium bright",
            _ => "bright",
        }
    }

    pub(super) fn contrast_word(&self) -> &'static str {
        match self.contrast {
            c if c < 18.0 => "low",
            c if c < 52.0 => "moderate",
            _ => "high",
        }
    }

    /// `warm`, `cool` or `neutral`.
    pub(super) fn warmth(&self) -> &'static str {
        let mean = |channel: usize| self.cells.iter().map(|c| c[channel]).sum::<f32>();
        let lean = (mean(0) - mean(2)) / self.cells.len() as f32;
        match lean {
            l if l > 20.0 => "warm",
            l if l < -20.0 => "cool",
            _ => "neutral",
        }
    }

    /// `red (48 %, at the left)`, the largest first.
    pub(super) fn colour_words(&self) -> Vec<String> {
        let words = self.colours.iter().map(|colour| {
            let percent = (colour.share * 100.0).round().max(1.0);
            if colour.share > 0.9 {
                format!("{} ({percent} %, everywhere)", colour.name)
            } else {
                format!("{} ({percent} %, {})", colour.name, place(colour.middle))
            }
        });
        words.collect()
    }

    /// One sentence without a full stop.
    pub(super) fn words(&self) -> String {
        format!(
            "{}x{} pixels, {} with {} contrast, mostly {}",
            self.width,
            self.height,
            self.light_word(),
            self.contrast_word(),
            self.colour_words().join(", ")
        )
    }
}

/// Means of the cells of a fixed grid.
fn cells(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<Rgb> {
    let span = |at: usize, of: usize, side: usize| {
        let from = at * side / of;
        from..((at + 1) * side / of).max(from + 1)
    };
    let mut out = Vec::with_capacity(WIDE * HIGH);
    for row in 0..HIGH {
        for column in 0..WIDE {
            let (xs, ys) = (span(column, WIDE, width), span(row, HIGH, height));
            let step = (xs.len() / 16).max(1);
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for y in ys.step_by(step) {
                for x in xs.clone().step_by(step) {
                    let value = pixel(x, y);
                    (0..3).for_each(|c| sum[c] += f32::from(value[c]));
                    count += 1.0;
                }
            }
            out.push(sum.map(|s: f32| s / count));
        }
    }
    out
}

fn luma(value: Rgb) -> f64 {
    f64::from(0.2126 * value[0] + 0.7152 * value[1] + 0.0722 * value[2])
}

/// A colour by one of a few names.
fn name(value: [u8; 3]) -> &'static str {
    let [r, g, b] = value.map(|channel| f32::from(channel) / 255.0);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = most - least;
    let saturation = if most > 0.0 { spread / most } else { 0.0 };
    if most < 0.13 {
        return "black";
    }
    if saturation < 0.13 {
        return match most {
            m if m > 0.88 => "white",
            m if m > 0.6 => "light grey",
            m if m > 0.32 => "grey",
            _ => "dark grey",
        };
    }
    let turn = if most <= r {
        ((g - b) / spread).rem_euclid(6.0)
    } else if most <= g {
        (b - r) / spread + 2.0
    } else {
        (r - g) / spread + 4.0
    };
    let dark = most < 0.45;
    match turn * 60.0 {
        h if !(14.0..340.0).contains(&h) => {
            if dark {
                "dark red"
            } else if saturation < 0.45 {
                "pink"
            } else {
                "red"
            }
        }
        h if h < 42.0 => {
            if most < 0.65 {
                "brown"
            } else {
                "orange"
            }
        }
        h if h < 68.0 => {
            if most < 0.5 {
                "olive"
            } else {
                "yellow"
            }
        }
        h if h < 160.0 => {
            if dark {
                "dark green"
            } else {
                "green"
            }
        }
        h if h < 195.0 => "cyan",
        h if h < 255.0 => {
            if dark {
                "dark blue"
            } else if saturation < 0.5 {
                "pale blue"
            } else {
                "blue"
            }
        }
        h if h < 290.0 => "purple",
        _ => {
            if saturation < 0.45 {
                "pink"
            } else {
                "magenta"
            }
        }
    }
}

/// `at the left`, `in the middle`, `at the top right`.
pub(super) fn place(at: (f64, f64)) -> String {
    match spot(at) {
        "the middle" => "in the middle".to_owned(),
        other => format!("at {other}"),
    }
}

pub(super) fn spot(at: (f64, f64)) -> &'static str {
    let third = |part: f64| {
        if part < 0.4 {
            0
        } else {
            usize::from(part > 0.6) + 1
        }
    };
    [
        ["the top left", "the top", "the top right"],
        ["the left", "the middle", "the right"],
        ["the bottom left", "the bottom", "the bottom right"],
    ][third(at.1)][third(at.0)]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn look(pixel: impl Fn(usize, usize) -> [u8; 3]) -> Look {
        let (width, height) = (160, 90);
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|at| pixel(at % width, at / width))
            .collect();
        Look::of(width, height, &rgb)
    }

    #[test]
    fn halves_are_named_with_their_places() {
        let halves = look(|x, _| if x < 80 { [220, 20, 20] } else { [20, 40, 220] });
        assert_eq!(
            halves.colour_words(),
            ["blue (50 %, at the right)", "red (50 %, at the left)"]
        );
        assert_eq!(
            look(|_, _| [250; 3]).colour_words(),
            ["white (100 %, everywhere)"]
        );
    }

    #[test]
    fn light_and_contrast_have_words() {
        let words = |value: u8| look(move |_, _| [value; 3]).light_word();
        assert_eq!(
            [words(10), words(80), words(130), words(240)],
            ["dark", "dim", "medium bright", "bright"]
        );
        let contrast = |spread: u8| look(move |x, _| [128 + if x % 2 == 0 { spread } else { 0 }; 3]);
        assert_eq!(contrast(0).contrast_word(), "low");
        assert_eq!(contrast(70).contrast_word(), "moderate");
        assert_eq!(contrast(127).contrast_word(), "high");
        assert_eq!(look(|_, _| [200, 120, 60]).warmth(), "warm");
        assert_eq!(look(|_, _| [60, 120, 200]).warmth(), "cool");
    }

    #[test]
    fn every_colour_of_the_palette_is_met() {
        let named = |value| name(value);
        for (value, word) in [
            ([0, 0, 0], "black"),
            ([255, 255, 255], "white"),
            ([128, 128, 128], "grey"),
            ([200, 30, 30], "red"),
            ([90, 10, 10], "dark red"),
            ([230, 140, 20], "orange"),
            ([120, 70, 20], "brown"),
            ([250, 230, 30], "yellow"),
            ([30, 200, 60], "green"),
            ([20, 90, 30], "dark green"),
            ([30, 220, 220], "cyan"),
            ([30, 60, 220], "blue"),
            ([10, 20, 90], "dark blue"),
            ([130, 30, 220], "purple"),
            ([230, 30, 200], "magenta"),
            ([250, 180, 200], "pink"),
        ] {
            assert_eq!(named(value), word, "{value:?}");
        }
    }
}
