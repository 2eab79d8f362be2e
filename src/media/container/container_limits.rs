//! Limits on the tables of an MP4, checked before libav allocates memory for them.
//!
//! libav trusts the counts in the tables: a file of one kilobyte can make it fill gigabytes with index entries of samples
//! that do not exist. So the counts are added up first. libav accepts a table even where no standard allows it, so all
//! bytes of the headers are searched for tables, not the tree of boxes.

use std::io::{self, Read, Seek, SeekFrom};

use super::boxes::next_box;
use crate::media::libav::demuxer::MAX_STREAMS;

/// Maximum samples of all tracks, enough for eight hours of video and audio. libav needs up to 80 bytes for each.
const MAX_SAMPLES: u64 = 2_000_000;
/// Maximum bytes that are not media. The headers of eight hours have a tenth of this.
const MAX_HEADERS: u64 = 64 << 20;
/// Bytes from the name of a table to the end of its counts.
const TABLE_HEAD: usize = 24;
/// Bytes to read at once.
const CHUNK: usize = 256 << 10;

/// Checks that libav can open an MP4 or MOV with limited memory.
///
/// Returns the offsets of the names of boxes to hide from libav, or the reason why the file is refused.
pub(crate) fn check_mov(reader: &mut (impl Read + Seek), len: u64) -> io::Result<Result<Vec<u64>, String>> {
    let mut search = TableSearch::default();
    let (mut at, mut headers) = (0_u64, 0_u64);
    while let Some(found) = next_box(reader, at, len)? {
        let end = found.end.min(len);
        // libav reads no tables in these, and padding may be large.
        if !matches!(&found.kind, b"mdat" | b"free" | b"skip") {
            headers += end.saturating_sub(at);
            if headers > MAX_HEADERS {
                let max = MAX_HEADERS >> 20;
                return Ok(Err(format!("its headers take more than {max} MiB")));
            }
            search.search(reader, at, end)?;
            if search.tracks.len() > MAX_STREAMS {
                return Ok(Err(format!("more than {MAX_STREAMS} streams")));
            }
        }
        at = found.end;
    }
    let result = search.check(reader, len)?;
    reader.seek(SeekFrom::Start(0))?;
    Ok(result.map(|()| search.masked))
}

#[derive(Debug, Default)]
struct TableSearch {
    tracks: Vec<Track>,
    /// Samples of all fragments.
    fragment_samples: u64,
    /// Offsets of the names of boxes that libav must not read.
    masked: Vec<u64>,
    refused: Option<&'static str>,
}

/// The counts in the tables of one track. Of several tables of a kind, the largest count.
#[derive(Debug, Default)]
struct Track {
    /// The offset of its box.
    at: u64,
    samples: u64,
    edits: u64,
    chunks: u64,
    /// The offsets and row counts of its tables of samples per chunk.
    samples_per_chunk: Vec<(u64, u64)>,
    has_picture: bool,
    has_long_samples: bool,
}

impl TableSearch {
    /// Searches the bytes from `from` to `to` for tables.
    fn search(&mut self, reader: &mut (impl Read + Seek), from: u64, to: u64) -> io::Result<()> {
        reader.seek(SeekFrom::Start(from))?;
        let mut window: Vec<u8> = Vec::with_capacity(CHUNK + TABLE_HEAD);
        let (mut start, mut rest) = (from, to.saturating_sub(from));
        loop {
            let want = (CHUNK as u64).min(rest);
            let read = reader.by_ref().take(want).read_to_end(&mut window)? as u64;
            rest -= read;
            let is_last = rest == 0 || read < want;
            // A name near the end is left for the next round, which will have read its count.
            let done = if is_last {
                window.len()
            } else {
                window.len().saturating_sub(TABLE_HEAD)
            };
            for (at, bytes) in (start..).zip(window.windows(4)).take(done) {
                if let [b'c' | b'e' | b'h' | b's' | b't', ..] = bytes {
                    let offset = usize::try_from(at - start).unwrap_or(usize::MAX);
                    self.add_table(bytes, window.get(offset + 4..).unwrap_or_default(), at);
                }
            }
            if is_last {
                return Ok(());
            }
            window.drain(..done);
            start += done as u64;
        }
    }

