//! A clip that is open in libav: its streams, its index, its packets. The `unsafe` of reading the C
//! structures that the bindings do not wrap is here, one small function each.

use ff::format::context::{self, StreamIo};
use ff::packet::Ref as _;
use ff::{Packet, Rational, ffi};
use ffmpeg_next as ff;

use super::admit;
use super::container::{self, Outline};
use super::demux::{discard, open_input, seek_input};
use super::libav;
use super::limits::Watch;
use super::numbers::{CodecId, StreamKind};
use super::source::{Format, OpenSource};
use super::stream::{IndexEntry, StreamFacts, choose_video, extradata, facts, index_entries};
use crate::error::{Error, ErrorKind, Result};

/// libav's buffer between our reader and the demuxer.
const BUFFER: usize = 128 << 10;
/// What the demuxer may read before the clip is open; it keeps some of that.
const HEADER_BYTES: u64 = 128 << 20;
/// What it may read on its way to one packet.
const PACKET_BYTES: u64 = 256 << 20;

/// A clip, open, with the video stream chosen. Only that stream's packets are read.
pub(super) struct Clip {
    input: context::Input,
    pub(super) watch: Watch,
    pub(super) format: Format,
    pub(super) len: u64,
    pub(super) outline: Outline,
    pub(super) streams: Vec<StreamFacts>,
    pub(super) video: StreamFacts,
    /// Where a player's clock stands at 0, in the video's time base.
    pub(super) origin: i64,
    /// Packets that were read to learn the start, still to be handed out.
    queued: std::collections::VecDeque<Packet>,
    /// Nothing was sought or demuxed past the start.
    at_start: bool,
    damaged: u32,
    /// The pictures are thrown away: decoders still read all of the stream, and leave out the deblocking.
    pub(super) only_checked: bool,
    /// Where the video of a clip in fragments ends, once all of its index was read.
    fragments_end: Option<i64>,
}

impl Clip {
    pub(super) fn open(source: OpenSource) -> Result<Self> {
        libav::init();
        libav::cap_allocations(source.watch.max_pixels());
        let OpenSource {
            mut reader,
            len,
            format,
            watch,
        } = source;
        let outline = match format {
            Format::Mov => container::outline_mov(&mut reader, len),
            _ => container::outline_matroska(&mut reader, len),
        };
        let outline = outline.map_err(|e| watch.fail("read", e))?;
        if !outline.has_index {
            return Err(watch.fail("open", no_index(format, outline, len)));
        }
        if format == Format::Mov {
            let admitted = admit::admit_mov(&mut reader, len).map_err(|e| watch.fail("read", e))?;
            reader.mask(admitted.map_err(|cause| watch.fail("open", cause))?);
        }
        watch.allow(HEADER_BYTES);
        let io = StreamIo::from_read_seek_with_capacity(reader, BUFFER)
            .map_err(|e| watch.fail("open", libav::reason(e)))?;
        let input = open_input(io, format).map_err(|e| {
            let cause = if outline.promised.is_some() {
                no_index(format, outline, len)
            } else {
                libav::reason(e)
            };
            watch.fail("open", cause)
        })?;
        let streams: Vec<_> = input.streams().map(|stream| facts(&stream)).collect();
        let video = choose_video(&streams).map_err(|cause| watch.fail("open", cause))?;
        watch.check_clip_size(video.width, video.height)?;
        let mut clip = Self {
            input,
            watch,
            format,
            len,
            outline,
            streams,
            video,
            origin: 0,
            queued: std::collections::VecDeque::new(),
            at_start: true,
            damaged: 0,
            only_checked: false,
            fragments_end: None,
        };
        clip.find_origin()?;
        Ok(clip)
    }

