//! Disposable frames: those that no other frame is predicted from. Detected in the headers of coded packets, without
//! libav.
//!
//! On the way to another frame, the packet of a disposable frame need not be sent to the decoder, so that its threads only
//! decode what is needed. A packet is disposable if it contains a picture and nothing else of use, and:
//!
//! * H.264: every slice has `nal_ref_idc` 0.
//! * H.265: every slice belongs to a sub-layer non-reference picture. Pictures of a higher sub-layer may still refer to
//!   it, so only those of the highest sub-layer among the packets count.
//! * AV1: every frame in the packet is shown and refreshes no reference slot.
//!
//! A packet with headers that cannot be parsed is not disposable.

use crate::media::libav::numbers::CodecId;

/// How the packets of a codec are parsed, according to the configuration in the container.
#[derive(Debug)]
pub(super) enum PacketSyntax {
    /// NAL units after a length field of this many bytes.
    H264(usize),
    /// NAL units after a length field of this many bytes.
    H265(usize),
    /// OBUs, with the last sequence header.
    Av1(Option<SequenceHeader>),
}

impl PacketSyntax {
    /// Returns `None` for codecs and packet formats in which disposable frames are not detected.
    pub(super) fn new(codec: CodecId, extradata: &[u8]) -> Option<Self> {
        let length = |at: usize| {
            // Version 1 of the configuration record. Units after start codes have no record.
            let &[1, ..] = extradata else { return None };
            extradata.get(at).map(|byte| usize::from(byte & 3) + 1)
        };
        match codec {
            CodecId::H264 => length(4).map(Self::H264),
            CodecId::HEVC => length(21).map(Self::H265),
            CodecId::AV1 => {
                let sequence = extradata.get(4..).and_then(|units| {
                    let unit =
                        Obus(units).find(|unit| unit.is_none_or(|(kind, _)| kind == OBU_SEQUENCE_HEADER))?;
                    SequenceHeader::parse(unit?.1)
                });
                Some(Self::Av1(sequence))
            }
            _ => None,
        }
    }

    /// Returns for each of consecutive packets, in decoding order, whether its frame is disposable.
    pub(super) fn find_disposable<'a>(mut self, packets: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
        let mut highest = 0;
        let layers: Vec<Option<u8>> = packets
            .map(|packet| self.disposable_layer(packet, &mut highest))
            .collect();
        layers.into_iter().map(|layer| layer == Some(highest)).collect()
    }

    /// Returns the sub-layer of a packet if no picture of that sub-layer or a lower one refers to its frame.
    ///
    /// `highest` is raised to the sub-layer of the packet. Codecs without sub-layers have only number 0.
    fn disposable_layer(&mut self, packet: &[u8], highest: &mut u8) -> Option<u8> {
        match self {
            Self::H264(length) => is_disposable_h264(packet, *length).then_some(0),
            Self::H265(length) => disposable_layer_h265(packet, *length, highest),
            Self::Av1(sequence) => is_disposable_av1(packet, sequence).then_some(0),
        }
    }
}

/// Iterates over NAL units after length fields. Yields `None` for a truncated one, which is the last.
struct NalUnits<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let unit = self
            .rest
            .split_at_checked(self.length)
            .and_then(|(length, rest)| {
                let length = length
                    .iter()
                    .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
                rest.split_at_checked(length)
            });
        self.rest = unit.map_or(&[], |(_, rest)| rest);
        Some(unit.map(|(unit, _)| unit))
    }
}

/// Returns whether a packet of H.264 contains only slices that no other picture refers to.
fn is_disposable_h264(packet: &[u8], length: usize) -> bool {
    let mut has_slices = false;
    let mut units = NalUnits { rest: packet, length };
    let is_disposable = units.all(|unit| match unit {
        Some(&[header, ref body @ ..]) => match header & 0x1f {
            // A slice.
            1 => {
                has_slices = true;
                header & 0x60 == 0
            }
            // SEI. A decoder may start at a recovery point.
            6 => !may_be_recovery_point(body),
            // Delimiters and filler data.
            9 | 12 => true,
            _ => false,
        },
        _ => false,
    });
    is_disposable && has_slices
}

