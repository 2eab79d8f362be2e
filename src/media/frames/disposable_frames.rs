//! Which pictures no other one is predicted from, read from the headers of coded packets, without libav.
//!
//! Such a packet may be left out on the way to another frame: it is never handed to the decoder, so that its threads
//! work on what is needed alone. What is not understood, or says more than a picture, is taken for needed.
//!
//! * H.264: every slice has `nal_ref_idc` 0.
//! * H.265: every slice is of a sub-layer non-reference picture, which a picture of a higher sub-layer may still refer
//!   to; so only those of the highest sub-layer among the packets in question count.
//! * AV1: every frame of the packet is shown and refreshes no slot.

use crate::media::libav::numbers::CodecId;

/// What the container says of a codec, as far as units are read.
#[derive(Debug)]
pub(crate) enum Syntax {
    /// Units behind lengths of so many bytes.
    H264(usize),
    H265(usize),
    Av1(Option<Sequence>),
}

/// A picture that others may do without, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Needed,
    /// No picture of this sub-layer or a lower one refers to it.
    Spare(u8),
}

impl Syntax {
    /// `None` for codecs and forms that say nothing of the kind, or nothing that is read here.
    pub(crate) fn of(codec: CodecId, extradata: &[u8]) -> Option<Self> {
        let length = |at: usize| {
            // Version 1 of the record; units behind start codes have none.
            let &[1, ..] = extradata else { return None };
            extradata.get(at).map(|byte| usize::from(byte & 3) + 1)
        };
        match codec {
            CodecId::H264 => length(4).map(Self::H264),
            CodecId::HEVC => length(21).map(Self::H265),
            CodecId::AV1 => {
                let sequence = extradata.get(4..).and_then(|units| {
                    let unit =
                        ObuUnits(units).find(|unit| unit.is_none_or(|(kind, _)| kind == OBU_SEQUENCE))?;
                    Sequence::read(unit?.1)
                });
                Some(Self::Av1(sequence))
            }
            _ => None,
        }
    }

    /// For each packet of a run in decoding order, whether all the others do without it.
    pub(crate) fn unreferenced<'a>(mut self, packets: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
        let mut highest = 0;
        let uses: Vec<Use> = packets.map(|packet| self.use_of(packet, &mut highest)).collect();
        uses.into_iter()
            .map(|found| found == Use::Spare(highest))
            .collect()
    }

    fn use_of(&mut self, packet: &[u8], highest: &mut u8) -> Use {
        let spare = match self {
            Self::H264(length) => h264(packet, *length).then_some(0),
            Self::H265(length) => h265(packet, *length, highest),
            Self::Av1(sequence) => av1(packet, sequence).then_some(0),
        };
        spare.map_or(Use::Needed, Use::Spare)
    }
}

/// Units behind their lengths; `None` in place of one that is cut off.
struct Units<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Iterator for Units<'a> {
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

fn h264(packet: &[u8], length: usize) -> bool {
    let mut pictures = false;
    let mut units = Units { rest: packet, length };
    let spare = units.all(|unit| match unit {
        Some(&[header, ref body @ ..]) => match header & 0x1f {
            // A slice.
            1 => {
                pictures = true;
                header & 0x60 == 0
            }
            // What a decoder without a key frame starts from is announced in a message.
            6 => !recovers(body),
            // Delimiters and filling.
            9 | 12 => true,
            _ => false,
        },
        _ => false,
    });
    spare && pictures
}