    /// Adds the counts of the table `name`, if it is the name of a table. `rest` follows the name, which is at `at`.
    fn add_table(&mut self, name: &[u8], rest: &[u8], at: u64) {
        let number = |at: usize| word(rest, at);
        match name {
            b"trak" => self.tracks.push(Track {
                at: at.saturating_sub(4),
                ..Track::default()
            }),
            b"trun" => self.fragment_samples = self.fragment_samples.saturating_add(number(4)),
            // An index of segments could lead libav to tables that were not checked, and groups of sync samples make it
            // expand run lengths into entries. It needs neither.
            b"sidx" => self.masked.push(at),
            b"sbgp" if rest.get(4..8) == Some(b"sync") => self.masked.push(at),
            b"cmov" => self.refused = Some("its index is compressed, which is not supported"),
            b"senc" | b"saiz" => self.refused = Some("it is encrypted, which is not supported"),
            _ => {}
        }
        let Some(track) = self.tracks.last_mut() else {
            return;
        };
        match name {
            b"stsz" | b"stz2" => track.samples = track.samples.max(number(8)),
            b"elst" => track.edits = track.edits.max(number(4)),
            b"stco" | b"co64" => track.chunks = track.chunks.max(number(4)),
            b"stsc" => track.samples_per_chunk.push((at + 12, number(4))),
            b"stts" => track.has_long_samples |= number(4) != 1 || number(12) != 1,
            b"hdlr" => {
                track.has_picture |= matches!(rest.get(8..12), Some(b"vide" | b"subp" | b"clcp"));
            }
            _ => {}
        }
    }

