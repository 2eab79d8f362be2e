//! A look at the tables of an MP4 before libav allocates for them.
//!
//! libav believes what the tables count: a file of one kilobyte can make it fill gigabytes with the places of
//! samples that are not there. Here the counts are added up first, wherever in the headers they stand: libav
//! takes a table in places where no standard has it, so the bytes are searched, not the tree of boxes.

use std::io::{self, Read, Seek, SeekFrom};

use super::outline;
use crate::media::libav::demuxer::MAX_STREAMS;

/// Samples of all tracks: more than eight hours of picture and sound. libav needs up to 80 bytes for each.
const MAX_SAMPLES: u64 = 2_000_000;
/// Everything that is not media: the headers of eight hours have a tenth of this.
const MAX_HEADERS: u64 = 64 << 20;
/// Bytes after its name in which a table tells its count, with the name.
const TAIL: usize = 24;
const STEP: usize = 256 << 10;

/// Where the names of boxes stand that libav must not follow.
pub(crate) type Masked = Vec<u64>;

/// Refuses, in words, what libav would need too much memory for.
pub(crate) fn admit_mov(reader: &mut (impl Read + Seek), len: u64) -> io::Result<Result<Masked, String>> {
    let mut look = Look::default();
    let (mut at, mut headers) = (0_u64, 0_u64);
    while let Some(found) = outline::next_box(reader, at, len)? {
        let end = found.end.min(len);
        // Of these libav reads nothing that counts, and padding may be large.
        if !matches!(&found.kind, b"mdat" | b"free" | b"skip") {
            headers += end.saturating_sub(at);
            if headers > MAX_HEADERS {
                let most = MAX_HEADERS >> 20;
                return Ok(Err(format!("its headers take more than {most} MiB")));
            }
            look.over(reader, at, end)?;
            if look.tracks.len() > MAX_STREAMS {
                return Ok(Err(format!("more than {MAX_STREAMS} streams")));
            }
        }
        at = found.end;
    }
    let verdict = look.judge(reader, len)?;
    reader.seek(SeekFrom::Start(0))?;
    Ok(verdict.map(|()| look.masked))
}

#[derive(Debug, Default)]
struct Look {
    tracks: Vec<Track>,
    fragments: u64,
    masked: Masked,
    refused: Option<&'static str>,
}

/// What the tables of one track count: of several of a kind, the most.
#[derive(Debug, Default)]
struct Track {
    /// Where its box begins.
    at: u64,
    samples: u64,
    edits: u64,
    chunks: u64,
    /// Where the tables of samples by chunk begin, and how many rows they have.
    by_chunk: Vec<(u64, u64)>,
    has_picture: bool,
    has_long_samples: bool,
}

impl Look {
    /// Searches the bytes from `from` to `to`.
    fn over(&mut self, reader: &mut (impl Read + Seek), from: u64, to: u64) -> io::Result<()> {
        reader.seek(SeekFrom::Start(from))?;
        let mut window: Vec<u8> = Vec::with_capacity(STEP + TAIL);
        let (mut start, mut rest) = (from, to.saturating_sub(from));
        loop {
            let want = (STEP as u64).min(rest);
            let read = reader.by_ref().take(want).read_to_end(&mut window)? as u64;
            rest -= read;
            let is_last = rest == 0 || read < want;
            // A name whose count may not be here yet is left for the next round.
            let done = if is_last {
                window.len()
            } else {
                window.len().saturating_sub(TAIL)
            };
            for (at, bytes) in (start..).zip(window.windows(4)).take(done) {
                if let [b'c' | b'e' | b'h' | b's' | b't', ..] = bytes {
                    let offset = usize::try_from(at - start).unwrap_or(usize::MAX);
                    self.name(bytes, window.get(offset + 4..).unwrap_or_default(), at);
                }
            }
            if is_last {
                return Ok(());
            }
            window.drain(..done);
            start += done as u64;
        }
    }

