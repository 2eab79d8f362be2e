//! Finding and decoding the wanted frame: seek, send, receive, drain.
//!
//! The packets from a key frame on are read first, and [`select`](super::select) says which frame is
//! wanted and which is the last packet it needs. Then no more than that is decoded, with a fresh decoder,
//! and the frame is taken by its timestamp, never by the order of arrival. Where the decoder does not
//! deliver it, an earlier key frame is tried, and at last the start.

use std::time::Duration;

use ff::Packet;
use ffmpeg_next as ff;

use super::clip::{self, Clip};
use super::decoder::Decoder;
use super::frame::Frame;
use super::limits::{MediaOptions, Watch};
use super::picture;
use super::present::Presenter;
use super::select::{Run, Timing, Want};
use super::source::{self, Format, MediaSource};
use super::worker;
use crate::error::{Error, ErrorKind, Result};

/// Which frame of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FramePosition {
    /// The first one shown.
    First,
    /// The last one shown: the true end of the picture, whatever header, sound or edit list say.
    Last,
    /// The one on the screen at this time of a player's clock: the last that starts at or before it.
    /// Before the first frame that is the first; after the end of the clip there is none.
    At(Duration),
    /// By its place in presentation order, from 0.
    Number(u64),
}

impl std::fmt::Display for FramePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("the first frame"),
            Self::Last => f.write_str("the last frame"),
            Self::At(time) => write!(f, "the frame at {}s", time.as_secs_f64()),
            Self::Number(number) => write!(f, "frame {number}"),
        }
    }
}

/// Decodes one frame of a clip, exactly the one a player would show. A still picture counts as a clip
/// of one frame.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] for a missing file, [`ErrorKind::Timeout`] and [`ErrorKind::Stopped`] for the
/// deadline and the interrupt of `options`, else [`ErrorKind::Media`]: no media, no picture in it, cut
/// off, damaged, over a cap, or no frame at that position.
pub fn frame(
    source: impl Into<MediaSource>,
    position: FramePosition,
    options: &MediaOptions,
) -> Result<Frame> {
    let source = source.into();
    let name = source.name().to_owned();
    frames(source, &[position], options)?
        .pop()
        .ok_or_else(|| Error::new(ErrorKind::Media, format!("decode {position} of {name}: no frame")))
}

/// The RGB of all frames of one call together.
const MAX_RESULT_BYTES: u64 = 2 << 30;

/// Decodes several frames, opening the source once. The result is in the order of `positions`.
///
/// A few are sought one by one; many, or any by number, are taken in one pass from the start.
///
/// # Errors
///
/// As [`frame`]; also when the frames together would take more than 2 GiB.
pub fn frames(
    source: impl Into<MediaSource>,
    positions: &[FramePosition],
    options: &MediaOptions,
) -> Result<Vec<Frame>> {
    let positions = positions.to_vec();
    worker::run(source.into(), options, move |source, options| {
        decode(source, &positions, options)
    })
}

fn decode(source: MediaSource, positions: &[FramePosition], options: &MediaOptions) -> Result<Vec<Frame>> {
    let opened = source::open(source, options)?;
    if opened.format.is_picture() {
        return picture_at(opened, positions);
    }
    let mut clip = Clip::open(opened)?;
    check_result(&clip.watch, clip.video.width, clip.video.height, positions.len())?;
    let by_number = positions.iter().any(|p| matches!(p, FramePosition::Number(_)));
    if by_number || positions.len() > 3 {
        return walk_to(&mut clip, positions);
    }
    positions
        .iter()
        .map(|&position| {
            let frame = frame_of(&mut clip, position)?;
            check_result(&clip.watch, frame.width, frame.height, positions.len())?;
            Ok(frame)
        })
        .collect()
}

/// Holds the frames of one call to their bound; a container may be wrong about their size.
fn check_result(watch: &Watch, width: u32, height: u32, count: usize) -> Result<()> {
    let bytes = (u64::from(width) * u64::from(height) * 3).saturating_mul(count as u64);
    if bytes > MAX_RESULT_BYTES {
        return Err(watch.fail("decode", format!("{count} frames at once take {bytes} bytes")));
    }
    Ok(())
}

fn picture_at(opened: source::OpenSource, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    let name = opened.watch.name().to_owned();
    for position in positions {
        if !matches!(
            position,
            FramePosition::First | FramePosition::Last | FramePosition::Number(0)
        ) && *position != FramePosition::At(Duration::ZERO)
        {
            return Err(Error::new(
                ErrorKind::Media,
                format!("decode {position} of {name}: a picture has one frame, number 0"),
            ));
        }
    }
    let frame = picture::decode(opened)?;
    Ok(vec![frame; positions.len()])
}