/// Whether a message to the decoder may be of a recovery point.
fn recovers(body: &[u8]) -> bool {
    const RECOVERY_POINT: u8 = 6;
    let mut rest = body;
    loop {
        match *rest {
            // The end mark.
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

/// The sub-layer of a spare picture. `highest` rises to the highest of any picture.
fn h265(packet: &[u8], length: usize, highest: &mut u8) -> Option<u8> {
    let mut layer = None;
    let mut needed = false;
    for unit in (Units { rest: packet, length }) {
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
            // Delimiters, filling, messages.
            35 | 38..=40 => {}
            _ => needed = true,
        }
    }
    layer.filter(|_| !needed)
}

const OBU_SEQUENCE: u8 = 1;

/// Units of AV1 with their kinds; `None` in place of one that is cut off.
struct ObuUnits<'a>(&'a [u8]);

impl<'a> Iterator for ObuUnits<'a> {
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

impl<'a> ObuUnits<'a> {
    fn split(&self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&header, mut rest) = self.0.split_first()?;
        // The extension with the layers.
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

fn av1(packet: &[u8], sequence: &mut Option<Sequence>) -> bool {
    let mut frames = false;
    let spare = ObuUnits(packet).all(|unit| match unit {
        Some((OBU_SEQUENCE, body)) => {
            *sequence = Sequence::read(body);
            false
        }
        // A frame's header, and a frame with its header.
        Some((3 | 6, body)) => {
            frames = true;
            sequence.as_ref().and_then(|known| known.refreshes_nothing(body)) == Some(true)
        }
        // Delimiters, tiles, messages, filling.
        Some((2 | 4 | 5 | 15, _)) => true,
        _ => false,
    });
    spare && frames
}

/// What of an AV1 sequence header the headers of its frames are read by. Sequences with several operating points,
/// models of the decoder, or numbered frames are not read.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// Whether each frame says if it has the tools for screen content; else all are the same.
    screen_content: Option<bool>,
    integer_vectors: Option<bool>,
    order_hint_bits: u32,
}

impl Sequence {
    fn read(body: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes: body, at: 0 };
        let _profile = bits.take(3)?;
        let _still_picture = bits.take(1)?;
        if bits.flag()? {
            return None;
        }
        // Timing.
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
        // Layers.
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
        // Superblocks, filter intra, intra edges; compounds, warping, dual filter.
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

    /// Whether a frame is shown and kept for no later one. `None` if it says too little.
    fn refreshes_nothing(&self, header: &[u8]) -> Option<bool> {
        const INTER: u32 = 1;
        let mut bits = Bits { bytes: header, at: 0 };
        let existing = bits.flag()?;
        if existing || bits.take(2)? != INTER || !bits.flag()? {
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

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
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

    /// Units behind lengths of four bytes.
    fn packet(units: &[&[u8]]) -> Vec<u8> {
        let length = |unit: &[u8]| u32::try_from(unit.len()).unwrap().to_be_bytes();
        units
            .iter()
            .flat_map(|unit| [&length(unit)[..], unit].concat())
            .collect()
    }

    fn unreferenced(codec: CodecId, extradata: &[u8], packets: &[Vec<u8>]) -> Vec<bool> {
        let syntax = Syntax::of(codec, extradata).unwrap();
        syntax.unreferenced(packets.iter().map(Vec::as_slice))
    }

    #[test]
    fn h264_by_its_reference_field() {
        let record = [1, 77, 64, 31, 0xff];
        let (slice, spare) = (&[0x41, 1, 2][..], &[0x01, 1, 2][..]);
        let recovery = &[0x06, 6, 1, 0xc4, 0x80][..];
        let timing_then_recovery = &[0x06, 1, 1, 0, 6, 1, 0xc4, 0x80][..];
        let (delimiter, timing) = (&[0x09, 0x10][..], &[0x06, 1, 1, 0, 0x80][..]);
        let (parameters, partition) = (&[0x67, 1][..], &[0x02, 1][..]);
        let cases: [(&[&[u8]], bool); 10] = [
            (&[spare], true),
            (&[delimiter, timing, spare, spare], true),
            (&[slice], false),
            (&[spare, slice], false),
            (&[recovery, spare], false),
            (&[timing_then_recovery, spare], false),
            (&[parameters, spare], false),
            (&[partition], false),
            (&[delimiter], false),
            (&[spare, &[]], false),
        ];
        for (units, expect) in cases {
            assert_eq!(
                unreferenced(CodecId::H264, &record, &[packet(units)]),
                [expect],
                "{units:?}"
            );
        }
        let cut = packet(&[spare])[..6].to_vec();
        assert_eq!(
            unreferenced(CodecId::H264, &record, &[cut, Vec::new()]),
            [false, false]
        );
        // Units behind start codes.
        assert!(Syntax::of(CodecId::H264, &[0, 0, 0, 1, 0x67]).is_none());
    }

    #[test]
    fn h265_by_the_highest_sub_layer_among_them() {
        let mut record = [0; 23];
        (record[0], record[21]) = (1, 0xff);
        let slice = |kind: u8, layer: u8| packet(&[&[kind << 1, layer + 1, 0x80]]);
        let (trail_n, trail_r, tsa_n, idr) = (0, 1, 2, 19);
        let one_layer = [slice(idr, 0), slice(trail_r, 0), slice(trail_n, 0)];
        assert_eq!(
            unreferenced(CodecId::HEVC, &record, &one_layer),
            [false, false, true]
        );
        // What is spare in its own layer serves the next.
        let two_layers = [
            slice(idr, 0),
            slice(trail_n, 0),
            slice(tsa_n, 1),
            slice(trail_r, 1),
        ];
        assert_eq!(
            unreferenced(CodecId::HEVC, &record, &two_layers),
            [false, false, true, false]
        );
        // With parameters, with a message, of another layer of the picture.
        let parameters = packet(&[&[34 << 1, 1, 0], &[0, 1, 0x80]]);
        let message = packet(&[&[39 << 1, 1, 0], &[0, 1, 0x80]]);
        let other = packet(&[&[0, 1 << 3 | 1, 0x80]]);
        assert_eq!(
            unreferenced(CodecId::HEVC, &record, &[parameters, message, other]),
            [false, true, false]
        );
    }

    #[test]
    fn av1_by_the_slots_it_refreshes() {
        // Headers of an encoder's.
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
            unreferenced(CodecId::AV1, &record, &packets),
            [true, false, false, false, false, false]
        );
        // Without its sequence, or with one that is not read, nothing is known.
        assert_eq!(
            unreferenced(CodecId::AV1, &record[..4], std::slice::from_ref(&shown)),
            [false]
        );
        let sequence = [0x0a, 0x02, 0xff, 0xff].to_vec();
        assert_eq!(
            unreferenced(CodecId::AV1, &record, &[sequence, shown]),
            [false, false]
        );
    }
}
