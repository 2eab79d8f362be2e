//! Which frame is meant: arithmetic on the times of packets, without libav.

/// What is looked for in the video's own time. In the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    /// The first one.
    First,
    /// The one shown from `limit` on, or before it and still then.
    UpTo(i64),
    /// The last one.
    Last,
}

impl Want {
    /// Where to seek to for it.
    pub(crate) fn timestamp(self) -> i64 {
        match self {
            Self::First => i64::MIN / 4,
            Self::UpTo(limit) => limit,
            Self::Last => i64::MAX / 4,
        }
    }

    pub(crate) fn allows(self, pts: i64) -> bool {
        match self {
            Self::UpTo(limit) => pts <= limit,
            Self::First | Self::Last => true,
        }
    }
}

/// A packet, as far as choosing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    pub(crate) is_shown: bool,
}

/// The packets from one key frame on, in decoding order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    timings: Vec<Timing>,
    /// The earliest that is shown.
    earliest: Option<i64>,
    /// Packets in a row that start after the limit.
    beyond: usize,
}

/// H.264 and H.265 reorder at most 16 frames, so after twice as many packets that start later, none
/// that starts earlier can follow.
const REORDER: usize = 32;

impl Run {
    /// Takes the next packet, and says whether no later one can be the wanted one.
    ///
    /// `trusts_dts`: decoding times come from the container, not from a guess.
    pub(crate) fn push(&mut self, timing: Timing, want: Want, trusts_dts: bool) -> bool {
        self.timings.push(timing);
        if let Some(pts) = timing.pts.filter(|_| timing.is_shown) {
            self.earliest = self.earliest.map_or(Some(pts), |before| Some(before.min(pts)));
        }
        let limit = match want {
            Want::First => self.earliest,
            Want::UpTo(limit) => Some(limit),
            Want::Last => None,
        };
        let Some(limit) = limit else { return false };
        self.beyond = if timing.pts.is_some_and(|pts| pts > limit) {
            self.beyond + 1
        } else {
            0
        };
        // Nothing is shown before it is decoded.
        (trusts_dts && timing.dts.is_some_and(|dts| dts > limit)) || self.beyond > REORDER
    }

    /// The time of the key frame the run begins with. What is shown before it may lack references.
    pub(crate) fn floor(&self) -> Option<i64> {
        self.timings.first()?.pts
    }

    pub(crate) fn first_dts(&self) -> Option<i64> {
        let first = self.timings.first()?;
        first.dts.or(first.pts)
    }

    /// The time of the wanted frame, and the last packet that has to be decoded for it.
    pub(crate) fn target(&self, want: Want) -> Option<(i64, usize)> {
        // One packet without a time, and the order is not known.
        if self.timings.iter().any(|t| t.pts.is_none()) {
            return None;
        }
        let shown = || self.timings.iter().enumerate().filter(|(_, t)| t.is_shown);
        let pts = match want {
            Want::First => self.earliest?,
            _ => shown()
                .filter_map(|(_, t)| t.pts)
                .filter(|&pts| want.allows(pts))
                .max()?,
        };
        let (index, _) = shown().rfind(|(_, t)| t.pts == Some(pts))?;
        Some((pts, index))
    }

    /// How many of these packets are shown before `pts`.
    pub(crate) fn shown_before(&self, pts: i64) -> u64 {
        self.timings
            .iter()
            .filter(|t| t.is_shown && t.pts.is_some_and(|p| p < pts))
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pts: &[i64]) -> Run {
        let mut run = Run::default();
        for (dts, &pts) in (-2..).zip(pts) {
            let timing = Timing {
                pts: Some(pts),
                dts: Some(dts),
                is_shown: true,
            };
            run.push(timing, Want::Last, true);
        }
        run
    }

    #[test]
    fn the_last_in_time_is_not_the_last_in_the_file() {
        let run = run(&[0, 3, 1, 2]);
        assert_eq!(run.target(Want::Last), Some((3, 1)));
        assert_eq!(run.target(Want::UpTo(2)), Some((2, 3)));
        assert_eq!(run.target(Want::UpTo(-1)), None);
        assert_eq!((run.floor(), run.shown_before(2)), (Some(0), 2));
    }

    #[test]
    fn hidden_packets_are_no_answer() {
        let mut run = run(&[0, 3, 1, 2]);
        run.timings[1].is_shown = false;
        assert_eq!(run.target(Want::Last), Some((2, 3)));
        assert_eq!(run.shown_before(9), 3);
    }

    #[test]
    fn a_packet_without_a_time_leaves_it_to_the_decoder() {
        let mut run = run(&[0, 1]);
        run.timings[1].pts = None;
        assert_eq!(run.target(Want::Last), None);
    }

    #[test]
    fn reading_on_ends_when_nothing_earlier_can_come() {
        let mut run = Run::default();
        let want = Want::UpTo(5);
        let timing = |pts, dts| Timing {
            pts: Some(pts),
            dts,
            is_shown: true,
        };
        assert!(!run.push(timing(4, Some(4)), want, true));
        assert!(!run.push(timing(9, Some(5)), want, true));
        assert!(run.push(timing(7, Some(6)), want, true));
        let mut run = Run::default();
        let pushed = (0..40).position(|i| run.push(timing(6 + i, Some(6)), want, false));
        assert_eq!(pushed, Some(REORDER));
    }
}
