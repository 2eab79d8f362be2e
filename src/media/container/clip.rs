//! A clip that is open in libav: its streams, its index, and the packets of its video.
//!
//! Reads packets and seeks. Does not decode.

use std::collections::VecDeque;
use std::time::Duration;

use ff::Packet;
use ff::format::context::{self, StreamIo};
use ffmpeg_next as ff;

use super::container_limits;
use super::outline::{self, Outline};
use crate::error::{Error, Result};
use crate::media::libav;
use crate::media::libav::demuxer::{discard, open_input, seek_input};
use crate::media::libav::flags::is_hidden_packet;
use crate::media::libav::numbers::{CodecId, StreamKind};
use crate::media::libav::stream::{
    IndexEntry, StreamInfo, choose_video, extradata, index_entries, stream_info,
};
use crate::media::libav::time_base::{rescale, to_duration};
use crate::media::limits::CallLimits;
use crate::media::source::{Format, OpenSource};

/// Size of libav's buffer between the reader and the demuxer.
const BUFFER: usize = 128 << 10;
/// Maximum bytes that the demuxer may read to open a clip. It keeps some of them.
const HEADER_BYTES: u64 = 128 << 20;
/// Maximum bytes that the demuxer may read to return one packet.
const PACKET_BYTES: u64 = 256 << 20;
/// Maximum packets to read for the start of each stream.
const MAX_ORIGIN_PACKETS: usize = 64;
/// Maximum damaged parts that the demuxer may skip.
const MAX_DAMAGED: u32 = 1000;

/// An open clip and its video stream. Packets of other streams are skipped.
pub(crate) struct Clip {
    input: context::Input,
    pub(crate) limits: CallLimits,
    pub(crate) format: Format,
    /// The length of the file.
    pub(crate) len: u64,
    pub(crate) outline: Outline,
    pub(crate) streams: Vec<StreamInfo>,
    pub(crate) video: StreamInfo,
    /// The timestamp at which a player's clock is at 0, in the time base of the video.
    pub(crate) origin: i64,
    /// Packets that were read to find the origin and not returned yet.
    queued: VecDeque<Packet>,
    /// Whether the next packet is the first one.
    at_start: bool,
    /// How many damaged parts the demuxer skipped.
    damaged: u32,
    /// Whether decoders skip the deblocking filter, for pictures that are checked and dropped.
    pub(crate) skip_loop_filter: bool,
    /// The timestamp at which the video of a fragmented clip ends, once its index is complete.
    fragments_end: Option<i64>,
}

impl Clip {
    /// Opens a clip, checks its limits and chooses its video stream.
    pub(crate) fn open(source: OpenSource) -> Result<Self> {
        libav::init();
        libav::cap_allocations(source.limits.max_pixels());
        let OpenSource {
            mut reader,
            len,
            format,
            limits,
        } = source;
        let outline = match format {
            Format::Mov => outline::outline_mov(&mut reader, len),
            _ => outline::outline_matroska(&mut reader, len),
        };
        let outline = outline.map_err(|e| limits.error("read", e))?;
        if !outline.has_index {
            return Err(limits.error("open", no_index_cause(format, outline, len)));
        }
        if format == Format::Mov {
            let masked =
                container_limits::check_mov(&mut reader, len).map_err(|e| limits.error("read", e))?;
            reader.mask(masked.map_err(|cause| limits.error("open", cause))?);
        }
        limits.set_read_allowance(HEADER_BYTES);
        let io = StreamIo::from_read_seek_with_capacity(reader, BUFFER)
            .map_err(|e| limits.error("open", libav::describe(e)))?;
        let input = open_input(io, format).map_err(|e| {
            let cause = if outline.expected_len.is_some() {
                no_index_cause(format, outline, len)
            } else {
                libav::describe(e)
            };
            limits.error("open", cause)
        })?;
        let streams: Vec<_> = input.streams().map(|stream| stream_info(&stream)).collect();
        let video = choose_video(&streams).map_err(|cause| limits.error("open", cause))?;
        limits.check_frame_size(video.width, video.height)?;
        let mut clip = Self {
            input,
            limits,
            format,
            len,
            outline,
            streams,
            video,
            origin: 0,
            queued: VecDeque::new(),
            at_start: true,
            damaged: 0,
            skip_loop_filter: false,
            fragments_end: None,
        };
        clip.find_origin()?;
        Ok(clip)
    }

