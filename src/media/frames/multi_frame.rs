//! Frames of several places in one clip.
//!
//! Places that lie behind the same key frame are taken in one pass from there; those behind others are sought. So no
//! packet is decoded twice, and none that nothing wanted needs.

use super::converter::Presenter;
use super::decoder::Decoder;
use super::frame::Frame;
use super::locate::{self, Held};
use super::scan::walk_to;
use super::seek_plan::Want;
use super::{FramePosition, check_result, check_within, limit_of};
use crate::error::Result;
use crate::media::container::clip::Clip;

/// Of so many that do not come out together, each is sought; of more, all are taken on one way from the start.
const FEW: usize = 3;

/// The frames of `positions`, in their order. None of them by number.
pub(crate) fn frames_at(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    if positions.contains(&FramePosition::Last) {
        clip.check_length()?;
    }
    clip.read_index_of_fragments()?;
    let mut frames: Vec<Option<Frame>> = vec![None; positions.len()];
    for group in groups(clip, positions)? {
        take(clip, &group, positions, &mut frames)?;
    }
    let (left, others): (Vec<usize>, Vec<FramePosition>) = positions
        .iter()
        .zip(&frames)
        .enumerate()
        .filter_map(|(place, (&position, frame))| frame.is_none().then_some((place, position)))
        .unzip();
    let found = if left.len() > FEW {
        walk_to(clip, &others)?
    } else {
        // One by one, every way is tried.
        let each = others
            .into_iter()
            .map(|position| locate::frame_of(clip, position));
        each.collect::<Result<_>>()?
    };
    for (place, frame) in left.into_iter().zip(found) {
        check_result(&clip.watch, frame.width(), frame.height(), positions.len())?;
        if let Some(slot) = frames.get_mut(place) {
            *slot = Some(frame);
        }
    }
    Ok(frames.into_iter().flatten().collect())
}

/// The time of a key frame, and what is wanted of what follows it, in the order of time.
struct Group {
    key: i64,
    wants: Vec<(Want, usize)>,
}

/// In the order of time. What cannot be sought is in none of them.
fn groups(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Group>> {
    let mut wants: Vec<(Want, usize)> = Vec::with_capacity(positions.len());
    for (place, &position) in positions.iter().enumerate() {
        match position {
            FramePosition::First => wants.push((Want::First, place)),
            FramePosition::Last => wants.push((Want::Last, place)),
            FramePosition::At(time) => wants.push((Want::UpTo(limit_of(clip, time)), place)),
            FramePosition::Number(_) => {}
        }
    }
    wants.sort_unstable();
    let mut groups: Vec<Group> = Vec::new();
    for (want, place) in wants {
        if clip.seek(want.timestamp()).is_err() {
            clip.watch.check()?;
            continue;
        }
        let key = clip.next_packet()?.filter(ffmpeg_next::Packet::is_key);
        let Some(key) = key
            .and_then(|packet| packet.pts())
            .filter(|&key| want.allows(key))
        else {
            continue;
        };
        match groups.last_mut().filter(|group| group.key == key) {
            Some(group) => group.wants.push((want, place)),
            None => groups.push(Group {
                key,
                wants: vec![(want, place)],
            }),
        }
    }
    Ok(groups)
}

/// Decodes one group, and puts the frames that come out in their places.
fn take(
    clip: &mut Clip,
    group: &Group,
    positions: &[FramePosition],
    frames: &mut [Option<Frame>],
) -> Result<()> {
    let (Some((nearest, _)), Some((furthest, _))) = (group.wants.first(), group.wants.last()) else {
        return Ok(());
    };
    clip.seek(nearest.timestamp())?;
    let held = Held::read(clip, *furthest, true)?;
    if !held.complete || held.run.floor() != Some(group.key) {
        return Ok(());
    }
    let mut last = 0;
    let mut targets = Vec::with_capacity(group.wants.len());
    for &(want, place) in &group.wants {
        // What is shown before the key frame may lack references, unless there is nothing before.
        let decodable = |&(pts, _): &(i64, usize)| pts >= group.key || want == Want::First;
        if let Some((pts, at)) = held.run.target(want).filter(decodable) {
            last = at.max(last);
            targets.push((pts, place));
        }
    }
    targets.sort_unstable();
    let wanted: Vec<i64> = targets.iter().map(|&(pts, _)| pts).collect();
    let run = held.run.clone();
    let packets = held.needed(clip, last, &wanted);
    let presenter = Presenter::of(clip);
    let mut left = targets.len();
    Decoder::open(clip, packets.len())?.run(packets, |picture, pts| {
        let from = targets.partition_point(|&(target, _)| target < pts);
        let here = targets
            .iter()
            .skip(from)
            .take_while(|&&(target, _)| target == pts);
        let mut made: Option<Frame> = None;
        for &(_, place) in here {
            let Some(slot) = frames.get_mut(place).filter(|slot| slot.is_none()) else {
                continue;
            };
            let frame = match &made {
                Some(frame) => frame.clone(),
                None => {
                    check_result(&clip.watch, picture.width(), picture.height(), positions.len())?;
                    presenter.frame(picture, pts, locate::number_of(clip, &run, pts, group.key))?
                }
            };
            left -= 1;
            *slot = Some(frame.clone());
            made = Some(frame);
        }
        Ok(left > 0)
    })?;
    for (pts, place) in targets {
        if let (Some(&position), Some(Some(frame))) = (positions.get(place), frames.get_mut(place)) {
            match position {
                FramePosition::At(time) => check_within(clip, position, time, pts)?,
                FramePosition::First => frame.number = Some(0),
                _ => {}
            }
        }
    }
    Ok(())
}
