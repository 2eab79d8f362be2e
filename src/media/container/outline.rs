//! The outline of a container file, read without libav: whether it is complete, fragmented, and how long it lasts.
//!
//! libav plays what is there and does not report that the rest is missing. Newer versions do not report the duration in
//! the header of an MP4 either.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use super::boxes::next_box;

/// The outline of a file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Whether the index is spread over the file in fragments. Then it is complete only after the whole file was read.
    pub(crate) fragmented: bool,
    /// Whether there is an index (MP4) or a segment (Matroska).
    pub(crate) has_index: bool,
    /// The minimum length of the complete file, if the file is shorter.
    pub(crate) expected_len: Option<u64>,
    /// The duration in the header of an MP4. `None` for fragmented files and for Matroska.
    pub(crate) duration: Option<Duration>,
}

/// Maximum boxes to read, which bounds the work on hostile files. Hours of one-second fragments have fewer.
const MAX_BOXES: usize = 100_000;

/// Reads the outline of an MP4 or MOV from its top-level boxes.
pub(crate) fn outline_mov(reader: &mut (impl Read + Seek), len: u64) -> io::Result<Outline> {
    let mut outline = Outline::default();
    let mut at = 0_u64;
    for _ in 0..MAX_BOXES {
        let Some(found) = next_box(reader, at, len)? else {
            break;
        };
        match &found.kind {
            b"moov" if !outline.has_index => {
                outline.has_index = true;
                outline.duration = movie_duration(reader, found.body, found.end.min(len))?;
            }
            b"moof" => outline.fragmented = true,
            _ => {}
        }
        // Trailing garbage after the last box is common and harmless.
        if !found
            .kind
            .iter()
            .all(|b| b.is_ascii_graphic() || *b == b' ' || *b == 0xa9)
        {
            break;
        }
        if found.end > len {
            outline.expected_len = Some(found.end);
            break;
        }
        at = found.end;
    }
    reader.seek(SeekFrom::Start(0))?;
    Ok(outline)
}

/// Reads the duration in the header of a movie. Returns `None` if fragments extend the movie.
fn movie_duration(reader: &mut (impl Read + Seek), mut at: u64, end: u64) -> io::Result<Option<Duration>> {
    let mut duration = None;
    for _ in 0..MAX_BOXES {
        let Some(found) = next_box(reader, at, end)? else {
            break;
        };
        match &found.kind {
            b"mvex" => return Ok(None),
            b"mvhd" if duration.is_none() => {
                reader.seek(SeekFrom::Start(found.body))?;
                let mut header = Vec::with_capacity(32);
                reader
                    .by_ref()
                    .take(found.end.saturating_sub(found.body).min(32))
                    .read_to_end(&mut header)?;
                duration = header_duration(&header);
            }
            _ => {}
        }
        at = found.end;
    }
    Ok(duration)
}

/// Parses the duration in a movie header. All ones mean that it is unknown.
fn header_duration(header: &[u8]) -> Option<Duration> {
    let is_wide = *header.first()? == 1;
    let (scale_at, ticks_at) = if is_wide { (20, 24) } else { (12, 16) };
    let scale = u32::from_be_bytes(*header.get(scale_at..)?.first_chunk()?);
    let ticks = header.get(ticks_at..)?;
    let ticks = if is_wide {
        Some(u64::from_be_bytes(*ticks.first_chunk()?)).filter(|&ticks| ticks != u64::MAX)?
    } else {
        Some(u32::from_be_bytes(*ticks.first_chunk()?))
            .filter(|&ticks| ticks != u32::MAX)?
            .into()
    };
    let micros = (u128::from(ticks) * 1_000_000 + u128::from(scale) / 2).checked_div(scale.into())?;
    let micros = u64::try_from(micros).ok().filter(|&micros| micros > 0)?;
    Some(Duration::from_micros(micros))
}

/// Reads the outline of a Matroska file from its header and the size of its segment.
pub(crate) fn outline_matroska(reader: &mut (impl Read + Seek), len: u64) -> io::Result<Outline> {
    let mut outline = Outline::default();
    let mut at = 0_u64;
    // The header, a few void elements at most, and the segment.
    for _ in 0..16 {
        reader.seek(SeekFrom::Start(at))?;
        let mut head = Vec::with_capacity(12);
        reader.by_ref().take(12).read_to_end(&mut head)?;
        let Some((id_len, _)) = vint(&head) else { break };
        let Some(rest) = head.get(id_len..) else { break };
        let Some((size_len, size)) = vint(rest) else { break };
        let body = at + (id_len + size_len) as u64;
        let is_segment = head.starts_with(&[0x18, 0x53, 0x80, 0x67]);
        outline.has_index |= is_segment;
        // Live muxers write a segment of unknown size.
        let Some(size) = size else { break };
        let end = body.saturating_add(size);
        if end > len {
            outline.expected_len = Some(end);
        }
        if is_segment || end >= len {
            break;
        }
        at = end;
    }
    reader.seek(SeekFrom::Start(0))?;
    Ok(outline)
}