    /// Returns the reason why the file is refused, if there is one.
    fn check(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<Result<(), String>> {
        if let Some(refused) = self.refused {
            return Ok(Err(refused.to_owned()));
        }
        let mut entries = self.fragment_samples;
        for track in &self.tracks {
            entries = entries.saturating_add(track.index_entries(reader, len)?);
        }
        if entries > MAX_SAMPLES {
            return Ok(Err(format!("its index counts more than {MAX_SAMPLES} samples")));
        }
        Ok(Ok(()))
    }
}

impl Track {
    /// Returns how many index entries libav will allocate for the track.
    fn index_entries(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<u64> {
        let mut samples = self.samples;
        if samples > MAX_SAMPLES
            && !self.has_picture
            && !self.has_long_samples
            && self.is_audio(reader, len)?
        {
            // PCM audio has one sample per tick, and libav makes one entry for 512 or more of them.
            let per_chunk = self.max_samples_per_chunk(reader)?;
            samples = self.chunks.saturating_mul(per_chunk / 512 + 1);
        }
        // Each edit may repeat the whole track.
        Ok(samples.saturating_mul(self.edits.max(1)))
    }

    /// Returns whether the handler that libav finds first is for audio.
    fn is_audio(&self, reader: &mut (impl Read + Seek), len: u64) -> io::Result<bool> {
        let inner = |reader: &mut _, (mut at, end): (u64, u64), kind: &[u8; 4]| {
            while let Some(found) = next_box(reader, at, end)? {
                if &found.kind == kind {
                    return io::Result::Ok(Some((found.body, found.end.min(end))));
                }
                at = found.end;
            }
            Ok(None)
        };
        let Some(track) = next_box(reader, self.at, len)? else {
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

    /// Returns the largest number of samples in a chunk.
    fn max_samples_per_chunk(&self, reader: &mut (impl Read + Seek)) -> io::Result<u64> {
        let mut max = 0;
        // A valid track has one table. Reading no more than two limits this to reading the headers twice.
        for &(at, rows) in self.samples_per_chunk.iter().take(2) {
            reader.seek(SeekFrom::Start(at))?;
            let mut rest = reader.by_ref().take(rows.saturating_mul(12).min(MAX_HEADERS));
            let mut row = [0; 12];
            while rest.read_exact(&mut row).is_ok() {
                max = max.max(word(&row, 4));
            }
        }
        Ok(if self.samples_per_chunk.len() > 2 {
            u64::MAX
        } else {
            max
        })
    }
}

/// Returns the big-endian 32-bit number at `at`, or 0 after the end.
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

    fn check(clip: Vec<u8>) -> Result<Vec<u64>, String> {
        let len = clip.len() as u64;
        check_mov(&mut Cursor::new(clip), len).unwrap()
    }

    /// A track with this handler, whose samples all have one size.
    fn track(handler: &[u8], samples: u32, per_chunk: u32, ticks: u32) -> Vec<u8> {
        let handler = boxed(b"hdlr", &[&[0; 8], handler, &[0; 12]].concat());
        let tables = [
            table(b"stts", &[0, 1, samples, ticks]),
            table(b"stsc", &[0, 1, 1, per_chunk, 1]),
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
        assert_eq!(check(clip(&[track(b"vide", 1_000_000, 10, 40)])), Ok(vec![]));
        let two = clip(&[
            track(b"vide", 1_000_001, 10, 40),
            track(b"soun", 1_000_000, 10, 1024),
        ]);
        assert!(check(two).unwrap_err().contains("2000000 samples"));
    }

    #[test]
    fn pcm_audio_counts_by_its_chunks_and_other_tracks_by_their_samples() {
        // Ten minutes at 48 kHz.
        assert_eq!(check(clip(&[track(b"soun", 28_800_000, 24_000, 1)])), Ok(vec![]));
        assert!(check(clip(&[track(b"soun", 28_800_000, 200_000_000, 1)])).is_err());
        assert!(check(clip(&[track(b"soun", 28_800_000, 24_000, 2)])).is_err());
        assert!(check(clip(&[track(b"vide", 28_800_000, 24_000, 1)])).is_err());
        assert!(check(clip(&[track(b"text", 28_800_000, 24_000, 1)])).is_err());
        // An audio handler in a place where libav does not read it.
        let mut hidden = track(b"text", 28_800_000, 24_000, 1);
        let hide = boxed(
            b"free",
            &boxed(b"hdlr", &[&[0; 8][..], b"soun", &[0; 12]].concat()),
        );
        hidden.splice(8..8, hide.iter().copied());
        let size = u32::try_from(hidden.len()).unwrap();
        hidden[..4].copy_from_slice(&size.to_be_bytes());
        assert!(check(clip(&[hidden])).is_err());
    }

    #[test]
    fn each_edit_repeats_the_track() {
        let edits = boxed(b"edts", &table(b"elst", &[0, 3, 1, 0, 1 << 16]));
        let mut track = track(b"vide", 900_000, 10, 40);
        track.extend(edits);
        let size = u32::try_from(track.len()).unwrap();
        track[..4].copy_from_slice(&size.to_be_bytes());
        assert!(check(clip(&[track])).is_err());
    }

    #[test]
    fn names_are_found_across_chunks() {
        for before in [
            0,
            CHUNK - 40,
            CHUNK - 12,
            CHUNK - 8,
            CHUNK - 6,
            CHUNK - 2,
            CHUNK + 1,
        ] {
            let padding = boxed(b"udta", &vec![0; before]);
            let clip = [
                boxed(
                    b"moov",
                    &[padding, boxed(b"xxxx", &table(b"trun", &[1, 3_000_000]))].concat(),
                ),
                table(b"sidx", &[0, 1, 1, 0, 0, 0]),
            ]
            .concat();
            assert!(check(clip.clone()).is_err(), "{before}");
            let clip: Vec<u8> = clip.iter().map(|b| if *b == b'r' { b'x' } else { *b }).collect();
            let at = clip.windows(4).position(|four| four == b"sidx").unwrap() as u64;
            assert_eq!(check(clip), Ok(vec![at]), "{before}");
        }
    }

    #[test]
    fn only_headers_are_limited_in_size() {
        for (kind, good) in [(b"free", true), (b"mdat", true), (b"meta", false)] {
            let head = [&(0x0500_0008_u32).to_be_bytes()[..], kind].concat();
            let start = [boxed(b"moov", &[]), head].concat();
            let mut clip = start;
            clip.resize(clip.len() + 0x0500_0000, 0);
            assert_eq!(check(clip).is_ok(), good, "{kind:?}");
        }
    }
}
