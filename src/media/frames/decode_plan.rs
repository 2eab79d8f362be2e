//! The decode plan: where to seek to for a frame, which packets to decode, and which of the decoded frames to keep.
//!
//! Arithmetic on the timestamps of packets, without libav. The [executor](super::executor) runs the plan.

/// A frame to find, in the time base of the video. Targets are ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The first frame.
    First,
    /// The last frame that starts at or before this timestamp.
    AtOrBefore(i64),
    /// The last frame.
    Last,
}

impl Target {
    /// Returns the timestamp to seek to.
    pub(super) fn seek_timestamp(self) -> i64 {
        match self {
            Self::First => i64::MIN / 4,
            Self::AtOrBefore(limit) => limit,
            Self::Last => i64::MAX / 4,
        }
    }

    /// Returns whether a frame with this timestamp may be the target.
    pub(super) fn allows(self, pts: i64) -> bool {
        match self {
            Self::AtOrBefore(limit) => pts <= limit,
            Self::First | Self::Last => true,
        }
    }
}

/// The timestamps of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketTiming {
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    /// Whether an edit list does not hide its frame.
    pub(super) is_shown: bool,
}

/// The timestamps of consecutive packets in decoding order.
#[derive(Debug, Default)]
pub(super) struct RunTimings {
    timings: Vec<PacketTiming>,
    /// The lowest timestamp of a shown frame.
    earliest: Option<i64>,
    /// How many packets in a row start after the target.
    after_target: usize,
}

/// Maximum packets in a row that start after a frame before that frame's own packet comes.
///
/// H.264 and H.265 reorder at most 16 frames; this is twice as many.
const MAX_REORDER: usize = 32;

impl RunTimings {
    /// Adds the next packet. Returns whether no later packet can be that of the target.
    ///
    /// `trusts_dts` is whether decoding times come from the container and are not guessed.
    pub(super) fn push(&mut self, timing: PacketTiming, target: Target, trusts_dts: bool) -> bool {
        self.timings.push(timing);
        if let Some(pts) = timing.pts.filter(|_| timing.is_shown) {
            self.earliest = self.earliest.map_or(Some(pts), |before| Some(before.min(pts)));
        }
        let limit = match target {
            Target::First => self.earliest,
            Target::AtOrBefore(limit) => Some(limit),
            Target::Last => None,
        };
        let Some(limit) = limit else { return false };
        self.after_target = if timing.pts.is_some_and(|pts| pts > limit) {
            self.after_target + 1
        } else {
            0
        };
        // No frame is shown before it is decoded.
        (trusts_dts && timing.dts.is_some_and(|dts| dts > limit)) || self.after_target > MAX_REORDER
    }

    /// Returns the timestamp of the first packet: the key frame, if the run starts with one.
    pub(super) fn key_pts(&self) -> Option<i64> {
        self.timings.first()?.pts
    }

    /// Returns the decoding time of the first packet.
    pub(super) fn first_dts(&self) -> Option<i64> {
        let first = self.timings.first()?;
        first.dts.or(first.pts)
    }

    /// Returns where to seek to for the key frame before this run, or `None` if the run starts the clip.
    pub(super) fn earlier_seek(&self, start: i64) -> Option<i64> {
        let dts = self.first_dts()?;
        self.key_pts()
            .is_some_and(|key| key > start)
            .then(|| dts.saturating_sub(1))
    }

    /// Returns the timestamp of the target and the index of its packet, which is the last one to decode for it.
    fn resolve(&self, target: Target) -> Option<(i64, usize)> {
        // If one packet has no timestamp, the order of frames is unknown.
        if self.timings.iter().any(|t| t.pts.is_none()) {
            return None;
        }
        let shown = || self.timings.iter().enumerate().filter(|(_, t)| t.is_shown);
        let pts = match target {
            Target::First => self.earliest?,
            _ => shown()
                .filter_map(|(_, t)| t.pts)
                .filter(|&pts| target.allows(pts))
                .max()?,
        };
        let (index, _) = shown().rfind(|(_, t)| t.pts == Some(pts))?;
        Some((pts, index))
    }