    /// A player's clock starts with the earliest of picture and sound; sound that starts before 0 is
    /// an encoder's run-up, which is not heard.
    fn find_origin(&mut self) -> Result<()> {
        let timed = |kind| kind == StreamKind::Video || kind == StreamKind::Audio;
        let mut starts: Vec<Option<i64>> = self.streams.iter().map(|s| s.start).collect();
        let wanted: Vec<usize> = self
            .streams
            .iter()
            .filter(|s| timed(s.kind) && !s.is_cover)
            .map(|s| s.index)
            .collect();
        // Only what the header does not tell is looked for, in the first packets.
        for _ in 0..64 {
            if wanted.iter().all(|&i| starts.get(i).is_some_and(Option::is_some)) {
                break;
            }
            let Some(packet) = self.read_any()? else { break };
            if let Some(slot) = starts.get_mut(packet.stream()) {
                *slot = slot.or(packet.pts());
            }
            if packet.stream() == self.video.index {
                self.queued.push_back(packet);
            }
        }
        let start_of = |i: usize| starts.get(i).copied().flatten();
        let video = start_of(self.video.index).unwrap_or(0);
        self.video.start = Some(video);
        self.origin = wanted
            .iter()
            .filter(|&&i| i != self.video.index)
            .filter_map(|&i| {
                let from = self.streams.get(i)?.time_base;
                Some(rescale(start_of(i)?, from, self.video.time_base).max(0))
            })
            .fold(video, i64::min);
        let video = self.video.index;
        for other in self.streams.iter().map(|s| s.index).filter(|&i| i != video) {
            discard(&mut self.input, other, true);
        }
        Ok(())
    }