/// Parses an EBML number. Returns its length and its value, which is `None` for the reserved "unknown".
fn vint(bytes: &[u8]) -> Option<(usize, Option<u64>)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let mask = (1_u64 << (7 * len)) - 1;
    let value = bytes
        .get(..len)?
        .iter()
        .fold(0_u64, |acc, b| acc << 8 | u64::from(*b))
        & mask;
    Some((len, (value != mask).then_some(value)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: [u8; 4], body: usize) -> Vec<u8> {
        let mut out = u32::try_from(body + 8).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(&kind);
        out.resize(out.len() + body, 0);
        out
    }

    fn outline(bytes: Vec<u8>) -> Outline {
        let len = bytes.len() as u64;
        outline_mov(&mut Cursor::new(bytes), len).unwrap()
    }

    #[test]
    fn a_complete_file_has_no_expected_length() {
        let file = [boxed(*b"ftyp", 8), boxed(*b"moov", 100), boxed(*b"mdat", 50)].concat();
        assert_eq!(
            outline(file),
            Outline {
                fragmented: false,
                has_index: true,
                expected_len: None,
                duration: None
            }
        );
    }

    #[test]
    fn a_truncated_box_is_detected() {
        let mut file = [boxed(*b"ftyp", 8), boxed(*b"moov", 100), boxed(*b"mdat", 50)].concat();
        file.truncate(file.len() - 20);
        assert_eq!(outline(file).expected_len, Some(16 + 108 + 58));
    }

    #[test]
    fn fragments_and_open_ends_are_detected() {
        let mut last = boxed(*b"mdat", 50);
        last[..4].fill(0);
        let file = [boxed(*b"moov", 10), boxed(*b"moof", 10), last].concat();
        assert_eq!(
            outline(file),
            Outline {
                fragmented: true,
                has_index: true,
                expected_len: None,
                duration: None
            }
        );
    }

    #[test]
    fn the_duration_is_in_the_movie_header() {
        let movie = |header: &[u8], more: &[u8]| {
            let mut inner = boxed(*b"mvhd", 0);
            inner.extend_from_slice(header);
            inner[..4].copy_from_slice(&u32::try_from(header.len() + 8).unwrap().to_be_bytes());
            inner.extend_from_slice(more);
            let mut file = boxed(*b"moov", inner.len());
            file[8..].copy_from_slice(&inner);
            outline(file).duration
        };
        let narrow = |scale: u32, ticks: u32| {
            [&[0; 12][..], &scale.to_be_bytes(), &ticks.to_be_bytes(), &[0; 80]].concat()
        };
        let wide = |scale: u32, ticks: u64| {
            [
                &[1][..],
                &[0; 19],
                &scale.to_be_bytes(),
                &ticks.to_be_bytes(),
                &[0; 80],
            ]
            .concat()
        };
        let six = Some(Duration::from_secs(6));
        assert_eq!(movie(&narrow(600, 3600), &[]), six);
        assert_eq!(movie(&wide(600, 3600), &boxed(*b"trak", 10)), six);
        assert_eq!(movie(&narrow(3, 1), &[]), Some(Duration::from_micros(333_333)));
        assert_eq!(movie(&narrow(600, 3600), &boxed(*b"mvex", 10)), None);
        for unknown in [
            narrow(600, u32::MAX),
            narrow(0, 5),
            narrow(600, 0),
            wide(600, u64::MAX),
        ] {
            assert_eq!(movie(&unknown, &[]), None);
        }
        assert_eq!(
            movie(&wide(1, u64::MAX - 1), &[]),
            None,
            "more than the largest duration"
        );
        assert_eq!(movie(&narrow(600, 3600)[..18], &[]), None, "cut off");
    }

    #[test]
    fn matroska_segment_size_counts_unless_unknown() {
        let header = [0x1a, 0x45, 0xdf, 0xa3, 0x81, 0];
        let known = [&header[..], &[0x18, 0x53, 0x80, 0x67, 0x8a], &[0; 4]].concat();
        let len = known.len() as u64;
        let got = outline_matroska(&mut Cursor::new(known), len).unwrap();
        assert_eq!(got.expected_len, Some(11 + 10));
        let unknown = [&header[..], &[0x18, 0x53, 0x80, 0x67, 0xff], &[0; 4]].concat();
        let got = outline_matroska(&mut Cursor::new(unknown), 15).unwrap();
        assert_eq!((got.has_index, got.expected_len), (true, None));
    }
}