    /// Returns how many of the packets are shown before `pts`.
    pub(super) fn shown_before(&self, pts: i64) -> u64 {
        self.timings
            .iter()
            .filter(|t| t.is_shown && t.pts.is_some_and(|p| p < pts))
            .count() as u64
    }
}

/// Which packets of a run to decode, and which of the decoded frames to keep.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DecodePlan {
    /// How many packets to decode, from the start of the run.
    pub(super) packets: usize,
    /// The timestamps of the frames to keep, ascending, each with the slot of its target.
    pub(super) keep: Vec<(i64, usize)>,
}

impl DecodePlan {
    /// Plans to decode targets, each with its slot, from a complete run.
    ///
    /// `key` is the timestamp of the key frame if the run was found by seeking. Frames that are shown before it may lack
    /// their references, so they are kept only if nothing precedes the run. Targets that cannot be found in the run are
    /// left out.
    pub(super) fn new(run: &RunTimings, targets: &[(Target, usize)], key: Option<i64>) -> Self {
        let mut plan = Self::default();
        for &(target, slot) in targets {
            let has_references = |pts| target == Target::First || key.is_none_or(|key| pts >= key);
            if let Some((pts, packet)) = run.resolve(target).filter(|&(pts, _)| has_references(pts)) {
                plan.packets = plan.packets.max(packet + 1);
                plan.keep.push((pts, slot));
            }
        }
        plan.keep.sort_unstable();
        plan
    }

    /// Returns whether the frame with this timestamp is kept.
    pub(super) fn keeps(&self, pts: i64) -> bool {
        self.keep.binary_search_by_key(&pts, |&(kept, _)| kept).is_ok()
    }

    /// Returns the slots of the frame with this timestamp.
    pub(super) fn slots(&self, pts: i64) -> impl Iterator<Item = usize> {
        let from = self.keep.partition_point(|&(kept, _)| kept < pts);
        let frames = self.keep.iter().skip(from);
        frames
            .take_while(move |&&(kept, _)| kept == pts)
            .map(|&(_, slot)| slot)
    }
}

/// Targets after the same key frame, ascending, each with its slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyFrameGroup {
    /// The timestamp of the key frame.
    pub(super) key: i64,
    pub(super) targets: Vec<(Target, usize)>,
}