    /// The next packet of the video, in decoding order; `None` at the end.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>> {
        self.at_start = false;
        if let Some(packet) = self.queued.pop_front() {
            return Ok(Some(packet));
        }
        while let Some(packet) = self.read_any()? {
            if packet.stream() == self.video.index {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    fn read_any(&mut self) -> Result<Option<Packet>> {
        loop {
            self.watch.check()?;
            self.watch.count_packet()?;
            self.watch.allow(PACKET_BYTES);
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => return Ok(Some(packet)),
                Err(ff::Error::Eof) => {
                    // A reader that we stopped looks like the end to some demuxers.
                    self.watch.check()?;
                    return Ok(None);
                }
                // The demuxer may find its way past a damaged spot, but not for ever.
                Err(ff::Error::InvalidData) if self.damaged < 1000 => self.damaged += 1,
                Err(error) => return Err(self.watch.fail("read", libav::reason(error))),
            }
        }
    }

    fn skip_all(&mut self) -> Result<()> {
        while self.read_any()?.is_some() {}
        Ok(())
    }

    /// How many damaged spots the demuxer stepped over.
    pub(super) fn damaged(&self) -> u32 {
        self.damaged
    }

    /// Goes to the last key frame at or before `timestamp`, as near as the container knows.
    pub(super) fn seek(&mut self, timestamp: i64) -> Result<()> {
        self.watch.check()?;
        self.queued.clear();
        self.at_start = false;
        self.watch.allow(PACKET_BYTES);
        if seek_input(&mut self.input, self.video.index, timestamp) {
            Ok(())
        } else {
            Err(self.watch.fail("seek in", "its index does not allow it"))
        }
    }

    pub(super) fn rewind(&mut self) -> Result<()> {
        if self.at_start {
            return Ok(());
        }
        self.seek(i64::MIN / 4)
    }

    /// Walks a clip in fragments to its end, once, so that its index is complete and can be sought in. Of the media
    /// only the last pictures are read.
    pub(super) fn read_index_of_fragments(&mut self) -> Result<()> {
        if !self.outline.fragmented || self.fragments_end.is_some() {
            return Ok(());
        }
        self.rewind()?;
        // Packets that nobody wants are stepped over where they lie; the tables in front of them are read.
        discard(&mut self.input, self.video.index, true);
        let walked = self.skip_all();
        discard(&mut self.input, self.video.index, false);
        walked?;
        let end = self.shown_end()?;
        self.fragments_end = Some(end.max(self.video.start.unwrap_or(0)));
        Ok(())
    }

    /// When the last of what is shown ends: told by the packets from the last key frame on.
    pub(super) fn shown_end(&mut self) -> Result<i64> {
        if self.seek(i64::MAX / 4).is_err() {
            self.rewind()?;
        }
        let step = self
            .video
            .rate
            .map_or(0, |rate| rescale(1, rate.invert(), self.video.time_base));
        let mut end = i64::MIN;
        while let Some(packet) = self.next_packet()? {
            if let Some(pts) = packet.pts().filter(|_| !is_hidden_packet(&packet)) {
                let lasts = if packet.duration() > 0 {
                    packet.duration()
                } else {
                    step
                };
                end = end.max(pts.saturating_add(lasts));
            }
        }
        Ok(end)
    }

    /// When the clip is over on a player's clock: the end of the longer of picture and sound, where it is
    /// known.
    pub(super) fn end(&self) -> Option<std::time::Duration> {
        if let Some(end) = self.fragments_end {
            return Some(self.time_of(end));
        }
        if self.outline.fragmented {
            return None;
        }
        let of_streams = self.streams.iter().filter(|s| !s.is_cover).filter_map(|s| {
            let end = s.start.unwrap_or(0).saturating_add(s.duration?);
            Some(self.time_of(rescale(end, s.time_base, self.video.time_base)))
        });
        of_streams.chain(self.container_duration()).max()
    }

    /// How many frames the video shows, where the index tells.
    pub(super) fn frame_count(&self) -> Option<u64> {
        // Samples of VP8 may show nothing.
        if self.video.codec == CodecId::VP8 {
            return None;
        }
        let shown = self.index(self.video.index).iter().filter(|e| e.is_shown).count() as u64;
        Some(shown).filter(|&n| n > 0)
    }

    /// The index of a stream, as far as all of it is known.
    pub(super) fn index(&self, stream: usize) -> Vec<IndexEntry> {
        let is_complete = !self.outline.fragmented || self.fragments_end.is_some();
        if self.format != Format::Mov || !is_complete {
            return Vec::new();
        }
        self.input
            .stream(stream)
            .map(|stream| index_entries(&stream))
            .unwrap_or_default()
    }

    /// The parameters to open a decoder with.
    pub(super) fn parameters(&self) -> Option<ff::codec::Parameters> {
        self.input
            .stream(self.video.index)
            .map(|stream| stream.parameters())
    }

    /// What the container says to the decoder of the video.
    pub(super) fn extradata(&self) -> Vec<u8> {
        let stream = self.input.stream(self.video.index);
        stream.map(|stream| extradata(&stream)).unwrap_or_default()
    }

    /// The container's own duration, where it has one.
    pub(super) fn container_duration(&self) -> Option<std::time::Duration> {
        match (self.format, u64::try_from(self.input.duration())) {
            (Format::Mov, _) => self.outline.duration,
            (_, Ok(micros @ 1..)) => Some(std::time::Duration::from_micros(micros)),
            _ => None,
        }
    }

    /// The time a player's clock shows when the frame with this timestamp appears.
    pub(super) fn time_of(&self, pts: i64) -> std::time::Duration {
        to_duration(pts.saturating_sub(self.origin), self.video.time_base)
    }

    /// The error of a clip out of which no frame comes.
    pub(super) fn nothing(&self) -> Error {
        self.watch.fail("decode", "no frame of it can be decoded")
    }

    /// The length that the samples and boxes promise, if the file is shorter.
    pub(super) fn missing(&self) -> Option<u64> {
        let samples = self
            .streams
            .iter()
            .flat_map(|s| self.index(s.index))
            .map(|e| e.end)
            .max();
        let promised = samples.into_iter().chain(self.outline.promised).max()?;
        (promised > self.len).then_some(promised)
    }

    /// Refuses a clip whose end is missing.
    pub(super) fn check_length(&self) -> Result<()> {
        self.missing()
            .map_or(Ok(()), |promised| Err(self.cut_off(promised)))
    }

    pub(super) fn cut_off(&self, promised: u64) -> Error {
        Error::new(
            ErrorKind::Media,
            format!(
                "read {}: the file is cut off: it has {} bytes and should have {promised} or more",
                self.watch.name(),
                self.len
            ),
        )
    }
}

fn no_index(format: Format, outline: Outline, len: u64) -> String {
    let part = if format == Format::Mov {
        "index (moov)"
    } else {
        "segment"
    };
    match outline.promised {
        Some(promised) => {
            format!(
                "the file is cut off: it has {len} bytes and should have {promised} or more, with its {part}"
            )
        }
        None => format!("it has no {part}: the file is cut off or was never finished"),
    }
}

/// `value` of one time base in another, rounded to the nearest.
pub(super) fn rescale(value: i64, from: Rational, to: Rational) -> i64 {
    let num = i128::from(from.numerator()) * i128::from(to.denominator());
    let den = i128::from(from.denominator()) * i128::from(to.numerator());
    if den <= 0 {
        return 0;
    }
    let scaled = (i128::from(value) * num * 2 + den).div_euclid(den * 2);
    i64::try_from(scaled).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

const NANOSECONDS: Rational = Rational(1, 1_000_000_000);

/// Ticks as time; before the start counts as the start.
pub(super) fn to_duration(ticks: i64, base: Rational) -> std::time::Duration {
    std::time::Duration::from_nanos(u64::try_from(rescale(ticks, base, NANOSECONDS)).unwrap_or(0))
}

/// The last tick at or before `time`.
///
/// Rounded times of frames, as they are printed and typed again, mean that frame: half a microsecond
/// is forgiven.
pub(super) fn to_ticks(time: std::time::Duration, base: Rational) -> i64 {
    let nanos = i128::try_from(time.as_nanos())
        .unwrap_or(i128::MAX)
        .saturating_add(500);
    let den = i128::from(base.numerator()) * 1_000_000_000;
    if den <= 0 {
        return 0;
    }
    i64::try_from(
        nanos
            .saturating_mul(i128::from(base.denominator()))
            .div_euclid(den),
    )
    .unwrap_or(i64::MAX / 8)
}

/// Whether an edit list hides what this packet decodes to.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(super) fn is_hidden_packet(packet: &Packet) -> bool {
    // SAFETY: `as_ptr` points into `packet`, which is borrowed.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// Whether the codec is set up anew with this packet.
#[expect(
    unsafe_code,
    reason = "the bindings read kinds of side data into an enum that lacks some"
)]
pub(super) fn has_new_extradata(packet: &Packet) -> bool {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
    // SAFETY: `as_ptr` points into `packet`, which is borrowed; the size is not asked for.
    unsafe { !ffi::av_packet_get_side_data(packet.as_ptr(), kind, std::ptr::null_mut()).is_null() }
}