/// One frame by seeking.
pub(super) fn frame_of(clip: &mut Clip, position: FramePosition) -> Result<Frame> {
    let found = match position {
        FramePosition::First => first(clip)?,
        FramePosition::Last => {
            if let Some(promised) = clip.missing() {
                return Err(clip.cut_off(promised));
            }
            locate(clip, Want::Last)?
        }
        FramePosition::At(time) => {
            clip.read_index_of_fragments()?;
            let found = locate(clip, Want::UpTo(limit_of(clip, time)))?;
            if let Some(found) = &found {
                check_within(clip, position, time, found.pts)?;
            }
            match found {
                Some(found) => Some(found),
                None => first(clip)?,
            }
        }
        FramePosition::Number(_) => {
            return walk_to(clip, &[position])?
                .pop()
                .ok_or_else(|| none(clip, position));
        }
    };
    let found = found.ok_or_else(|| none(clip, position))?;
    Presenter::of(clip).frame(&found.picture, found.pts, found.number)
}

fn none(clip: &Clip, position: FramePosition) -> Error {
    clip.watch
        .fail(&format!("decode {position} of"), "no frame of it can be decoded")
}

/// The time asked for in the video's time base.
fn limit_of(clip: &Clip, time: Duration) -> i64 {
    clip::to_ticks(time, clip.video.time_base).saturating_add(clip.origin)
}

/// Refuses a time after the end of the clip. The frame found for it counts too: headers have been seen to
/// end before their frames do.
fn check_within(clip: &Clip, position: FramePosition, time: Duration, found: i64) -> Result<()> {
    // A duration is printed rounded; typed again it may lie a little past the end.
    const SLACK: Duration = Duration::from_millis(1);
    let Some(end) = clip.end() else { return Ok(()) };
    let end = end.max(clip.time_of(found));
    if time <= end.saturating_add(SLACK) {
        return Ok(());
    }
    let count = clip
        .frame_count()
        .map(|n| format!(" and has {n} frames"))
        .unwrap_or_default();
    Err(clip.watch.fail(
        &format!("decode {position} of"),
        format!("past the end: the clip lasts {}s{count}", end.as_secs_f64()),
    ))
}

/// A decoded picture and what is known of its place.
struct Found {
    picture: ff::frame::Video,
    pts: i64,
    number: Option<u64>,
    /// Packets that were refused on the way.
    errors: u32,
    /// A later frame is promised that did not come out.
    missed: bool,
}

/// Packets are kept while the wanted frame is chosen; a longer group of pictures is decoded as it comes.
const MAX_HELD: usize = 64 << 20;
/// Key frames to try from the end back, before everything is decoded from the start.
const ATTEMPTS: usize = 4;