    fn name(&mut self, name: &[u8], rest: &[u8], at: u64) {
        let number = |at: usize| word(rest, at);
        match name {
            b"trak" => self.tracks.push(Track {
                at: at.saturating_sub(4),
                ..Track::default()
            }),
            b"trun" => self.fragments = self.fragments.saturating_add(number(4)),
            // An index of segments sends libav anywhere in the file, to tables that nobody looked at. Groups
            // of open starts make it unroll what is told in runs. It does well without either.
            b"sidx" => self.masked.push(at),
            b"sbgp" if rest.get(4..8) == Some(b"sync") => self.masked.push(at),
            b"cmov" => self.refused = Some("its index is compressed, which is not read"),
            b"senc" | b"saiz" => self.refused = Some("it is encrypted, which is not read"),
            _ => {}
        }
        let Some(track) = self.tracks.last_mut() else {
            return;
        };
        match name {
            b"stsz" | b"stz2" => track.samples = track.samples.max(number(8)),
            b"elst" => track.edits = track.edits.max(number(4)),
            b"stco" | b"co64" => track.chunks = track.chunks.max(number(4)),
            b"stsc" => track.by_chunk.push((at + 12, number(4))),
            b"stts" => track.has_long_samples |= number(4) != 1 || number(12) != 1,
            b"hdlr" => {
                track.has_picture |= matches!(rest.get(8..12), Some(b"vide" | b"subp" | b"clcp"));
            }
            _ => {}
        }
    }