/// Returns whether an SEI message may contain a recovery point.
fn may_be_recovery_point(body: &[u8]) -> bool {
    const RECOVERY_POINT: u8 = 6;
    let mut rest = body;
    loop {
        match *rest {
            // The trailing bits.
            [0x80, ..] | [] => return false,
            [RECOVERY_POINT | 0xff, ..] | [_] => return true,
            [_, size @ 0..=0xfe, ref more @ ..] => match more.get(usize::from(size)..) {
                Some(next) => rest = next,
                None => return true,
            },
            _ => return true,
        }
    }
}

/// Parses a packet of H.265. See [`PacketSyntax::disposable_layer`].
fn disposable_layer_h265(packet: &[u8], length: usize, highest: &mut u8) -> Option<u8> {
    let mut layer = None;
    let mut needed = false;
    for unit in (NalUnits { rest: packet, length }) {
        let Some(&[first, second, ..]) = unit else {
            return None;
        };
        let (kind, temporal) = (first >> 1 & 0x3f, (second & 7).saturating_sub(1));
        let other_layer = first & 1 != 0 || second >> 3 != 0;
        match kind {
            0..=31 => {
                *highest = temporal.max(*highest);
                // Sub-layer non-reference pictures have the even numbers below 16.
                needed |= other_layer
                    || kind >= 16
                    || kind % 2 == 1
                    || layer.is_some_and(|layer| layer != temporal);
                layer = Some(temporal);
            }
            // Delimiters, filler data, SEI.
            35 | 38..=40 => {}
            _ => needed = true,
        }
    }
    layer.filter(|_| !needed)
}

const OBU_SEQUENCE_HEADER: u8 = 1;

/// Iterates over OBUs with their types. Yields `None` for a truncated one, which is the last.
struct Obus<'a>(&'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let unit = self.split();
        self.0 = unit.map_or(&[], |(.., rest)| rest);
        Some(unit.map(|(kind, body, _)| (kind, body)))
    }
}

