//! Runs the [decode plan](super::decode_plan): seeks, reads packets, decodes them and keeps the wanted frames.
//!
//! All frames of a clip are decoded on this one path:
//!
//! 1. Several positions are grouped by the key frame before them. The packets of a group are read before they are decoded,
//!    so that the plan knows the last one that is needed. [Disposable frames](super::disposable_frames) that are not
//!    wanted are not decoded.
//! 2. A single position, or one that could not be decoded with its group, is searched from the key frame before it, then
//!    from earlier key frames, and finally from the start.
//! 3. If more than a few positions remain, or one is a frame number, the clip is [scanned](super::scan) from the start.
//!
//! Frames are identified by their timestamps, never by the order in which the decoder returns them.

use ff::Packet;
use ffmpeg_next as ff;

use super::converter::FrameConverter;
use super::decode_plan::{DecodePlan, KeyFrameGroup, RunTimings, Target};
use super::decoder::Decoder;
use super::frame::Frame;
use super::packet_run::{PacketRun, needed_packets};
use super::position::FramePosition;
use super::scan::{scan, scan_positions};
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav::numbers::CodecId;
use crate::media::source::Format;

/// Maximum positions to search one by one. For more, a scan of the clip is faster.
const MAX_SEARCHES: usize = 3;
/// Maximum key frames to search a frame from before it is searched from the start.
const MAX_SEEKS: usize = 4;

/// Decodes the frames at `positions`, in their order.
pub(super) fn decode_positions(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    let has = |is: fn(&FramePosition) -> bool| positions.iter().any(is);
    let by_number = has(|position| matches!(position, FramePosition::Number(_)));
    clip.limits
        .check_result_size(clip.video.width, clip.video.height, positions.len())?;
    if positions.contains(&FramePosition::Last) {
        clip.check_complete()?;
    }
    if has(|position| matches!(position, FramePosition::At(_)))
        || (positions.contains(&FramePosition::Last) && !by_number)
    {
        clip.complete_fragment_index()?;
        // The completed index shows whether the data of a later fragment is cut off.
        if positions.contains(&FramePosition::Last) {
            clip.check_complete()?;
        }
    }
    if by_number {
        return scan_positions(clip, positions);
    }
    let mut frames: Vec<Option<Frame>> = vec![None; positions.len()];
    if positions.len() > 1 {
        for group in find_groups(clip, positions)? {
            decode_group(clip, &group, positions, &mut frames)?;
        }
    }
    let (slots, remaining): (Vec<usize>, Vec<FramePosition>) = positions
        .iter()
        .zip(&frames)
        .enumerate()
        .filter_map(|(slot, (&position, frame))| frame.is_none().then_some((slot, position)))
        .unzip();
    let found = if remaining.len() > MAX_SEARCHES {
        scan_positions(clip, &remaining)?
    } else {
        let each = remaining
            .into_iter()
            .map(|position| decode_position(clip, position));
        each.collect::<Result<_>>()?
    };
    for (slot, frame) in slots.into_iter().zip(found) {
        clip.limits
            .check_result_size(frame.width(), frame.height(), positions.len())?;
        if let Some(slot) = frames.get_mut(slot) {
            *slot = Some(frame);
        }
    }
    Ok(frames.into_iter().flatten().collect())
}

/// Checks that the last frame can be decoded from the key frame before it without an error.
pub(crate) fn check_last_frame(clip: &mut Clip) -> Result<()> {
    clip.skip_loop_filter = true;
    clip.complete_fragment_index()?;
    let found = search(clip, Target::Last)?.ok_or_else(|| FramePosition::Last.no_frame_error(clip))?;
    if found.errors > 0 || found.is_missing_frames {
        return Err(clip.limits.error("check", "the end of its video is damaged"));
    }
    Ok(())
}