    fn judge(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<Result<(), String>> {
        if let Some(refused) = self.refused {
            return Ok(Err(refused.to_owned()));
        }
        let mut places = self.fragments;
        for track in &self.tracks {
            places = places.saturating_add(track.places(reader, len)?);
        }
        if places > MAX_SAMPLES {
            return Ok(Err(format!("its index counts more than {MAX_SAMPLES} samples")));
        }
        Ok(Ok(()))
    }
}

impl Track {
    /// How many places libav will keep for it.
    fn places(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<u64> {
        let mut samples = self.samples;
        if samples > MAX_SAMPLES
            && !self.has_picture
            && !self.has_long_samples
            && self.is_sound(reader, len)?
        {
            // Bare sound has a sample each tick; libav keeps a place for 512 of them or more.
            let most = self.most_in_a_chunk(reader)?;
            samples = self.chunks.saturating_mul(most / 512 + 1);
        }
        // Each edit may show all of it once more.
        Ok(samples.saturating_mul(self.edits.max(1)))
    }

    /// Whether its handler, in the place where libav finds it first, is for sound.
    fn is_sound(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<bool> {
        let inner = |reader: &mut _, (mut at, end): (u64, u64), kind: &[u8; 4]| {
            while let Some(found) = outline::next_box(reader, at, end)? {
                if &found.kind == kind {
                    return io::Result::Ok(Some((found.body, found.end.min(end))));
                }
                at = found.end;
            }
            Ok(None)
        };
        let Some(track) = outline::next_box(reader, self.at, len)? else {
            return Ok(false);
        };
        let Some(media) = inner(reader, (track.body, track.end.min(len)), b"mdia")? else {
            return Ok(false);
        };
        let Some((handler, _)) = inner(reader, media, b"hdlr")? else {
            return Ok(false);
        };
        let mut kind = [0; 4];
        reader.seek(SeekFrom::Start(handler + 8))?;
        Ok(reader.read_exact(&mut kind).is_ok() && &kind == b"soun")
    }

    /// The most samples that a chunk has.
    fn most_in_a_chunk(&self, reader: &mut (impl Read + Seek)) -> io::Result<u64> {
        let mut most = 0;
        // Two tables in a track are one too many, so this reads the headers again twice at the most.
        for &(at, rows) in self.by_chunk.iter().take(2) {
            reader.seek(SeekFrom::Start(at))?;
            let mut rest = reader.by_ref().take(rows.saturating_mul(12).min(MAX_HEADERS));
            let mut row = [0; 12];
            while rest.read_exact(&mut row).is_ok() {
                most = most.max(word(&row, 4));
            }
        }
        Ok(if self.by_chunk.len() > 2 { u64::MAX } else { most })
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes(), kind, body].concat()
    }

    fn table(kind: &[u8], numbers: &[u32]) -> Vec<u8> {
        let body: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        boxed(kind, &body)
    }

    fn admit(clip: Vec<u8>) -> Result<Masked, String> {
        let len = clip.len() as u64;
        admit_mov(&mut Cursor::new(clip), len).unwrap()
    }

    /// A track whose samples all have one size, with that handler.
    fn track(handler: &[u8], samples: u32, of_a_chunk: u32, ticks: u32) -> Vec<u8> {
        let handler = boxed(b"hdlr", &[&[0; 8], handler, &[0; 12]].concat());
        let tables = [
            table(b"stts", &[0, 1, samples, ticks]),
            table(b"stsc", &[0, 1, 1, of_a_chunk, 1]),
            table(b"stsz", &[0, 1, samples]),
            table(b"stco", &[0, 10]),
        ];
        let media = boxed(
            b"mdia",
            &[handler, boxed(b"minf", &boxed(b"stbl", &tables.concat()))].concat(),
        );
        boxed(b"trak", &media)
    }

    fn clip(tracks: &[Vec<u8>]) -> Vec<u8> {
        [boxed(b"ftyp", b"isom"), boxed(b"moov", &tracks.concat())].concat()
    }

    #[test]
    fn samples_are_counted_over_all_tracks() {
        assert_eq!(admit(clip(&[track(b"vide", 1_000_000, 10, 40)])), Ok(vec![]));
        let two = clip(&[
            track(b"vide", 1_000_001, 10, 40),
            track(b"soun", 1_000_000, 10, 1024),
        ]);
        assert!(admit(two).unwrap_err().contains("2000000 samples"));
    }

    #[test]
    fn bare_sound_counts_by_its_chunks_and_nothing_else_passes_for_it() {
        // Ten minutes at 48 kHz.
        assert_eq!(admit(clip(&[track(b"soun", 28_800_000, 24_000, 1)])), Ok(vec![]));
        assert!(admit(clip(&[track(b"soun", 28_800_000, 200_000_000, 1)])).is_err());
        assert!(admit(clip(&[track(b"soun", 28_800_000, 24_000, 2)])).is_err());
        assert!(admit(clip(&[track(b"vide", 28_800_000, 24_000, 1)])).is_err());
        assert!(admit(clip(&[track(b"text", 28_800_000, 24_000, 1)])).is_err());
        // A handler that only seems to be there.
        let mut hidden = track(b"text", 28_800_000, 24_000, 1);
        let hide = boxed(
            b"free",
            &boxed(b"hdlr", &[&[0; 8][..], b"soun", &[0; 12]].concat()),
        );
        hidden.splice(8..8, hide.iter().copied());
        let size = u32::try_from(hidden.len()).unwrap();
        hidden[..4].copy_from_slice(&size.to_be_bytes());
        assert!(admit(clip(&[hidden])).is_err());
    }

    #[test]
    fn edits_multiply() {
        let edits = boxed(b"edts", &table(b"elst", &[0, 3, 1, 0, 1 << 16]));
        let mut track = track(b"vide", 900_000, 10, 40);
        track.extend(edits);
        let size = u32::try_from(track.len()).unwrap();
        track[..4].copy_from_slice(&size.to_be_bytes());
        assert!(admit(clip(&[track])).is_err());
    }

    #[test]
    fn names_that_lead_elsewhere_are_found_across_the_window() {
        for before in [0, STEP - 40, STEP - 12, STEP - 8, STEP - 6, STEP - 2, STEP + 1] {
            let padding = boxed(b"udta", &vec![0; before]);
            let clip = [
                boxed(
                    b"moov",
                    &[padding, boxed(b"xxxx", &table(b"trun", &[1, 3_000_000]))].concat(),
                ),
                table(b"sidx", &[0, 1, 1, 0, 0, 0]),
            ]
            .concat();
            assert!(admit(clip.clone()).is_err(), "{before}");
            let clip: Vec<u8> = clip.iter().map(|b| if *b == b'r' { b'x' } else { *b }).collect();
            let at = clip.windows(4).position(|four| four == b"sidx").unwrap() as u64;
            assert_eq!(admit(clip), Ok(vec![at]), "{before}");
        }
    }

    #[test]
    fn padding_and_media_may_be_large_and_headers_may_not() {
        for (kind, good) in [(b"free", true), (b"mdat", true), (b"meta", false)] {
            let head = [&(0x0500_0008_u32).to_be_bytes()[..], kind].concat();
            let start = [boxed(b"moov", &[]), head].concat();
            let mut clip = start;
            clip.resize(clip.len() + 0x0500_0000, 0);
            assert_eq!(admit(clip).is_ok(), good, "{kind:?}");
        }
    }
}
