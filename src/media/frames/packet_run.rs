//! A run of packets that is read before it is decoded.

use ff::Packet;
use ffmpeg_next as ff;

use super::decode_plan::{DecodePlan, PacketTiming, RunTimings, Target};
use super::disposable_frames::PacketSyntax;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::libav::flags;
use crate::media::source::Format;

/// Number of bytes after which reading ends. The caller decodes the rest of a longer run while reading it.
const MAX_BYTES: usize = 64 << 20;
/// Approximate bytes that libav needs for a packet besides its data.
const PACKET_OVERHEAD: usize = 256;

/// Consecutive packets in decoding order.
#[derive(Default)]
pub(super) struct PacketRun {
    pub(super) packets: Vec<Packet>,
    pub(super) timings: RunTimings,
    /// Whether the run is long enough to determine which of its frames is the target.
    pub(super) is_complete: bool,
}

impl PacketRun {
    /// Reads packets until they determine which frame is the target, the clip ends, or [`MAX_BYTES`] is reached.
    ///
    /// With `from_key`, packets before the first key frame are skipped.
    pub(super) fn read(clip: &mut Clip, target: Target, from_key: bool) -> Result<Self> {
        let mut run = Self::default();
        let mut bytes = 0;
        // Matroska stores no decoding times, so the demuxer guesses them.
        let trusts_dts = clip.format == Format::Mov;
        while bytes < MAX_BYTES {
            let Some(packet) = clip.next_packet()? else {
                run.is_complete = true;
                break;
            };
            if from_key && run.packets.is_empty() && !packet.is_key() {
                continue;
            }
            bytes += packet.size() + PACKET_OVERHEAD;
            let timing = PacketTiming {
                pts: packet.pts(),
                dts: packet.dts(),
                is_shown: !flags::is_hidden_packet(&packet),
            };
            run.packets.push(packet);
            if run.timings.push(timing, target, trusts_dts) {
                run.is_complete = true;
                break;
            }
        }
        Ok(run)
    }

    pub(super) fn begins_with_key(&self) -> bool {
        self.packets.first().is_some_and(Packet::is_key)
    }
}

/// Returns the packets that a plan needs: those up to the last packet of the plan, without the disposable frames that
/// the plan does not keep.
pub(super) fn needed_packets(clip: &Clip, mut packets: Vec<Packet>, plan: &DecodePlan) -> Vec<Packet> {
    packets.truncate(plan.packets);
    // After a new codec configuration, packets may have another syntax, so none are removed.
    if packets.iter().any(flags::has_new_extradata) {
        return packets;
    }
    let Some(syntax) = PacketSyntax::new(clip.video.codec, &clip.extradata()) else {
        return packets;
    };
    let data = packets.iter().map(|packet| packet.data().unwrap_or_default());
    let disposable = syntax.find_disposable(data);
    let is_kept = |packet: &Packet| packet.pts().is_none_or(|pts| plan.keeps(pts));
    let packets = packets.into_iter().zip(disposable);
    packets
        .filter(|(packet, disposable)| !disposable || is_kept(packet))
        .map(|(packet, _)| packet)
        .collect()
}
