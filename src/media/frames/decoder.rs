//! One decoder from its opening to its last frame.

use std::sync::Arc;

use ff::codec::{Compliance, threading};
use ffmpeg_next as ff;

use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav;
use crate::media::libav::flags::is_hidden_frame;
use crate::media::libav::frame_budget::FrameBudget;
use crate::media::libav::numbers::CodecId;
use crate::media::limits::Watch;
use crate::media::worker;

/// Threads pay from so many packets on; below, starting them takes longer than they save.
const WORTH_THREADS: usize = 6;
const MAX_THREADS: usize = 8;

pub(crate) struct Decoder {
    inner: ff::decoder::Video,
    /// What [`receive`](Self::receive) filled last.
    pub(crate) picture: ff::frame::Video,
    /// Packets and frames that the decoder refused.
    pub(crate) errors: u32,
    watch: Watch,
    last_pts: i64,
    /// The decoder asks here for its frames, so this must be dropped after it.
    budget: Arc<FrameBudget>,
}

impl Decoder {
    /// Opens a decoder for about `expected` packets.
    pub(crate) fn open(clip: &Clip, expected: usize) -> Result<Self> {
        let watch = clip.watch.clone();
        let fail = |cause: String| watch.fail("decode", cause);
        let codec = clip.video.codec;
        let parameters = clip
            .parameters()
            .ok_or_else(|| fail("its video stream is gone".to_owned()))?;
        let (name, decoders) =
            libav::admitted(codec).ok_or_else(|| fail("its codec is not read".to_owned()))?;
        let decoder = decoders
            .iter()
            .find_map(|name| ff::decoder::find_by_name(name))
            .ok_or_else(|| fail(format!("the libav in use has no decoder for {name}")))?;
        let mut context =
            ff::codec::Context::from_parameters(parameters).map_err(|e| fail(libav::reason(e)))?;
        let budget = FrameBudget::of_pixels(watch.max_pixels());
        FrameBudget::watch(&budget, &mut context);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Calls that work at the same time share the cores: one thread each costs the least.
        let threads = (cores / worker::busy()).clamp(1, MAX_THREADS);
        // Each thread keeps a frame beside those that are referred to.
        let pixels = u64::from(clip.video.width) * u64::from(clip.video.height);
        if threads > 1 && expected >= WORTH_THREADS && budget.holds(17 + threads as u64, pixels) {
            let mut config = threading::Config::count(threads);
            config.kind = threading::Type::Frame;
            context.set_threading(config);
        } else {
            context.set_threading(threading::Config::count(1));
        }
        if codec == CodecId::H264 {
            // Without the probing that is left out, libav guesses how far frames are reordered, and
            // drops those that prove it wrong. Strict, it keeps to what the standard allows.
            context.compliance(Compliance::Strict);
        }
        let mut context = context.decoder();
        context.set_packet_time_base(clip.video.time_base);
        if clip.only_checked {
            context.skip_loop_filter(ff::Discard::All);
        }
        let mut options = ff::Dictionary::new();
        // The size in the bitstream may be another than the container's.
        options.set("max_pixels", &watch.max_clip_pixels().to_string());
        let inner = context
            .open_as_with(decoder, options)
            .and_then(ff::codec::decoder::Opened::video)
            .map_err(|e| {
                fail(format!(
                    "its {name} stream cannot be opened: {}",
                    libav::reason(e)
                ))
            })?;
        let last_pts = clip.video.start.unwrap_or(0) - 1;
        Ok(Self {
            inner,
            picture: ff::frame::Video::empty(),
            errors: 0,
            watch,
            last_pts,
            budget,
        })
    }

    /// Hands the packets over and says that none follows. Shows each frame with its time, until `take` says `false`.
    pub(crate) fn run(
        &mut self,
        packets: Vec<ff::Packet>,
        mut take: impl FnMut(&mut ff::frame::Video, i64) -> Result<bool>,
    ) -> Result<()> {
        for packet in packets.into_iter().map(Some).chain([None]) {
            match packet {
                Some(packet) => self.send(&packet)?,
                None => self.drain(),
            }
            while let Some(pts) = self.receive()? {
                if !take(&mut self.picture, pts)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Hands a packet over. A damaged one is counted; a player would go on too.
    pub(crate) fn send(&mut self, packet: &ff::Packet) -> Result<()> {
        self.watch.check()?;
        self.watch.spend(packet.size())?;
        if packet.size() > 0 && self.inner.send_packet(packet).is_err() {
            self.errors += 1;
        }
        self.check_budget()
    }

    fn check_budget(&self) -> Result<()> {
        if self.budget.is_exceeded() {
            let cause = "its frames take more memory than is let in";
            return Err(self.watch.fail("decode", cause));
        }
        Ok(())
    }

    /// Says that no packet follows, so that the frames still inside come out.
    pub(crate) fn drain(&mut self) {
        // The only failure is to be told twice.
        let _ = self.inner.send_eof();
    }

    /// The next frame that is shown goes to [`picture`](Self::picture); its timestamp is returned.
    pub(crate) fn receive(&mut self) -> Result<Option<i64>> {
        loop {
            self.watch.check()?;
            self.check_budget()?;
            match self.inner.receive_frame(&mut self.picture) {
                Ok(()) => {}
                Err(ff::Error::Eof) => return Ok(None),
                Err(error) if libav::is_again(error) => return Ok(None),
                Err(_) => {
                    self.errors += 1;
                    // A decoder that fails for ever must not keep us for ever.
                    if self.errors > 10_000 {
                        return Ok(None);
                    }
                    continue;
                }
            }
            if is_hidden_frame(&self.picture) {
                continue;
            }
            self.watch
                .check_clip_size(self.picture.width(), self.picture.height())?;
            let pts = self
                .picture
                .timestamp()
                .or(self.picture.pts())
                .unwrap_or(self.last_pts.saturating_add(1));
            self.last_pts = self.last_pts.max(pts);
            return Ok(Some(pts));
        }
    }

    /// What the decoder learnt from the bitstream.
    pub(crate) fn profile(&self) -> ff::codec::Profile {
        self.inner.profile()
    }
}
