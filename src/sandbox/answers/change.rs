//! What became different from one picture to another, in words.

use super::look::{HIGH, Look, Rgb, WIDE, place, spot};

/// A cell has changed when its three channels together differ by more.
const CHANGED: f32 = 36.0;

/// What became different from one picture to another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// Everything alike: brighter or darker by this much luma.
    Light(f64),
    /// The whole view shifted: cells to the right and down.
    View(isize, isize),
    /// Something went from here to there.
    Moved {
        from: (f64, f64),
        to: (f64, f64),
        share: f64,
    },
    /// Something changed where it is.
    Changed {
        at: (f64, f64),
        share: f64,
    },
}

impl Look {
    /// What became different up to `later`.
    pub(super) fn change(&self, later: &Self) -> Change {
        let difference = |a: &Rgb, b: &Rgb| (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>();
        let pairs = || self.cells.iter().zip(&later.cells);
        let changed: Vec<bool> = pairs().map(|(a, b)| difference(a, b) > CHANGED).collect();
        let count = changed.iter().filter(|changed| **changed).count();
        let share = count as f64 / changed.len() as f64;
        if count == 0 {
            return Change::Nothing;
        }
        if share > 0.25
            && let Some(change) = self.shifted(later)
        {
            return change;
        }
        if share > 0.9 {
            return Change::Light(later.light - self.light);
        }
        let still = |look: &Self| background(&look.cells, &changed);
        let middle = |look: &Self, ground: Rgb| {
            let (mut x, mut y, mut weight) = (0.0, 0.0, 0.0);
            for (at, cell) in look.cells.iter().enumerate().filter(|(at, _)| changed[*at]) {
                let w = f64::from(difference(cell, &ground));
                x += w * ((at % WIDE) as f64 + 0.5) / WIDE as f64;
                y += w * ((at / WIDE) as f64 + 0.5) / HIGH as f64;
                weight += w;
            }
            (weight > 1.0).then(|| (x / weight, y / weight, weight))
        };
        let (before, after) = (middle(self, still(self)), middle(later, still(later)));
        match (before, after) {
            // What is not there in one of them has not moved, but come or gone.
            (Some(a), Some(b)) if a.2 < b.2 * 8.0 && b.2 < a.2 * 8.0 => {
                let (from, to) = ((a.0, a.1), (b.0, b.1));
                if (to.0 - from.0).hypot(to.1 - from.1) > 0.03 {
                    Change::Moved { from, to, share }
                } else {
                    Change::Changed { at: to, share }
                }
            }
            (_, Some(found)) | (Some(found), None) => Change::Changed {
                at: (found.0, found.1),
                share,
            },
            (None, None) => Change::Nothing,
        }
    }

    /// Whether the later picture is this one shifted as a whole.
    fn shifted(&self, later: &Self) -> Option<Change> {
        let moved = |at: usize, by: isize, below: usize| at.checked_add_signed(by).filter(|at| *at < below);
        let cost = |dx: isize, dy: isize| {
            let (mut sum, mut count) = (0.0, 0.0f32);
            for y in 0..HIGH {
                for x in 0..WIDE {
                    if let (Some(to_x), Some(to_y)) = (moved(x, dx, WIDE), moved(y, dy, HIGH)) {
                        let a = self.cells[y * WIDE + x];
                        let b = later.cells[to_y * WIDE + to_x];
                        sum += (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>();
                        count += 1.0;
                    }
                }
            }
            sum / count
        };
        let still = cost(0, 0);
        let mut best = (still, 0, 0);
        for dy in -8..=8 {
            for dx in -14..=14 {
                let now = cost(dx, dy);
                if now < best.0 {
                    best = (now, dx, dy);
                }
            }
        }
        let (least, dx, dy) = best;
        ((dx, dy) != (0, 0) && least < still * 0.35).then_some(Change::View(dx, dy))
    }
}

impl Change {
    /// One sentence without a full stop, about pictures that are called so.
    pub(super) fn words(&self) -> String {
        let percent = |share: &f64| (share * 100.0).round().max(1.0);
        match self {
            Self::Nothing => "nothing visible changes".to_owned(),
            Self::Light(by) if *by > 4.0 => "the whole picture becomes brighter".to_owned(),
            Self::Light(by) if *by < -4.0 => "the whole picture becomes darker".to_owned(),
            Self::Light(_) => "the whole picture changes its colours".to_owned(),
            Self::View(x, y) => format!(
                "the whole view moves {}, as when the camera turns {}",
                direction(*x as f64, *y as f64),
                direction(-*x as f64, -*y as f64)
            ),
            Self::Moved { from, to, share } => format!(
                "something moves {}, from {} to {}; about {} % of the picture changes",
                direction((to.0 - from.0) * WIDE as f64, (to.1 - from.1) * HIGH as f64),
                spot(*from),
                spot(*to),
                percent(share)
            ),
            Self::Changed { at, share } => format!(
                "something changes {} without moving on; about {} % of the picture is different",
                place(*at),
                percent(share)
            ),
        }
    }

    /// What the camera does, as far as two pictures tell.
    pub(super) fn camera(&self) -> String {
        match self {
            Self::View(x, y) => format!("turns {}", direction(-*x as f64, -*y as f64)),
            _ => "holds still".to_owned(),
        }
    }
}

/// The mean of what has not changed, or of everything.
fn background(cells: &[Rgb], changed: &[bool]) -> Rgb {
    let mean = |unchanged: bool| {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for (cell, _) in cells.iter().zip(changed).filter(|(_, c)| !unchanged || !**c) {
            (0..3).for_each(|c| sum[c] += cell[c]);
            count += 1.0;
        }
        (count > 0.0).then(|| sum.map(|s: f32| s / count))
    };
    mean(true).or_else(|| mean(false)).unwrap_or_default()
}

/// `to the right`, `down and to the left`; a small share of one direction is left out.
fn direction(x: f64, y: f64) -> &'static str {
    let (across, along) = (x.abs() > y.abs() * 0.4, y.abs() > x.abs() * 0.4);
    match (across, along, x > 0.0, y > 0.0) {
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
    use super::super::look::tests::look;
    use super::*;

    fn square(at: (usize, usize)) -> Look {
        look(move |x, y| {
            let inside = (at.0..at.0 + 30).contains(&x) && (at.1..at.1 + 30).contains(&y);
            if inside { [240, 220, 20] } else { [30, 40, 120] }
        })
    }

    #[test]
    fn a_square_that_moves_is_seen_moving_its_way() {
        let words = |from, to| square(from).change(&square(to)).words();
        assert!(words((10, 30), (110, 30)).contains("moves to the right, from the left to the right"));
        assert!(words((110, 30), (60, 30)).contains("moves to the left"));
        assert!(words((60, 0), (60, 55)).contains("moves down, from the top to the bottom"));
        assert!(words((110, 55), (10, 5)).contains("moves up and to the left"));
        // It overlaps itself.
        assert!(words((40, 30), (50, 30)).contains("moves to the right"));
        assert_eq!(words((40, 30), (40, 30)), "nothing visible changes");
    }

    #[test]
    fn what_comes_has_not_moved() {
        let empty = look(|_, _| [30, 40, 120]);
        let words = empty.change(&square((110, 30))).words();
        assert!(words.contains("something changes at the right"), "{words}");
    }

    #[test]
    fn light_and_turns_of_the_camera_are_not_motion_of_a_thing() {
        let grey = |value: u8| look(move |_, _| [value; 3]);
        assert!(grey(40).change(&grey(200)).words().contains("becomes brighter"));
        assert!(grey(200).change(&grey(40)).words().contains("becomes darker"));
        let scene = |offset: usize| {
            look(move |x, y| {
                let (x, y) = ((x + offset) as f64, y as f64);
                let wave = |f: f64, p: f64| (127.0 + 120.0 * (x * f + p).sin() * (y * 0.07 + p).cos()) as u8;
                [wave(0.11, 0.0), wave(0.07, 1.0), wave(0.13, 2.0)]
            })
        };
        let change = scene(0).change(&scene(20));
        assert!(
            change.words().contains("the camera turns to the right"),
            "{change:?}"
        );
        assert_eq!(change.camera(), "turns to the right");
    }
}
