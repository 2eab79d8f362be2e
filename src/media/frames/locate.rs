//! Finding and decoding one frame: seek, hold, send, receive, drain.
//!
//! The packets from a key frame on are read first, and [`select`](super::seek_plan) says which frame is
//! wanted and which is the last packet it needs. Then no more than that is decoded, less the pictures that
//! [nothing refers to](super::disposable_frames), with a fresh decoder, and the frame is taken by its timestamp, never by
//! the order of arrival. Where the decoder does not deliver it, an earlier key frame is tried, and at last the start.

use std::time::Duration;

use ff::Packet;
use ffmpeg_next as ff;

use super::converter::Presenter;
use super::decoder::Decoder;
use super::disposable_frames::Syntax;
use super::frame::Frame;
use super::scan::{walk, walk_to};
use super::seek_plan::{Run, Timing, Want};
use super::{FramePosition, check_within, limit_of, none};
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav::flags;
use crate::media::libav::numbers::CodecId;
use crate::media::source::Format;

/// One frame by seeking.
pub(crate) fn frame_of(clip: &mut Clip, position: FramePosition) -> Result<Frame> {
    let found = match position {
        FramePosition::First => first(clip)?,
        FramePosition::Last => {
            clip.check_length()?;
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
    let mut seek_to = want.timestamp();
    let start = clip.video.start.unwrap_or(i64::MIN);
    for _ in 0..ATTEMPTS {
        // An index that does not lead there leaves the way from the start.
        if clip.seek(seek_to).is_err() {
            clip.watch.check()?;
            break;
        }
        let held = Held::read(clip, want, true)?;
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
    let held = Held::read(clip, want, false)?;
    decode_held(clip, held, want, i64::MIN)
}

/// Packets in decoding order, in most cases from a key frame on.
#[derive(Default)]
pub(crate) struct Held {
    packets: Vec<Packet>,
    pub(crate) run: Run,
    /// They reach as far as is needed to choose.
    pub(crate) complete: bool,
}

impl Held {
    /// Reads on until it is known which frame is wanted.
    pub(crate) fn read(clip: &mut Clip, want: Want, from_key: bool) -> Result<Self> {
        let mut held = Self::default();
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
                is_shown: !flags::is_hidden_packet(&packet),
            };
            held.packets.push(packet);
            if held.run.push(timing, want, trusts_dts) {
                held.complete = true;
                break;
            }
        }
        Ok(held)
    }

    pub(crate) fn begins_with_key(&self) -> bool {
        self.packets.first().is_some_and(Packet::is_key)
    }

    /// The packets up to `last` that the frames at these times, in rising order, need.
    pub(crate) fn needed(mut self, clip: &Clip, last: usize, wanted: &[i64]) -> Vec<Packet> {
        self.packets.truncate(last + 1);
        // A codec that is set up anew on the way may have units of another form.
        if self.packets.iter().any(flags::has_new_extradata) {
            return self.packets;
        }
        let Some(syntax) = Syntax::of(clip.video.codec, &clip.extradata()) else {
            return self.packets;
        };
        let data = self
            .packets
            .iter()
            .map(|packet| packet.data().unwrap_or_default());
        let unreferenced = syntax.unreferenced(data);
        let needs = |packet: &Packet| packet.pts().is_none_or(|pts| wanted.binary_search(&pts).is_ok());
        let packets = self.packets.into_iter().zip(unreferenced);
        packets
            .filter(|(packet, unreferenced)| !unreferenced || needs(packet))
            .map(|(packet, _)| packet)
            .collect()
    }
}

/// Decodes what is held. `None` when the wanted frame did not come out and an earlier start may help.
fn decode_held(clip: &mut Clip, held: Held, want: Want, floor: i64) -> Result<Option<Found>> {
    let (complete, run) = (held.complete, held.run.clone());
    let target = if complete { run.target(want) } else { None };
    if complete && target.is_none() && floor != i64::MIN {
        return Ok(None);
    }
    let packets = match target {
        Some((pts, last)) => held.needed(clip, last, &[pts]),
        None => held.packets,
    };
    let mut decoder = Decoder::open(clip, packets.len())?;
    let mut best = Best {
        want,
        floor,
        found: None,
    };
    for packet in packets {
        decoder.send(&packet)?;
        best.take_all(&mut decoder)?;
    }
    if !complete {
        while let Some(packet) = clip.next_packet()? {
            decoder.send(&packet)?;
            best.take_all(&mut decoder)?;
            if clip.format == Format::Mov && best.is_settled(packet.dts()) {
                break;
            }
        }
    }
    decoder.drain();
    best.take_all(&mut decoder)?;
    let Some((pts, picture)) = best.found else {
        return Ok(None);
    };
    let hit = target.is_some_and(|(wanted, _)| wanted == pts);
    // VP8 and its like have packets that show nothing; they decode without a complaint.
    let hides_frames = matches!(clip.video.codec, CodecId::VP8 | CodecId::VP9 | CodecId::AV1);
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
    fn take_all(&mut self, decoder: &mut Decoder) -> Result<()> {
        while let Some(pts) = decoder.receive()? {
            self.take(pts, &mut decoder.picture);
        }
        Ok(())
    }

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
pub(crate) fn number_of(clip: &Clip, run: &Run, pts: i64, floor: i64) -> Option<u64> {
    if clip.video.codec == CodecId::VP8 {
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

/// The first frame: the earliest of the first packets where these say, else what the decoder gives first.
fn first(clip: &mut Clip) -> Result<Option<Found>> {
    clip.rewind()?;
    let held = Held::read(clip, Want::First, false)?;
    let target = held
        .run
        .target(Want::First)
        .filter(|_| held.complete && held.begins_with_key());
    if let Some((wanted, last)) = target {
        let packets = held.needed(clip, last, &[wanted]);
        let mut found = None;
        Decoder::open(clip, packets.len())?.run(packets, |picture, pts| {
            if pts == wanted {
                found = Some(std::mem::replace(picture, ff::frame::Video::empty()));
            }
            Ok(found.is_none())
        })?;
        if let Some(picture) = found {
            return Ok(Some(Found::number_0(picture, wanted)));
        }
    }
    let mut found = None;
    walk(clip, 1, |picture, pts, _| {
        let picture = std::mem::replace(picture, ff::frame::Video::empty());
        found = Some(Found::number_0(picture, pts));
        Ok(false)
    })?;
    Ok(found)
}

impl Found {
    fn number_0(picture: ff::frame::Video, pts: i64) -> Self {
        Self {
            picture,
            pts,
            number: Some(0),
            errors: 0,
            missed: false,
        }
    }
}

/// Checks that the last frame comes out, without an error on the way to it.
pub(crate) fn check_end(clip: &mut Clip) -> Result<()> {
    clip.only_checked = true;
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
pub(crate) fn video_duration(clip: &mut Clip, constant: bool) -> Result<Duration> {
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
    let end = clip.shown_end()?;
    Ok(header.max(clip.time_of(end)))
}
