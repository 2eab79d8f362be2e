//! Measures a picture and describes it: colors by name and position, light, contrast.
//!
//! Knows colors, not objects: no model is involved.

use std::collections::BTreeMap;

/// Columns and rows of the grid on which pictures are compared.
pub(super) const COLUMNS: usize = 48;
pub(super) const ROWS: usize = 27;
/// Minimum share of the picture for a color to be named.
const MIN_SHARE: f64 = 0.04;
/// Maximum number of colors that are named.
const MAX_COLORS: usize = 4;

pub(super) type Rgb = [f32; 3];

/// The measurements of a picture.
#[derive(Debug, Clone)]
pub(crate) struct PictureStats {
    pub(super) width: usize,
    pub(super) height: usize,
    /// By share, largest first.
    pub(super) colors: Vec<Color>,
    /// Mean luma, 0 to 255.
    pub(super) luma: f64,
    /// Standard deviation of the luma.
    pub(super) contrast: f64,
    /// The mean color of each cell of the grid, row by row.
    pub(super) cells: Vec<Rgb>,
}

/// A color of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Color {
    pub(super) name: &'static str,
    /// The share of the picture, 0 to 1.
    pub(super) share: f64,
    /// The centroid, 0 to 1 from the left and from the top.
    pub(super) center: (f64, f64),
}

impl PictureStats {
    /// Measures packed RGB pixels, `width * height * 3` bytes.
    pub(crate) fn measure(width: usize, height: usize, rgb: &[u8]) -> Self {
        let pixel = |x: usize, y: usize| {
            let at = (y * width + x) * 3;
            rgb.get(at..at + 3).map_or([0; 3], |p| [p[0], p[1], p[2]])
        };
        // A hundred thousand samples are as accurate as ten million.
        let step = (((width * height) as f64 / 1e5).sqrt() as usize).max(1);
        let mut found: BTreeMap<&'static str, (f64, f64, f64)> = BTreeMap::new();
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for y in (0..height).step_by(step) {
            for x in (0..width).step_by(step) {
                let value = pixel(x, y);
                let entry = found.entry(color_name(value)).or_default();
                entry.0 += 1.0;
                entry.1 += (x as f64 + 0.5) / width as f64;
                entry.2 += (y as f64 + 0.5) / height as f64;
                let luma = luma(value.map(f32::from));
                sum += luma;
                squares += luma * luma;
                count += 1.0;
            }
        }
        let mut colors: Vec<Color> = found
            .into_iter()
            .map(|(name, (n, x, y))| Color {
                name,
                share: n / count,
                center: (x / n, y / n),
            })
            .collect();
        colors.sort_by(|a, b| b.share.total_cmp(&a.share));
        let min_share = colors.first().map_or(0.0, |first| first.share.min(MIN_SHARE));
        colors.retain(|color| color.share >= min_share);
        colors.truncate(MAX_COLORS);
        let mean = sum / count;
        Self {
            width,
            height,
            colors,
            luma: mean,
            contrast: (squares / count - mean * mean).max(0.0).sqrt(),
            cells: grid_means(width, height, pixel),
        }
    }

    pub(super) fn light_word(&self) -> &'static str {
        match self.luma {
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

    /// Returns `warm`, `cool` or `neutral`.
    pub(super) fn warmth_word(&self) -> &'static str {
        let mean = |channel: usize| self.cells.iter().map(|c| c[channel]).sum::<f32>();
        let lean = (mean(0) - mean(2)) / self.cells.len() as f32;
        match lean {
            l if l > 20.0 => "warm",
            l if l < -20.0 => "cool",
            _ => "neutral",
        }
    }

    /// Returns phrases such as `red (48 %, at the left)`, largest share first.
    pub(super) fn color_phrases(&self) -> Vec<String> {
        let phrases = self.colors.iter().map(|color| {
            let percent = (color.share * 100.0).round().max(1.0);
            if color.share > 0.9 {
                format!("{} ({percent} %, everywhere)", color.name)
            } else {
                format!("{} ({percent} %, {})", color.name, position_phrase(color.center))
            }
        });
        phrases.collect()
    }

    /// Returns a description of one sentence, without a full stop.
    pub(super) fn description(&self) -> String {
        format!(
            "{}x{} pixels, {} with {} contrast, mostly {}",
            self.width,
            self.height,
            self.light_word(),
            self.contrast_word(),
            self.color_phrases().join(", ")
        )
    }
}