/// Whether an edit list hides this frame.
#[expect(unsafe_code, reason = "the bindings drop this flag")]
pub(super) fn is_hidden_frame(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).flags & ffi::AV_FRAME_FLAG_DISCARD != 0 }
}

/// Whether the rows of a frame lie from the bottom up, as one MPEG-4 tag makes libav hand them out. The
/// bindings take such a step between rows for an enormous one and reach beyond the picture.
#[expect(unsafe_code, reason = "the bindings lose the sign of a step")]
pub(super) fn runs_upwards(frame: &ff::frame::Video) -> bool {
    // SAFETY: `as_ptr` points to the frame that `frame` owns.
    unsafe { (*frame.as_ptr()).linesize.iter().any(|step| *step < 0) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ticks_and_times_agree() {
        let base = Rational(1, 12288);
        for ticks in [0, 512, 1024, 61_440] {
            assert_eq!(to_ticks(to_duration(ticks, base), base), ticks);
        }
        // A time as it is printed, six digits.
        assert_eq!(to_ticks(Duration::from_micros(41_667), base), 512);
        assert_eq!(to_ticks(Duration::from_micros(41_666), base), 511);
        assert_eq!(to_duration(-5, base), Duration::ZERO);
        assert_eq!(to_ticks(Duration::MAX, base), i64::MAX / 8);
        assert_eq!(rescale(i64::MAX, Rational(1, 1), NANOSECONDS), i64::MAX);
    }
}