impl<'a> Obus<'a> {
    fn split(&self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&header, mut rest) = self.0.split_first()?;
        // The extension header with the layers.
        if header & 4 != 0 {
            rest = rest.get(1..)?;
        }
        let mut size = rest.len();
        if header & 2 != 0 {
            size = 0;
            for shift in (0..56).step_by(7) {
                let (&byte, next) = rest.split_first()?;
                rest = next;
                size |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let (body, rest) = rest.split_at_checked(size)?;
        Some((header >> 3 & 15, body, rest))
    }
}

/// Returns whether a packet of AV1 contains only frames that no other frame refers to. Updates `sequence`.
fn is_disposable_av1(packet: &[u8], sequence: &mut Option<SequenceHeader>) -> bool {
    let mut has_frames = false;
    let is_disposable = Obus(packet).all(|unit| match unit {
        Some((OBU_SEQUENCE_HEADER, body)) => {
            *sequence = SequenceHeader::parse(body);
            false
        }
        // A frame header, and a frame with its header.
        Some((3 | 6, body)) => {
            has_frames = true;
            sequence
                .as_ref()
                .and_then(|known| known.is_disposable_frame(body))
                == Some(true)
        }
        // Delimiters, tile groups, metadata, padding.
        Some((2 | 4 | 5 | 15, _)) => true,
        _ => false,
    });
    is_disposable && has_frames
}

/// The fields of an AV1 sequence header that are needed to parse frame headers.
///
/// Sequences with several operating points, a decoder model, or frame ids are not supported.
#[derive(Debug)]
pub(super) struct SequenceHeader {
    /// Whether frames use screen content tools. `None` if each frame header specifies it.
    screen_content: Option<bool>,
    /// Whether frames use integer motion vectors. `None` if each frame header specifies it.
    integer_vectors: Option<bool>,
    order_hint_bits: u32,
}

impl SequenceHeader {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut bits = BitReader { bytes: body, at: 0 };
        let _profile = bits.take(3)?;
        let _still_picture = bits.take(1)?;
        if bits.flag()? {
            return None;
        }
        // Timing info.
        if bits.flag()? {
            let (_tick, _scale) = (bits.take(32)?, bits.take(32)?);
            if bits.flag()? || bits.flag()? {
                return None;
            }
        }
        let display_delay = bits.flag()?;
        if bits.take(5)? != 0 {
            return None;
        }
        // The layers of the operating point.
        if bits.take(12)? != 0 {
            return None;
        }
        if bits.take(5)? > 7 {
            let _tier = bits.take(1)?;
        }
        if display_delay && bits.flag()? {
            let _delay = bits.take(4)?;
        }
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let (_width, _height) = (bits.take(width_bits)?, bits.take(height_bits)?);
        if bits.flag()? {
            return None;
        }
        // Superblock size, filter intra, intra edge filter; compound tools, warped motion, dual filter.
        let _tools = (bits.take(3)?, bits.take(4)?);
        let order_hint = bits.flag()?;
        if order_hint {
            let _compounds = bits.take(2)?;
        }
        let screen_content = if bits.flag()? { None } else { Some(bits.flag()?) };
        let integer_vectors = if screen_content == Some(false) || bits.flag()? {
            None
        } else {
            Some(bits.flag()?)
        };
        let order_hint_bits = if order_hint { bits.take(3)? + 1 } else { 0 };
        Some(Self {
            screen_content,
            integer_vectors,
            order_hint_bits,
        })
    }

    /// Returns whether a frame is shown and refreshes no reference slot. Returns `None` if its header is too short.
    fn is_disposable_frame(&self, header: &[u8]) -> Option<bool> {
        const INTER: u32 = 1;
        let mut bits = BitReader { bytes: header, at: 0 };
        let shows_existing = bits.flag()?;
        if shows_existing || bits.take(2)? != INTER || !bits.flag()? {
            return Some(false);
        }
        let resilient = bits.flag()?;
        let _no_cdf_update = bits.take(1)?;
        let screen_content = match self.screen_content {
            Some(always) => always,
            None => bits.flag()?,
        };
        if screen_content && self.integer_vectors.is_none() {
            let _integer = bits.take(1)?;
        }
        let _size_override = bits.take(1)?;
        let _order_hint = bits.take(self.order_hint_bits)?;
        if !resilient {
            let _primary_reference = bits.take(3)?;
        }
        Some(bits.take(8)? == 0)
    }
}