impl KeyFrameGroup {
    /// Adds a target to the last group if it has the same key frame, else to a new group.
    pub(super) fn add(groups: &mut Vec<Self>, key: i64, target: Target, slot: usize) {
        match groups.last_mut().filter(|group| group.key == key) {
            Some(group) => group.targets.push((target, slot)),
            None => groups.push(Self {
                key,
                targets: vec![(target, slot)],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pts: &[i64]) -> RunTimings {
        let mut run = RunTimings::default();
        for (dts, &pts) in (-2..).zip(pts) {
            let timing = PacketTiming {
                pts: Some(pts),
                dts: Some(dts),
                is_shown: true,
            };
            run.push(timing, Target::Last, true);
        }
        run
    }

    #[test]
    fn the_last_frame_in_time_is_not_that_of_the_last_packet() {
        let run = run(&[0, 3, 1, 2]);
        assert_eq!(run.resolve(Target::Last), Some((3, 1)));
        assert_eq!(run.resolve(Target::AtOrBefore(2)), Some((2, 3)));
        assert_eq!(run.resolve(Target::AtOrBefore(-1)), None);
        assert_eq!((run.key_pts(), run.shown_before(2)), (Some(0), 2));
    }

    #[test]
    fn hidden_packets_are_not_found() {
        let mut run = run(&[0, 3, 1, 2]);
        run.timings[1].is_shown = false;
        assert_eq!(run.resolve(Target::Last), Some((2, 3)));
        assert_eq!(run.shown_before(9), 3);
    }

    #[test]
    fn a_packet_without_a_timestamp_makes_the_order_unknown() {
        let mut run = run(&[0, 1]);
        run.timings[1].pts = None;
        assert_eq!(run.resolve(Target::Last), None);
    }

    #[test]
    fn a_run_is_complete_when_nothing_earlier_can_follow() {
        let mut run = RunTimings::default();
        let target = Target::AtOrBefore(5);
        let timing = |pts, dts| PacketTiming {
            pts: Some(pts),
            dts,
            is_shown: true,
        };
        assert!(!run.push(timing(4, Some(4)), target, true));
        assert!(!run.push(timing(9, Some(5)), target, true));
        assert!(run.push(timing(7, Some(6)), target, true));
        let mut run = RunTimings::default();
        let pushed = (0..40).position(|i| run.push(timing(6 + i, Some(6)), target, false));
        assert_eq!(pushed, Some(MAX_REORDER));
    }

    #[test]
    fn a_plan_ends_with_the_last_packet_that_a_target_needs() {
        let run = run(&[0, 4, 2, 1, 3, 8, 6, 5, 7]);
        let targets = [(Target::AtOrBefore(1), 7), (Target::AtOrBefore(2), 5)];
        let plan = DecodePlan::new(&run, &targets, Some(0));
        assert_eq!((plan.packets, &plan.keep[..]), (4, &[(1, 7), (2, 5)][..]));
        let targets = [(Target::First, 0), (Target::AtOrBefore(3), 1), (Target::Last, 2)];
        let plan = DecodePlan::new(&run, &targets, Some(0));
        assert_eq!((plan.packets, &plan.keep[..]), (6, &[(0, 0), (3, 1), (8, 2)][..]));
        assert!(plan.keeps(3) && !plan.keeps(4));
    }

    #[test]
    fn targets_on_one_frame_share_it() {
        let run = run(&[0, 10, 20]);
        let targets = [(Target::AtOrBefore(12), 3), (Target::AtOrBefore(15), 1)];
        let plan = DecodePlan::new(&run, &targets, Some(0));
        assert_eq!(plan.slots(10).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(plan.slots(11).count(), 0);
    }

    #[test]
    fn frames_before_the_key_frame_are_kept_only_at_the_start() {
        // An open GOP: the frames 8 and 9 are shown before the key frame and refer to the GOP before it.
        let run = run(&[10, 8, 9, 11]);
        let target = [(Target::AtOrBefore(9), 0)];
        assert_eq!(DecodePlan::new(&run, &target, Some(10)), DecodePlan::default());
        assert_eq!(DecodePlan::new(&run, &target, None).keep, [(9, 0)]);
        assert_eq!(
            DecodePlan::new(&run, &[(Target::First, 0)], Some(10)).keep,
            [(8, 0)]
        );
    }

    #[test]
    fn an_earlier_seek_goes_before_the_first_packet() {
        let run = run(&[10, 8, 9, 11]);
        assert_eq!(run.earlier_seek(0), Some(-3));
        assert_eq!(run.earlier_seek(10), None);
        assert_eq!(RunTimings::default().earlier_seek(0), None);
    }

    #[test]
    fn targets_are_grouped_by_their_key_frame() {
        let mut groups = Vec::new();
        let at = Target::AtOrBefore;
        for (key, target, slot) in [
            (0, Target::First, 2),
            (0, at(5), 0),
            (10, at(12), 1),
            (20, Target::Last, 3),
        ] {
            KeyFrameGroup::add(&mut groups, key, target, slot);
        }
        let keys: Vec<_> = groups
            .iter()
            .map(|group| (group.key, group.targets.len()))
            .collect();
        assert_eq!(keys, [(0, 2), (10, 1), (20, 1)]);
        assert_eq!(groups[0].targets, [(Target::First, 2), (at(5), 0)]);
    }
}
