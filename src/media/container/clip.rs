//! A clip that is open in libav: its streams, its index, its packets. The `unsafe` of reading the C
//! structures that the bindings do not wrap is here, one small function each.

use ff::Packet;
use ff::format::context::{self, StreamIo};
use ffmpeg_next as ff;

use super::container_limits;
use super::outline::{self, Outline};
use crate::error::{Error, ErrorKind, Result};
use crate::media::libav;
use crate::media::libav::demuxer::{discard, open_input, seek_input};
use crate::media::libav::flags::is_hidden_packet;
use crate::media::libav::numbers::{CodecId, StreamKind};
use crate::media::libav::stream::{IndexEntry, StreamFacts, choose_video, extradata, facts, index_entries};
use crate::media::libav::time_base::{rescale, to_duration};
use crate::media::limits::Watch;
use crate::media::source::{Format, OpenSource};

/// libav's buffer between our reader and the demuxer.
const BUFFER: usize = 128 << 10;
/// What the demuxer may read before the clip is open; it keeps some of that.
const HEADER_BYTES: u64 = 128 << 20;
/// What it may read on its way to one packet.
const PACKET_BYTES: u64 = 256 << 20;

/// A clip, open, with the video stream chosen. Only that stream's packets are read.
pub(crate) struct Clip {
    input: context::Input,
    pub(crate) watch: Watch,
    pub(crate) format: Format,
    pub(crate) len: u64,
    pub(crate) outline: Outline,
    pub(crate) streams: Vec<StreamFacts>,
    pub(crate) video: StreamFacts,
    /// Where a player's clock stands at 0, in the video's time base.
    pub(crate) origin: i64,
    /// Packets that were read to learn the start, still to be handed out.
    queued: std::collections::VecDeque<Packet>,
    /// Nothing was sought or demuxed past the start.
    at_start: bool,
    damaged: u32,
    /// The pictures are thrown away: decoders still read all of the stream, and leave out the deblocking.
    pub(crate) only_checked: bool,
    /// Where the video of a clip in fragments ends, once all of its index was read.
    fragments_end: Option<i64>,
}

impl Clip {
    pub(crate) fn open(source: OpenSource) -> Result<Self> {
        libav::init();
        libav::cap_allocations(source.watch.max_pixels());
        let OpenSource {
            mut reader,
            len,
            format,
            watch,
        } = source;
        let outline = match format {
            Format::Mov => outline::outline_mov(&mut reader, len),
            _ => outline::outline_matroska(&mut reader, len),
        };
        let outline = outline.map_err(|e| watch.fail("read", e))?;
        if !outline.has_index {
            return Err(watch.fail("open", no_index(format, outline, len)));
        }
        if format == Format::Mov {
            let admitted =
                container_limits::admit_mov(&mut reader, len).map_err(|e| watch.fail("read", e))?;
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
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>> {
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
    pub(crate) fn damaged(&self) -> u32 {
        self.damaged
    }

    /// Goes to the last key frame at or before `timestamp`, as near as the container knows.
    pub(crate) fn seek(&mut self, timestamp: i64) -> Result<()> {
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

    pub(crate) fn rewind(&mut self) -> Result<()> {
        if self.at_start {
            return Ok(());
        }
        self.seek(i64::MIN / 4)
    }

    /// Walks a clip in fragments to its end, once, so that its index is complete and can be sought in. Of the media
    /// only the last pictures are read.
    pub(crate) fn read_index_of_fragments(&mut self) -> Result<()> {
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
    pub(crate) fn shown_end(&mut self) -> Result<i64> {
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
    pub(crate) fn end(&self) -> Option<std::time::Duration> {
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
    pub(crate) fn frame_count(&self) -> Option<u64> {
        // Samples of VP8 may show nothing.
        if self.video.codec == CodecId::VP8 {
            return None;
        }
        let shown = self.index(self.video.index).iter().filter(|e| e.is_shown).count() as u64;
        Some(shown).filter(|&n| n > 0)
    }

    /// The index of a stream, as far as all of it is known.
    pub(crate) fn index(&self, stream: usize) -> Vec<IndexEntry> {
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
    pub(crate) fn parameters(&self) -> Option<ff::codec::Parameters> {
        self.input
            .stream(self.video.index)
            .map(|stream| stream.parameters())
    }

    /// What the container says to the decoder of the video.
    pub(crate) fn extradata(&self) -> Vec<u8> {
        let stream = self.input.stream(self.video.index);
        stream.map(|stream| extradata(&stream)).unwrap_or_default()
    }

    /// The container's own duration, where it has one.
    pub(crate) fn container_duration(&self) -> Option<std::time::Duration> {
        match (self.format, u64::try_from(self.input.duration())) {
            (Format::Mov, _) => self.outline.duration,
            (_, Ok(micros @ 1..)) => Some(std::time::Duration::from_micros(micros)),
            _ => None,
        }
    }

    /// The time a player's clock shows when the frame with this timestamp appears.
    pub(crate) fn time_of(&self, pts: i64) -> std::time::Duration {
        to_duration(pts.saturating_sub(self.origin), self.video.time_base)
    }

    /// The error of a clip out of which no frame comes.
    pub(crate) fn nothing(&self) -> Error {
        self.watch.fail("decode", "no frame of it can be decoded")
    }

    /// The length that the samples and boxes promise, if the file is shorter.
    pub(crate) fn missing(&self) -> Option<u64> {
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
    pub(crate) fn check_length(&self) -> Result<()> {
        self.missing()
            .map_or(Ok(()), |promised| Err(self.cut_off(promised)))
    }

    pub(crate) fn cut_off(&self, promised: u64) -> Error {
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
