//! Compares two pictures and describes the difference.

use super::picture_stats::{COLUMNS, PictureStats, ROWS, Rgb, position_name, position_phrase};

/// A cell has changed if the sum of the differences of its three channels is greater.
const CHANGE_THRESHOLD: f32 = 36.0;

/// The difference between two pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PictureChange {
    Nothing,
    /// The whole picture became brighter or darker, by this much luma.
    Luma(f64),
    /// The whole view moved, by these cells to the right and down.
    Shifted(isize, isize),
    /// An object moved.
    Moved {
        from: (f64, f64),
        to: (f64, f64),
        share: f64,
    },
    /// Something changed in place.
    Changed {
        at: (f64, f64),
        share: f64,
    },
}

impl PictureStats {
    /// Returns the difference to a later picture.
    pub(super) fn change_to(&self, later: &Self) -> PictureChange {
        let difference = |a: &Rgb, b: &Rgb| (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>();
        let pairs = || self.cells.iter().zip(&later.cells);
        let changed: Vec<bool> = pairs()
            .map(|(a, b)| difference(a, b) > CHANGE_THRESHOLD)
            .collect();
        let count = changed.iter().filter(|changed| **changed).count();
        let share = count as f64 / changed.len() as f64;
        if count == 0 {
            return PictureChange::Nothing;
        }
        if share > 0.25
            && let Some(change) = self.shift_to(later)
        {
            return change;
        }
        if share > 0.9 {
            return PictureChange::Luma(later.luma - self.luma);
        }
        let background = |stats: &Self| mean_color(&stats.cells, &changed);
        // The centroid of the changed cells and their total difference from the background.
        let center = |stats: &Self, background: Rgb| {
            let (mut x, mut y, mut weight) = (0.0, 0.0, 0.0);
            for (at, cell) in stats.cells.iter().enumerate().filter(|(at, _)| changed[*at]) {
                let w = f64::from(difference(cell, &background));
                x += w * ((at % COLUMNS) as f64 + 0.5) / COLUMNS as f64;
                y += w * ((at / COLUMNS) as f64 + 0.5) / ROWS as f64;
                weight += w;
            }
            (weight > 1.0).then(|| (x / weight, y / weight, weight))
        };
        let (before, after) = (center(self, background(self)), center(later, background(later)));
        match (before, after) {
            // If one picture differs much less from its background, the object appeared or disappeared.
            (Some(a), Some(b)) if a.2 < b.2 * 8.0 && b.2 < a.2 * 8.0 => {
                let (from, to) = ((a.0, a.1), (b.0, b.1));
                if (to.0 - from.0).hypot(to.1 - from.1) > 0.03 {
                    PictureChange::Moved { from, to, share }
                } else {
                    PictureChange::Changed { at: to, share }
                }
            }
            (_, Some(found)) | (Some(found), None) => PictureChange::Changed {
                at: (found.0, found.1),
                share,
            },
            (None, None) => PictureChange::Nothing,
        }
    }

    /// Returns the shift of the whole view, if it explains the difference.
    fn shift_to(&self, later: &Self) -> Option<PictureChange> {
        let shifted = |at: usize, by: isize, len: usize| at.checked_add_signed(by).filter(|at| *at < len);
        let cost = |dx: isize, dy: isize| {
            let (mut sum, mut count) = (0.0, 0.0f32);
            for y in 0..ROWS {
                for x in 0..COLUMNS {
                    if let (Some(to_x), Some(to_y)) = (shifted(x, dx, COLUMNS), shifted(y, dy, ROWS)) {
                        let a = self.cells[y * COLUMNS + x];
                        let b = later.cells[to_y * COLUMNS + to_x];
                        sum += (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>();
                        count += 1.0;
                    }
                }
            }
            sum / count
        };
        let unshifted = cost(0, 0);
        let mut best = (unshifted, 0, 0);
        for dy in -8..=8 {
            for dx in -14..=14 {
                let shifted = cost(dx, dy);
                if shifted < best.0 {
                    best = (shifted, dx, dy);
                }
            }
        }
        let (lowest, dx, dy) = best;
        ((dx, dy) != (0, 0) && lowest < unshifted * 0.35).then_some(PictureChange::Shifted(dx, dy))
    }
}

impl PictureChange {
    /// Returns a description of one sentence, without a full stop.
    pub(super) fn description(&self) -> String {
        let percent = |share: &f64| (share * 100.0).round().max(1.0);
        match self {
            Self::Nothing => "nothing visible changes".to_owned(),
            Self::Luma(by) if *by > 4.0 => "the whole picture becomes brighter".to_owned(),
            Self::Luma(by) if *by < -4.0 => "the whole picture becomes darker".to_owned(),
            Self::Luma(_) => "the whole picture changes its colors".to_owned(),
            Self::Shifted(x, y) => format!(
                "the whole view moves {}, as when the camera turns {}",
                direction(*x as f64, *y as f64),
                direction(-*x as f64, -*y as f64)
            ),
            Self::Moved { from, to, share } => format!(
                "something moves {}, from {} to {}; about {} % of the picture changes",
                direction((to.0 - from.0) * COLUMNS as f64, (to.1 - from.1) * ROWS as f64),
                position_name(*from),
                position_name(*to),
                percent(share)
            ),
            Self::Changed { at, share } => format!(
                "something changes {} without moving on; about {} % of the picture is different",
                position_phrase(*at),
                percent(share)
            ),
        }
    }

    /// Returns the movement of the camera, as far as two pictures show it.
    pub(super) fn camera_movement(&self) -> String {
        match self {
            Self::Shifted(x, y) => format!("turns {}", direction(-*x as f64, -*y as f64)),
            _ => "holds still".to_owned(),
        }
    }
}

/// Returns the mean color of the cells that have not changed, or of all cells if all have.
fn mean_color(cells: &[Rgb], changed: &[bool]) -> Rgb {
    let mean = |only_unchanged: bool| {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for (cell, _) in cells.iter().zip(changed).filter(|(_, c)| !only_unchanged || !**c) {
            (0..3).for_each(|c| sum[c] += cell[c]);
            count += 1.0;
        }
        (count > 0.0).then(|| sum.map(|s: f32| s / count))
    };
    mean(true).or_else(|| mean(false)).unwrap_or_default()
}

/// Returns a direction such as `to the right` or `down and to the left`. A small share of one axis is left out.
fn direction(x: f64, y: f64) -> &'static str {
    let (horizontal, vertical) = (x.abs() > y.abs() * 0.4, y.abs() > x.abs() * 0.4);
    match (horizontal, vertical, x > 0.0, y > 0.0) {
        (true, false, true, _) => "to the right",
        (true, false, false, _) => "to the left",
        (true, true, true, true) => "down and to the right",
        (true, true, true, false) => "up and to the right",
        (true, true, false, true) => "down and to the left",
        (true, true, false, false) => "up and to the left",
        (false, _, _, true) => "down",
        (false, _, _, false) => "up",
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture_stats::tests::measured;
    use super::*;

    fn square(at: (usize, usize)) -> PictureStats {
        measured(move |x, y| {
            let inside = (at.0..at.0 + 30).contains(&x) && (at.1..at.1 + 30).contains(&y);
            if inside { [240, 220, 20] } else { [30, 40, 120] }
        })
    }

    #[test]
    fn a_moving_square_is_reported_with_its_direction() {
        let words = |from, to| square(from).change_to(&square(to)).description();
        assert!(words((10, 30), (110, 30)).contains("moves to the right, from the left to the right"));
        assert!(words((110, 30), (60, 30)).contains("moves to the left"));
        assert!(words((60, 0), (60, 55)).contains("moves down, from the top to the bottom"));
        assert!(words((110, 55), (10, 5)).contains("moves up and to the left"));
        // The two positions overlap.
        assert!(words((40, 30), (50, 30)).contains("moves to the right"));
        assert_eq!(words((40, 30), (40, 30)), "nothing visible changes");
    }

    #[test]
    fn an_object_that_appears_has_not_moved() {
        let empty = measured(|_, _| [30, 40, 120]);
        let words = empty.change_to(&square((110, 30))).description();
        assert!(words.contains("something changes at the right"), "{words}");
    }

    #[test]
    fn changes_of_light_and_camera_are_not_reported_as_motion() {
        let gray = |value: u8| measured(move |_, _| [value; 3]);
        assert!(
            gray(40)
                .change_to(&gray(200))
                .description()
                .contains("becomes brighter")
        );
        assert!(
            gray(200)
                .change_to(&gray(40))
                .description()
                .contains("becomes darker")
        );
        let scene = |offset: usize| {
            measured(move |x, y| {
                let (x, y) = ((x + offset) as f64, y as f64);
                let wave = |f: f64, p: f64| (127.0 + 120.0 * (x * f + p).sin() * (y * 0.07 + p).cos()) as u8;
                [wave(0.11, 0.0), wave(0.07, 1.0), wave(0.13, 2.0)]
            })
        };
        let change = scene(0).change_to(&scene(20));
        assert!(
            change.description().contains("the camera turns to the right"),
            "{change:?}"
        );
        assert_eq!(change.camera_movement(), "turns to the right");
    }
}
