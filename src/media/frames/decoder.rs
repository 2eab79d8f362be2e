//! A video decoder of libav: packets in, pictures with timestamps out.

use std::sync::Arc;

use ff::codec::{Compliance, threading};
use ffmpeg_next as ff;

use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav;
use crate::media::libav::flags::is_hidden_frame;
use crate::media::libav::frame_budget::FrameBudget;
use crate::media::libav::numbers::CodecId;
use crate::media::limits::CallLimits;
use crate::media::worker;

/// Minimum packets for which several threads are faster. For fewer, starting the threads takes longer than they save.
const MIN_PACKETS_FOR_THREADS: usize = 6;
const MAX_THREADS: usize = 8;
/// Maximum errors of a decoder, so that one that always fails does not run without end.
const MAX_ERRORS: u32 = 10_000;

pub(crate) struct Decoder {
    inner: ff::decoder::Video,
    /// The picture that was decoded last.
    pub(crate) picture: ff::frame::Video,
    /// How many packets and frames the decoder rejected.
    pub(crate) errors: u32,
    limits: CallLimits,
    last_pts: i64,
    /// The decoder allocates its frames from it, so it must be dropped after the decoder.
    budget: Arc<FrameBudget>,
}

impl Decoder {
    /// Opens a decoder for the video of a clip, to decode about `expected_packets` packets.
    pub(crate) fn open(clip: &Clip, expected_packets: usize) -> Result<Self> {
        let limits = clip.limits.clone();
        let fail = |cause: String| limits.error("decode", cause);
        let codec = clip.video.codec;
        let parameters = clip
            .parameters()
            .ok_or_else(|| fail("its video stream is gone".to_owned()))?;
        let (name, decoders) =
            libav::decoders_for(codec).ok_or_else(|| fail("its codec is not supported".to_owned()))?;
        let decoder = decoders
            .iter()
            .find_map(|name| ff::decoder::find_by_name(name))
            .ok_or_else(|| fail(format!("this libav has no decoder for {name}")))?;
        let mut context =
            ff::codec::Context::from_parameters(parameters).map_err(|e| fail(libav::describe(e)))?;
        let budget = FrameBudget::for_pixels(limits.max_pixels());
        FrameBudget::attach(&budget, &mut context);
        // Calls that run at the same time share the cores: one thread for each is the most efficient.
        let threads = (worker::cores() / worker::running_calls()).clamp(1, MAX_THREADS);
        // Each thread keeps a frame besides the reference frames.
        let pixels = u64::from(clip.video.width) * u64::from(clip.video.height);
        let use_threads = threads > 1
            && expected_packets >= MIN_PACKETS_FOR_THREADS
            && budget.holds(17 + threads as u64, pixels);
        if use_threads {
            let mut config = threading::Config::count(threads);
            config.kind = threading::Type::Frame;
            context.set_threading(config);
        } else {
            context.set_threading(threading::Config::count(1));
        }
        if codec == CodecId::H264 {
            // Streams are not probed, so libav would guess how far frames are reordered, and drop frames that prove the
            // guess wrong. In strict mode it uses the maximum that the standard allows.
            context.compliance(Compliance::Strict);
        }
        let mut context = context.decoder();
        context.set_packet_time_base(clip.video.time_base);
        if clip.skip_loop_filter {
            context.skip_loop_filter(ff::Discard::All);
        }
        let mut options = ff::Dictionary::new();
        // The size in the bitstream may differ from that of the container.
        options.set("max_pixels", &limits.max_clip_pixels().to_string());
        let inner = context
            .open_as_with(decoder, options)
            .and_then(ff::codec::decoder::Opened::video)
            .map_err(|e| {
                fail(format!(
                    "its {name} stream cannot be opened: {}",
                    libav::describe(e)
                ))
            })?;
        let last_pts = clip.video.start.unwrap_or(0) - 1;
        Ok(Self {
            inner,
            picture: ff::frame::Video::empty(),
            errors: 0,
            limits,
            last_pts,
            budget,
        })
    }

    /// Decodes all packets to the end, and calls `visit` with each picture and its timestamp until it returns `false`.
    pub(crate) fn run(
        &mut self,
        packets: Vec<ff::Packet>,
        mut visit: impl FnMut(&mut ff::frame::Video, i64) -> Result<bool>,
    ) -> Result<()> {
        for packet in packets.into_iter().map(Some).chain([None]) {
            if !self.feed(packet.as_ref(), &mut visit)? {
                break;
            }
        }
        Ok(())
    }

    /// Sends a packet, or the end of the stream, and calls `visit` with each picture that the decoder returns.
    ///
    /// Stops when `visit` returns `false`, and returns `false` then.
    pub(crate) fn feed(
        &mut self,
        packet: Option<&ff::Packet>,
        mut visit: impl FnMut(&mut ff::frame::Video, i64) -> Result<bool>,
    ) -> Result<bool> {
        match packet {
            Some(packet) => self.send(packet)?,
            None => {
                // The only possible error is that the end was sent before.
                let _ = self.inner.send_eof();
            }
        }
        while let Some(pts) = self.receive()? {
            if !visit(&mut self.picture, pts)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a packet. Counts a damaged one and continues, as players do.
    fn send(&mut self, packet: &ff::Packet) -> Result<()> {
        self.limits.check()?;
        self.limits.count_decoded_bytes(packet.size())?;
        if packet.size() > 0 && self.inner.send_packet(packet).is_err() {
            self.errors += 1;
        }
        self.check_budget()
    }

    fn check_budget(&self) -> Result<()> {
        if self.budget.is_exceeded() {
            let cause = "its frames take more memory than allowed";
            return Err(self.limits.error("decode", cause));
        }
        Ok(())
    }

    /// Receives the next shown frame into [`picture`](Self::picture), and returns its timestamp.
    fn receive(&mut self) -> Result<Option<i64>> {
        loop {
            self.limits.check()?;
            self.check_budget()?;
            match self.inner.receive_frame(&mut self.picture) {
                Ok(()) => {}
                Err(ff::Error::Eof) => return Ok(None),
                Err(error) if libav::is_again(error) => return Ok(None),
                Err(_) => {
                    self.errors += 1;
                    if self.errors > MAX_ERRORS {
                        return Ok(None);
                    }
                    continue;
                }
            }
            if is_hidden_frame(&self.picture) {
                continue;
            }
            self.limits
                .check_frame_size(self.picture.width(), self.picture.height())?;
            let pts = self
                .picture
                .timestamp()
                .or(self.picture.pts())
                .unwrap_or(self.last_pts.saturating_add(1));
            self.last_pts = self.last_pts.max(pts);
            return Ok(Some(pts));
        }
    }

    /// Returns the profile of the codec in the bitstream.
    pub(crate) fn profile(&self) -> ff::codec::Profile {
        self.inner.profile()
    }
}