/// Seeks to each position, and groups them by the key frames found. Positions that cannot be sought are left out.
fn find_groups(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<KeyFrameGroup>> {
    let slots = positions.iter().enumerate();
    let mut targets: Vec<(Target, usize)> = slots
        .filter_map(|(slot, position)| Some((position.target(clip)?, slot)))
        .collect();
    targets.sort_unstable();
    let mut groups = Vec::new();
    for (target, slot) in targets {
        if clip.seek(target.seek_timestamp()).is_err() {
            clip.limits.check()?;
            continue;
        }
        let key = clip.next_packet()?.filter(Packet::is_key);
        let key = key.and_then(|packet| packet.pts());
        if let Some(key) = key.filter(|&key| target.allows(key)) {
            KeyFrameGroup::add(&mut groups, key, target, slot);
        }
    }
    Ok(groups)
}

/// Decodes one group in one pass, and puts its frames into their slots.
///
/// Slots of frames that the decoder does not return stay empty.
fn decode_group(
    clip: &mut Clip,
    group: &KeyFrameGroup,
    positions: &[FramePosition],
    frames: &mut [Option<Frame>],
) -> Result<()> {
    let (Some((nearest, _)), Some((furthest, _))) = (group.targets.first(), group.targets.last()) else {
        return Ok(());
    };
    clip.seek(nearest.seek_timestamp())?;
    let run = PacketRun::read(clip, *furthest, true)?;
    if !run.is_complete || run.timings.key_pts() != Some(group.key) {
        return Ok(());
    }
    let plan = DecodePlan::new(&run.timings, &group.targets, Some(group.key));
    if plan.keep.is_empty() {
        return Ok(());
    }
    let packets = needed_packets(clip, run.packets, &plan);
    let converter = FrameConverter::new(clip);
    let mut missing = plan.keep.len();
    Decoder::open(clip, packets.len())?.run(packets, |picture, pts| {
        let mut converted: Option<Frame> = None;
        for slot in plan.slots(pts) {
            let Some(slot) = frames.get_mut(slot).filter(|slot| slot.is_none()) else {
                continue;
            };
            let frame = match &converted {
                Some(frame) => frame.clone(),
                None => {
                    clip.limits
                        .check_result_size(picture.width(), picture.height(), positions.len())?;
                    let number = frame_number(clip, &run.timings, pts, Some(group.key));
                    converter.convert(picture, pts, number)?
                }
            };
            missing -= 1;
            *slot = Some(frame.clone());
            converted = Some(frame);
        }
        Ok(missing > 0)
    })?;
    for (pts, slot) in plan.keep {
        if let (Some(&position), Some(Some(frame))) = (positions.get(slot), frames.get_mut(slot)) {
            position.check_not_past_end(clip, pts)?;
            if position == FramePosition::First {
                frame.number = Some(0);
            }
        }
    }
    Ok(())
}

/// Decodes one frame by searching for it.
fn decode_position(clip: &mut Clip, position: FramePosition) -> Result<Frame> {
    let found = match position.target(clip) {
        None | Some(Target::First) => None,
        Some(target) => search(clip, target)?,
    };
    let found = match (found, position) {
        (Some(found), _) => {
            position.check_not_past_end(clip, found.pts)?;
            Some(found)
        }
        // A time before the first frame selects the first frame.
        (None, FramePosition::First | FramePosition::At(_)) => decode_first(clip)?,
        (None, _) => None,
    };
    let found = found.ok_or_else(|| position.no_frame_error(clip))?;
    FrameConverter::new(clip).convert(&found.picture, found.pts, found.number)
}

/// A decoded picture that was searched for.
struct FoundPicture {
    picture: ff::frame::Video,
    pts: i64,
    number: Option<u64>,
    /// How many packets and frames the decoder rejected before it returned the picture.
    errors: u32,
    /// Whether the packets contain a better match that the decoder did not return.
    is_missing_frames: bool,
}

impl FoundPicture {
    fn first(picture: &mut ff::frame::Video, pts: i64) -> Self {
        Self {
            picture: take_picture(picture),
            pts,
            number: Some(0),
            errors: 0,
            is_missing_frames: false,
        }
    }
}

/// Searches a target from the key frame before it, then from earlier ones, and finally from the start.
///
/// Returns `None` if no frame is shown at or before the target, or none can be decoded.
fn search(clip: &mut Clip, target: Target) -> Result<Option<FoundPicture>> {
    let start = clip.video.start.unwrap_or(i64::MIN);
    let mut seek_to = target.seek_timestamp();
    for _ in 0..MAX_SEEKS {
        // If the index is damaged, the frame can still be found from the start.
        if clip.seek(seek_to).is_err() {
            clip.limits.check()?;
            break;
        }
        let run = PacketRun::read(clip, target, true)?;
        let earlier = run.timings.earlier_seek(start);
        if let Some(key) = run.timings.key_pts().filter(|&key| target.allows(key)) {
            let found = decode_target(clip, run, target, Some(key))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let Some(earlier) = earlier else { break };
        seek_to = earlier;
    }
    clip.rewind()?;
    let run = PacketRun::read(clip, target, false)?;
    decode_target(clip, run, target, None)
}

/// Decodes a run for one target. `key` is the timestamp of the key frame if the run was found by seeking.
///
/// Returns `None` if the target was not decoded and an earlier start may help.
fn decode_target(
    clip: &mut Clip,
    run: PacketRun,
    target: Target,
    key: Option<i64>,
) -> Result<Option<FoundPicture>> {
    let PacketRun {
        packets,
        timings,
        is_complete,
    } = run;
    let plan = if is_complete {
        DecodePlan::new(&timings, &[(target, 0)], key)
    } else {
        DecodePlan::default()
    };
    let planned = plan.keep.first().map(|&(pts, _)| pts);
    if is_complete && planned.is_none() && key.is_some() {
        return Ok(None);
    }
    let packets = if planned.is_some() {
        needed_packets(clip, packets, &plan)
    } else {
        packets
    };
    let mut decoder = Decoder::open(clip, packets.len())?;
    let mut best = BestMatch {
        target,
        earliest: key.unwrap_or(i64::MIN),
        found: None,
    };
    for packet in packets {
        best.feed(&mut decoder, Some(&packet))?;
    }
    if !is_complete {
        while let Some(packet) = clip.next_packet()? {
            best.feed(&mut decoder, Some(&packet))?;
            if clip.format == Format::Mov && best.is_final(packet.dts()) {
                break;
            }
        }
    }
    best.feed(&mut decoder, None)?;
    let Some((pts, picture)) = best.found else {
        return Ok(None);
    };
    let is_planned = planned == Some(pts);
    // Packets of these codecs may show no frame, which the decoder does not report as an error.
    let may_hide_frames = matches!(clip.video.codec, CodecId::VP8 | CodecId::VP9 | CodecId::AV1);
    if !is_planned && key.is_some() && !(may_hide_frames && is_complete && decoder.errors == 0) {
        return Ok(None);
    }
    let number = if is_planned {
        frame_number(clip, &timings, pts, key)
    } else {
        None
    };
    Ok(Some(FoundPicture {
        picture,
        pts,
        number,
        errors: decoder.errors,
        is_missing_frames: !is_planned && !may_hide_frames,
    }))
}

/// The latest decoded picture that may be the target.
struct BestMatch {
    target: Target,
    /// The timestamp of the key frame. Frames before it may lack their references.
    earliest: i64,
    found: Option<(i64, ff::frame::Video)>,
}

impl BestMatch {
    /// Sends a packet, or the end of the stream, and keeps the best of the pictures that the decoder returns.
    fn feed(&mut self, decoder: &mut Decoder, packet: Option<&Packet>) -> Result<()> {
        decoder.feed(packet, |picture, pts| {
            let is_later = self.found.as_ref().is_none_or(|(before, _)| pts > *before);
            if pts >= self.earliest && self.target.allows(pts) && is_later {
                self.found = Some((pts, take_picture(picture)));
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Returns whether no packet after one with this decoding time can be a better match.
    fn is_final(&self, dts: Option<i64>) -> bool {
        self.found.is_some() && dts.is_some_and(|dts| !self.target.allows(dts))
    }
}

/// Decodes the first frame: the earliest of the first packets, or else the first that the decoder returns.
fn decode_first(clip: &mut Clip) -> Result<Option<FoundPicture>> {
    clip.rewind()?;
    let run = PacketRun::read(clip, Target::First, false)?;
    let mut found = None;
    if run.is_complete && run.begins_with_key() {
        let plan = DecodePlan::new(&run.timings, &[(Target::First, 0)], None);
        if !plan.keep.is_empty() {
            let packets = needed_packets(clip, run.packets, &plan);
            Decoder::open(clip, packets.len())?.run(packets, |picture, pts| {
                if plan.keeps(pts) {
                    found = Some(FoundPicture::first(picture, pts));
                }
                Ok(found.is_none())
            })?;
        }
    }
    if found.is_none() {
        scan(clip, 1, |picture, pts, _| {
            found = Some(FoundPicture::first(picture, pts));
            Ok(false)
        })?;
    }
    Ok(found)
}

/// Moves a picture out of the decoder, which reuses the place that it decodes to.
fn take_picture(picture: &mut ff::frame::Video) -> ff::frame::Video {
    std::mem::replace(picture, ff::frame::Video::empty())
}

/// Computes the number of a frame from the index, if the container has one.
///
/// All frames before a key frame in the file are shown before it, or before the frames that follow it.
fn frame_number(clip: &Clip, run: &RunTimings, pts: i64, key: Option<i64>) -> Option<u64> {
    if clip.video.codec == CodecId::VP8 {
        return None;
    }
    let before = if key.is_none() {
        0
    } else {
        let index = clip.index(clip.video.index);
        let first = run.first_dts()?;
        index.iter().position(|e| e.timestamp == first)?;
        index.iter().filter(|e| e.is_shown && e.timestamp < first).count() as u64
    };
    Some(before + run.shown_before(pts))
}