/// The frame wanted; `None` when no frame is shown that early, or none can be decoded.
fn locate(clip: &mut Clip, want: Want) -> Result<Option<Found>> {
    clip.read_index_of_fragments()?;
    let mut seek_to = match want {
        Want::UpTo(limit) => limit,
        Want::Last => i64::MAX / 4,
    };
    let start = clip.video.start.unwrap_or(i64::MIN);
    for _ in 0..ATTEMPTS {
        // An index that does not lead there leaves the way from the start.
        if clip.seek(seek_to).is_err() {
            clip.watch.check()?;
            break;
        }
        let held = hold(clip, want, true)?;
        let (Some(floor), Some(dts)) = (held.run.floor(), held.run.first_dts()) else {
            break;
        };
        if want.allows(floor) {
            let found = decode_held(clip, held, want, floor)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        if floor <= start {
            break;
        }
        seek_to = dts.saturating_sub(1);
    }
    clip.rewind()?;
    let held = hold(clip, want, false)?;
    decode_held(clip, held, want, i64::MIN)
}

/// Packets from a key frame on.
#[derive(Default)]
struct Held {
    packets: Vec<Packet>,
    run: Run,
    /// They reach as far as is needed to choose.
    complete: bool,
}

fn hold(clip: &mut Clip, want: Want, from_key: bool) -> Result<Held> {
    let mut held = Held::default();
    let mut bytes = 0;
    // Decoding times of Matroska are made up on the way.
    let trusts_dts = clip.format == Format::Mov;
    while bytes < MAX_HELD {
        let Some(packet) = clip.next_packet()? else {
            held.complete = true;
            break;
        };
        if from_key && held.packets.is_empty() && !packet.is_key() {
            continue;
        }
        bytes += packet.size() + 256;
        let timing = Timing {
            pts: packet.pts(),
            dts: packet.dts(),
            is_shown: !clip::is_hidden_packet(&packet),
        };
        held.packets.push(packet);
        if held.run.push(timing, want, trusts_dts) {
            held.complete = true;
            break;
        }
    }
    Ok(held)
}

/// Decodes what is held. `None` when the wanted frame did not come out and an earlier start may help.
fn decode_held(clip: &mut Clip, held: Held, want: Want, floor: i64) -> Result<Option<Found>> {
    let Held {
        mut packets,
        run,
        complete,
    } = held;
    let target = if complete { run.target(want) } else { None };
    if complete && target.is_none() && floor != i64::MIN {
        return Ok(None);
    }
    if let Some((_, last)) = target {
        packets.truncate(last + 1);
    }
    let mut decoder = Decoder::open(clip, packets.len())?;
    let mut best = Best {
        want,
        floor,
        found: None,
    };
    // Frames that no other refers to need not be decoded on the way. Only H.264 says so for certain:
    // a "non-reference" picture of H.265 may still serve a higher layer.
    let may_skip = target
        .filter(|_| clip.video.codec == ff::codec::Id::H264)
        .map(|(pts, _)| pts);
    for packet in packets {
        if let Some(wanted) = may_skip {
            decoder.skip_unreferenced(packet.pts() != Some(wanted));
        }
        decoder.send(&packet)?;
        while let Some(pts) = decoder.receive()? {
            best.take(pts, &mut decoder.picture);
        }
    }
    if !complete {
        while let Some(packet) = clip.next_packet()? {
            decoder.send(&packet)?;
            while let Some(pts) = decoder.receive()? {
                best.take(pts, &mut decoder.picture);
            }
            if clip.format == Format::Mov && best.is_settled(packet.dts()) {
                break;
            }
        }
    }
    decoder.drain();
    while let Some(pts) = decoder.receive()? {
        best.take(pts, &mut decoder.picture);
    }
    let Some((pts, picture)) = best.found else {
        return Ok(None);
    };
    let hit = target.is_some_and(|(wanted, _)| wanted == pts);
    // VP8 and its like have packets that show nothing; they decode without a complaint.
    let hides_frames = matches!(
        clip.video.codec,
        ff::codec::Id::VP8 | ff::codec::Id::VP9 | ff::codec::Id::AV1
    );
    if !hit && floor != i64::MIN && !(hides_frames && complete && decoder.errors == 0) {
        return Ok(None);
    }
    let number = if hit {
        number_of(clip, &run, pts, floor)
    } else {
        None
    };
    let missed = !hit && !hides_frames;
    Ok(Some(Found {
        picture,
        pts,
        number,
        errors: decoder.errors,
        missed,
    }))
}

/// The latest frame so far that may be the wanted one.
struct Best {
    want: Want,
    floor: i64,
    found: Option<(i64, ff::frame::Video)>,
}

impl Best {
    fn take(&mut self, pts: i64, picture: &mut ff::frame::Video) {
        let later = self.found.as_ref().is_none_or(|(before, _)| pts > *before);
        if pts >= self.floor && self.want.allows(pts) && later {
            // The picture moves to a slot of its own: a failed receive empties the one it came in.
            self.found = Some((pts, std::mem::replace(picture, ff::frame::Video::empty())));
        }
    }

    /// Nothing later than a packet with this decoding time can be better.
    fn is_settled(&self, dts: Option<i64>) -> bool {
        let Want::UpTo(limit) = self.want else {
            return false;
        };
        self.found.is_some() && dts.is_some_and(|dts| dts > limit)
    }
}

/// The place of a frame in presentation order, counted in the index: all that comes before a key frame
/// in the file is shown before it, or before what follows it.
fn number_of(clip: &Clip, run: &Run, pts: i64, floor: i64) -> Option<u64> {
    if clip.video.codec == ff::codec::Id::VP8 {
        return None;
    }
    let before = if floor == i64::MIN {
        0
    } else {
        let index = clip.index(clip.video.index);
        let first = run.first_dts()?;
        index.iter().position(|e| e.timestamp == first)?;
        index.iter().filter(|e| e.is_shown && e.timestamp < first).count() as u64
    };
    Some(before + run.shown_before(pts))
}

fn first(clip: &mut Clip) -> Result<Option<Found>> {
    let mut found = None;
    walk(clip, 1, |picture, pts, number| {
        found = Some(Found {
            picture: std::mem::replace(picture, ff::frame::Video::empty()),
            pts,
            number: Some(number),
            errors: 0,
            missed: false,
        });
        Ok(false)
    })?;
    Ok(found)
}

/// Decodes from the start and shows every frame with its time and number, until `visit` says `false`.
/// Returns how many there were.
pub(super) fn walk(
    clip: &mut Clip,
    expected: usize,
    mut visit: impl FnMut(&mut ff::frame::Video, i64, u64) -> Result<bool>,
) -> Result<u64> {
    clip.rewind()?;
    let mut decoder = Decoder::open(clip, expected)?;
    let mut number = 0;
    loop {
        let packet = clip.next_packet()?;
        match &packet {
            Some(packet) => decoder.send(packet)?,
            None => decoder.drain(),
        }
        while let Some(pts) = decoder.receive()? {
            if !visit(&mut decoder.picture, pts, number)? {
                return Ok(number + 1);
            }
            number += 1;
        }
        if packet.is_none() {
            return Ok(number);
        }
    }
}

/// All positions in one pass.
fn walk_to(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    if positions.contains(&FramePosition::Last)
        && let Some(promised) = clip.missing()
    {
        return Err(clip.cut_off(promised));
    }
    if positions.iter().any(|p| matches!(p, FramePosition::At(_))) {
        clip.read_index_of_fragments()?;
    }
    let mut wanted = Vec::with_capacity(positions.len());
    for &position in positions {
        let limit = match position {
            FramePosition::At(time) => limit_of(clip, time),
            _ => i64::MAX,
        };
        wanted.push((position, limit, None::<Frame>));
    }
    let mut held: Option<(ff::frame::Video, i64, u64)> = None;
    let presenter = Presenter::of(clip);
    let watch = clip.watch.clone();
    let count = walk(clip, usize::MAX, |picture, pts, number| {
        check_result(&watch, picture.width(), picture.height(), positions.len())?;
        let mut open = false;
        for (position, limit, slot) in wanted.iter_mut().filter(|(.., slot)| slot.is_none()) {
            let here = match *position {
                FramePosition::First => true,
                FramePosition::Number(n) => n == number,
                // Before the first frame, the first is what is shown.
                FramePosition::At(_) => pts > *limit && held.is_none(),
                FramePosition::Last => false,
            };
            if here {
                *slot = Some(presenter.frame(picture, pts, Some(number))?);
            } else if let (FramePosition::At(_), Some((before, pts_before, number))) = (*position, &held)
                && pts > *limit
            {
                *slot = Some(presenter.frame(before, *pts_before, Some(*number))?);
            }
            open |= slot.is_none();
        }
        held = Some((std::mem::replace(picture, ff::frame::Video::empty()), pts, number));
        Ok(open)
    })?;
    wanted
        .into_iter()
        .map(|(position, _, slot)| match (slot, position, &held) {
            (Some(frame), ..) => Ok(frame),
            (None, FramePosition::Number(_), Some(_)) => Err(clip.watch.fail(
                &format!("decode {position} of"),
                format!(
                    "past the end: it has {} frames, the last is number {}",
                    count,
                    count - 1
                ),
            )),
            (None, _, Some((picture, pts, number))) => {
                if let FramePosition::At(time) = position {
                    check_within(clip, position, time, *pts)?;
                }
                presenter.frame(picture, *pts, Some(*number))
            }
            (None, _, None) => Err(none(clip, position)),
        })
        .collect()
}

/// Checks that the last frame comes out, without an error on the way to it.
pub(super) fn check_end(clip: &mut Clip) -> Result<()> {
    clip.read_index_of_fragments()?;
    if let Some(found) = locate(clip, Want::Last)? {
        if found.errors > 0 || found.missed {
            return Err(clip.watch.fail("check", "the end of its video is damaged"));
        }
        return Ok(());
    }
    Err(none(clip, FramePosition::Last))
}

/// How long a player shows the picture: from the start of its clock to the end of the last frame.
///
/// The header is believed for a constant rate only; else the last packets tell.
pub(super) fn video_duration(clip: &mut Clip, constant: bool) -> Result<Duration> {
    if clip.outline.fragmented {
        clip.read_index_of_fragments()?;
        return Ok(clip.end().unwrap_or_default());
    }
    let header = match (clip.format, clip.video.start, clip.video.duration) {
        (Format::Mov, Some(start), Some(duration)) => clip.time_of(start.saturating_add(duration)),
        _ => Duration::ZERO,
    };
    if constant && !header.is_zero() {
        return Ok(header);
    }
    if clip.seek(i64::MAX / 4).is_err() {
        clip.rewind()?;
    }
    let step = clip
        .video
        .rate
        .map_or(0, |rate| clip::rescale(1, rate.invert(), clip.video.time_base));
    let mut end = i64::MIN;
    while let Some(packet) = clip.next_packet()? {
        if let Some(pts) = packet.pts().filter(|_| !clip::is_hidden_packet(&packet)) {
            let lasts = if packet.duration() > 0 {
                packet.duration()
            } else {
                step
            };
            end = end.max(pts.saturating_add(lasts));
        }
    }
    Ok(header.max(clip.time_of(end)))
}