/// Returns the mean color of each cell of the grid.
fn grid_means(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<Rgb> {
    let span = |at: usize, of: usize, side: usize| {
        let from = at * side / of;
        from..((at + 1) * side / of).max(from + 1)
    };
    let mut out = Vec::with_capacity(COLUMNS * ROWS);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let (xs, ys) = (span(column, COLUMNS, width), span(row, ROWS, height));
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

/// The names of hues: up to which hue, the name below this brightness, the name below this saturation, and the
/// usual one. The hues above the last row are those of the first.
type Hue = (f32, (f32, &'static str), (f32, &'static str), &'static str);
const HUES: [Hue; 8] = [
    (14.0, (0.45, "dark red"), (0.45, "pink"), "red"),
    (42.0, (0.65, "brown"), (0.0, ""), "orange"),
    (68.0, (0.5, "olive"), (0.0, ""), "yellow"),
    (160.0, (0.45, "dark green"), (0.0, ""), "green"),
    (195.0, (0.0, ""), (0.0, ""), "cyan"),
    (255.0, (0.45, "dark blue"), (0.5, "pale blue"), "blue"),
    (290.0, (0.0, ""), (0.0, ""), "purple"),
    (340.0, (0.0, ""), (0.45, "pink"), "magenta"),
];

/// Returns one of a few names for a color.
fn color_name(value: [u8; 3]) -> &'static str {
    let [r, g, b] = value.map(|channel| f32::from(channel) / 255.0);
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let spread = max - min;
    let saturation = if max > 0.0 { spread / max } else { 0.0 };
    if max < 0.13 {
        return "black";
    }
    if saturation < 0.13 {
        return match max {
            m if m > 0.88 => "white",
            m if m > 0.6 => "light gray",
            m if m > 0.32 => "gray",
            _ => "dark gray",
        };
    }
    let sextant = if max <= r {
        ((g - b) / spread).rem_euclid(6.0)
    } else if max <= g {
        (b - r) / spread + 2.0
    } else {
        (r - g) / spread + 4.0
    };
    let hue = sextant * 60.0;
    let row = HUES.iter().find(|row| hue < row.0).unwrap_or(&HUES[0]);
    let &(_, (dark_below, dark), (pale_below, pale), name) = row;
    if max < dark_below {
        dark
    } else if saturation < pale_below {
        pale
    } else {
        name
    }
}

/// Returns a phrase such as `at the left` or `in the middle`.
pub(super) fn position_phrase(at: (f64, f64)) -> String {
    match position_name(at) {
        "the middle" => "in the middle".to_owned(),
        other => format!("at {other}"),
    }
}

/// Returns the name of a position, such as `the left`.
pub(super) fn position_name(at: (f64, f64)) -> &'static str {
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

    pub(in super::super) fn measured(pixel: impl Fn(usize, usize) -> [u8; 3]) -> PictureStats {
        let (width, height) = (160, 90);
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|at| pixel(at % width, at / width))
            .collect();
        PictureStats::measure(width, height, &rgb)
    }

    #[test]
    fn halves_are_named_with_their_positions() {
        let halves = measured(|x, _| if x < 80 { [220, 20, 20] } else { [20, 40, 220] });
        assert_eq!(
            halves.color_phrases(),
            ["blue (50 %, at the right)", "red (50 %, at the left)"]
        );
        assert_eq!(
            measured(|_, _| [250; 3]).color_phrases(),
            ["white (100 %, everywhere)"]
        );
    }

    #[test]
    fn light_and_contrast_have_words() {
        let words = |value: u8| measured(move |_, _| [value; 3]).light_word();
        assert_eq!(
            [words(10), words(80), words(130), words(240)],
            ["dark", "dim", "medium bright", "bright"]
        );
        let contrast = |spread: u8| measured(move |x, _| [128 + if x % 2 == 0 { spread } else { 0 }; 3]);
        assert_eq!(contrast(0).contrast_word(), "low");
        assert_eq!(contrast(70).contrast_word(), "moderate");
        assert_eq!(contrast(127).contrast_word(), "high");
        assert_eq!(measured(|_, _| [200, 120, 60]).warmth_word(), "warm");
        assert_eq!(measured(|_, _| [60, 120, 200]).warmth_word(), "cool");
    }

    #[test]
    fn every_color_has_its_name() {
        let named = |value| color_name(value);
        for (value, word) in [
            ([0, 0, 0], "black"),
            ([255, 255, 255], "white"),
            ([128, 128, 128], "gray"),
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