    /// Finds the timestamp at which a player's clock starts: the earliest of video and audio.
    ///
    /// Audio before 0 is the priming of an encoder, which is not played.
    fn find_origin(&mut self) -> Result<()> {
        let timed = |kind| kind == StreamKind::Video || kind == StreamKind::Audio;
        let mut starts: Vec<Option<i64>> = self.streams.iter().map(|s| s.start).collect();
        let wanted: Vec<usize> = self
            .streams
            .iter()
            .filter(|s| timed(s.kind) && !s.is_cover)
            .map(|s| s.index)
            .collect();
        // Starts that the header does not have are taken from the first packets.
        for _ in 0..MAX_ORIGIN_PACKETS {
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

    /// Returns the next packet of the video in decoding order, or `None` at the end.
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

    /// Reads the next packet of any stream that is not discarded.
    fn read_any(&mut self) -> Result<Option<Packet>> {
        loop {
            self.limits.check()?;
            self.limits.count_packet()?;
            self.limits.set_read_allowance(PACKET_BYTES);
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => return Ok(Some(packet)),
                Err(ff::Error::Eof) => {
                    // Some demuxers report a reader that was stopped as the end.
                    self.limits.check()?;
                    return Ok(None);
                }
                // The demuxer may recover after damaged data.
                Err(ff::Error::InvalidData) if self.damaged < MAX_DAMAGED => self.damaged += 1,
                Err(error) => return Err(self.limits.error("read", libav::describe(error))),
            }
        }
    }

    fn skip_all(&mut self) -> Result<()> {
        while self.read_any()?.is_some() {}
        Ok(())
    }

    /// Returns how many damaged parts the demuxer skipped.
    pub(crate) fn damaged(&self) -> u32 {
        self.damaged
    }

    /// Seeks to the last key frame at or before `timestamp`, as precisely as the container allows.
    pub(crate) fn seek(&mut self, timestamp: i64) -> Result<()> {
        self.limits.check()?;
        self.queued.clear();
        self.at_start = false;
        self.limits.set_read_allowance(PACKET_BYTES);
        if seek_input(&mut self.input, self.video.index, timestamp) {
            Ok(())
        } else {
            Err(self.limits.error("seek in", "its index does not allow it"))
        }
    }

    /// Seeks to the start.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        if self.at_start {
            return Ok(());
        }
        self.seek(i64::MIN / 4)
    }

    /// Reads a fragmented clip to its end, once, so that its index is complete and seeks work.
    ///
    /// Of the media data only the last pictures are read.
    pub(crate) fn complete_fragment_index(&mut self) -> Result<()> {
        if !self.outline.fragmented || self.fragments_end.is_some() {
            return Ok(());
        }
        self.rewind()?;
        // Discarded packets are skipped; the tables in front of them are still read.
        discard(&mut self.input, self.video.index, true);
        let skipped = self.skip_all();
        discard(&mut self.input, self.video.index, false);
        skipped?;
        let end = self.find_video_end()?;
        self.fragments_end = Some(end.max(self.video.start.unwrap_or(0)));
        Ok(())
    }

    /// Finds the timestamp at which the last shown frame ends, from the packets after the last key frame.
    pub(crate) fn find_video_end(&mut self) -> Result<i64> {
        if self.seek(i64::MAX / 4).is_err() {
            self.rewind()?;
        }
        let frame_duration = self
            .video
            .rate
            .map_or(0, |rate| rescale(1, rate.invert(), self.video.time_base));
        let mut end = i64::MIN;
        while let Some(packet) = self.next_packet()? {
            if let Some(pts) = packet.pts().filter(|_| !is_hidden_packet(&packet)) {
                let duration = if packet.duration() > 0 {
                    packet.duration()
                } else {
                    frame_duration
                };
                end = end.max(pts.saturating_add(duration));
            }
        }
        Ok(end)
    }

    /// Returns when the clip ends on a player's clock, if that is known: the end of the longest stream.
    pub(crate) fn end(&self) -> Option<Duration> {
        if let Some(end) = self.fragments_end {
            return Some(self.time_of(end));
        }
        if self.outline.fragmented {
            return None;
        }
        let ends = self.streams.iter().filter(|s| !s.is_cover).filter_map(|s| {
            let end = s.start.unwrap_or(0).saturating_add(s.duration?);
            Some(self.time_of(rescale(end, s.time_base, self.video.time_base)))
        });
        ends.chain(self.container_duration()).max()
    }

    /// Returns how many frames the video shows, if the index has that information.
    pub(crate) fn frame_count(&self) -> Option<u64> {
        // A sample of VP8 may show no frame.
        if self.video.codec == CodecId::VP8 {
            return None;
        }
        let shown = self.index(self.video.index).iter().filter(|e| e.is_shown).count() as u64;
        Some(shown).filter(|&n| n > 0)
    }

    /// Returns the index of a stream. It is empty for Matroska and for fragmented clips whose index is not complete.
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

    /// Returns the parameters to open a decoder with.
    pub(crate) fn parameters(&self) -> Option<ff::codec::Parameters> {
        self.input
            .stream(self.video.index)
            .map(|stream| stream.parameters())
    }

    /// Returns the codec configuration of the video in the container.
    pub(crate) fn extradata(&self) -> Vec<u8> {
        let stream = self.input.stream(self.video.index);
        stream.map(|stream| extradata(&stream)).unwrap_or_default()
    }

    /// Returns the duration in the header of the container, if it has one.
    pub(crate) fn container_duration(&self) -> Option<Duration> {
        match (self.format, u64::try_from(self.input.duration())) {
            (Format::Mov, _) => self.outline.duration,
            (_, Ok(micros @ 1..)) => Some(Duration::from_micros(micros)),
            _ => None,
        }
    }

    /// Returns the time on a player's clock when the frame with this timestamp appears.
    pub(crate) fn time_of(&self, pts: i64) -> Duration {
        to_duration(pts.saturating_sub(self.origin), self.video.time_base)
    }

    /// Returns the error for a clip without a frame that can be decoded.
    pub(crate) fn no_frame_error(&self) -> Error {
        self.limits.error("decode", "no frame of it can be decoded")
    }

    /// Returns the minimum length of the complete file according to its samples and boxes, if the file is shorter.
    fn expected_len(&self) -> Option<u64> {
        let samples = self
            .streams
            .iter()
            .flat_map(|s| self.index(s.index))
            .map(|e| e.end)
            .max();
        let expected = samples.into_iter().chain(self.outline.expected_len).max()?;
        (expected > self.len).then_some(expected)
    }

    /// Returns an error if the end of the file is missing.
    pub(crate) fn check_complete(&self) -> Result<()> {
        self.expected_len().map_or(Ok(()), |expected| {
            Err(Error::media(format!(
                "read {}: {}",
                self.limits.name(),
                cut_off_cause(self.len, expected)
            )))
        })
    }
}

fn cut_off_cause(len: u64, expected: u64) -> String {
    format!("the file is cut off: it has {len} bytes and should have {expected} or more")
}

/// Describes why a file without an index or a segment cannot be read.
fn no_index_cause(format: Format, outline: Outline, len: u64) -> String {
    let part = if format == Format::Mov {
        "index (moov)"
    } else {
        "segment"
    };
    match outline.expected_len {
        Some(expected) => format!("{}, with its {part}", cut_off_cause(len, expected)),
        None => format!("it has no {part}: the file is cut off or was never finished"),
    }
}