/// Reads bits from bytes.
struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of units after length fields of four bytes.
    fn packet(units: &[&[u8]]) -> Vec<u8> {
        let length = |unit: &[u8]| u32::try_from(unit.len()).unwrap().to_be_bytes();
        units
            .iter()
            .flat_map(|unit| [&length(unit)[..], unit].concat())
            .collect()
    }

    fn find_disposable(codec: CodecId, extradata: &[u8], packets: &[Vec<u8>]) -> Vec<bool> {
        let syntax = PacketSyntax::new(codec, extradata).unwrap();
        syntax.find_disposable(packets.iter().map(Vec::as_slice))
    }

    #[test]
    fn h264_frames_are_disposable_by_nal_ref_idc() {
        let record = [1, 77, 64, 31, 0xff];
        let (slice, disposable) = (&[0x41, 1, 2][..], &[0x01, 1, 2][..]);
        let recovery = &[0x06, 6, 1, 0xc4, 0x80][..];
        let timing_then_recovery = &[0x06, 1, 1, 0, 6, 1, 0xc4, 0x80][..];
        let (delimiter, timing) = (&[0x09, 0x10][..], &[0x06, 1, 1, 0, 0x80][..]);
        let (parameters, partition) = (&[0x67, 1][..], &[0x02, 1][..]);
        let cases: [(&[&[u8]], bool); 10] = [
            (&[disposable], true),
            (&[delimiter, timing, disposable, disposable], true),
            (&[slice], false),
            (&[disposable, slice], false),
            (&[recovery, disposable], false),
            (&[timing_then_recovery, disposable], false),
            (&[parameters, disposable], false),
            (&[partition], false),
            (&[delimiter], false),
            (&[disposable, &[]], false),
        ];
        for (units, expect) in cases {
            assert_eq!(
                find_disposable(CodecId::H264, &record, &[packet(units)]),
                [expect],
                "{units:?}"
            );
        }
        let cut = packet(&[disposable])[..6].to_vec();
        assert_eq!(
            find_disposable(CodecId::H264, &record, &[cut, Vec::new()]),
            [false, false]
        );
        // Units after start codes.
        assert!(PacketSyntax::new(CodecId::H264, &[0, 0, 0, 1, 0x67]).is_none());
    }

    #[test]
    fn h265_frames_are_disposable_in_the_highest_sub_layer() {
        let mut record = [0; 23];
        (record[0], record[21]) = (1, 0xff);
        let slice = |kind: u8, layer: u8| packet(&[&[kind << 1, layer + 1, 0x80]]);
        let (trail_n, trail_r, tsa_n, idr) = (0, 1, 2, 19);
        let one_layer = [slice(idr, 0), slice(trail_r, 0), slice(trail_n, 0)];
        assert_eq!(
            find_disposable(CodecId::HEVC, &record, &one_layer),
            [false, false, true]
        );
        // A frame that its own sub-layer does not refer to may be referred to by the next.
        let two_layers = [
            slice(idr, 0),
            slice(trail_n, 0),
            slice(tsa_n, 1),
            slice(trail_r, 1),
        ];
        assert_eq!(
            find_disposable(CodecId::HEVC, &record, &two_layers),
            [false, false, true, false]
        );
        // With parameter sets, with SEI, and of another layer.
        let parameters = packet(&[&[34 << 1, 1, 0], &[0, 1, 0x80]]);
        let message = packet(&[&[39 << 1, 1, 0], &[0, 1, 0x80]]);
        let other = packet(&[&[0, 1 << 3 | 1, 0x80]]);
        assert_eq!(
            find_disposable(CodecId::HEVC, &record, &[parameters, message, other]),
            [false, true, false]
        );
    }

    #[test]
    fn av1_frames_are_disposable_if_they_refresh_no_slot() {
        // Headers as an encoder writes them.
        let record = [
            0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xfc, 0x02, 0xf8, 0x00,
            0x40,
        ];
        let shown = vec![
            0x32, 0x0a, 0x32, 0x03, 0x00, 0x0d, 0xb6, 0xb6, 0x91, 0x28, 0x00, 0x00,
        ];
        let hidden = vec![0x32, 0x09, 0x29, 0x08, 0x00, 0x12, 0x49, 0x24, 0x9c, 0x8c, 0x00];
        let existing = vec![0x1a, 0x01, 0xe8];
        let mut kept = shown.clone();
        kept[4] |= 0x10;
        let both = [hidden.clone(), shown.clone()].concat();
        let cut = shown[..8].to_vec();
        let packets = [shown.clone(), kept, hidden, existing, both, cut];
        assert_eq!(
            find_disposable(CodecId::AV1, &record, &packets),
            [true, false, false, false, false, false]
        );
        // Nothing is disposable without a sequence header, or with one that is not supported.
        assert_eq!(
            find_disposable(CodecId::AV1, &record[..4], std::slice::from_ref(&shown)),
            [false]
        );
        let sequence = [0x0a, 0x02, 0xff, 0xff].to_vec();
        assert_eq!(
            find_disposable(CodecId::AV1, &record, &[sequence, shown]),
            [false, false]
        );
    }
}
