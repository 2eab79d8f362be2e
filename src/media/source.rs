//! The bytes of a clip or picture: where they come from, and their format by the first bytes.
//!
//! Knows nothing about the content of a format. Every read goes through [`GuardedReader`], which enforces the limits of the
//! call.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::limits::{CallLimits, MediaOptions};
use crate::error::{Error, Result};

/// A clip or a picture to read: a file, bytes in memory, or any reader.
///
/// The format is detected from the content only; the extension of a file name is ignored.
pub struct MediaSource {
    name: String,
    input: Input,
    stop: Option<Stop>,
}

/// A function that makes a blocked reader give up.
pub(super) type Stop = Box<dyn FnOnce() + Send>;

enum Input {
    Path(PathBuf),
    Bytes(Bytes),
    Reader(Box<dyn ReadSeek>),
}

pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl MediaSource {
    /// Reads from `reader`, which must block and support seeking. Messages call it `name`.
    pub fn reader(name: impl Into<String>, reader: impl Read + Seek + Send + 'static) -> Self {
        Self {
            name: name.into(),
            input: Input::Reader(Box::new(reader)),
            stop: None,
        }
    }

    /// Sets a function that makes a blocked reader give up.
    ///
    /// It is called once, from another thread, when the call is past its deadline or was interrupted. Without it, a
    /// blocked reader keeps its thread for as long as it blocks.
    pub fn on_stop(mut self, stop: impl FnOnce() + Send + 'static) -> Self {
        self.stop = Some(Box::new(stop));
        self
    }

    /// Takes the function that was set with [`on_stop`](Self::on_stop).
    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// Reads from memory. Messages call the bytes `name`.
    pub fn named_bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            input: Input::Bytes(bytes.into()),
            stop: None,
        }
    }

    /// Sets the name for messages, for example in place of a temporary path.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Returns the name for messages: the path, the name that was set, or `bytes in memory`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSource")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl From<PathBuf> for MediaSource {
    fn from(path: PathBuf) -> Self {
        Self {
            name: path.display().to_string(),
            input: Input::Path(path),
            stop: None,
        }
    }
}

impl From<&Path> for MediaSource {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl From<&PathBuf> for MediaSource {
    fn from(path: &PathBuf) -> Self {
        path.clone().into()
    }
}

impl From<Bytes> for MediaSource {
    fn from(bytes: Bytes) -> Self {
        Self::named_bytes("bytes in memory", bytes)
    }
}

impl From<Vec<u8>> for MediaSource {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

/// A container or picture format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Mov,
    Matroska,
    Png,
    Jpeg,
    WebP,
}

impl Format {
    /// Returns whether this is the format of a still picture.
    pub(super) fn is_picture(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::WebP)
    }

    /// Returns the name of the format in a [`Probe`](super::Probe).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mov => "mp4",
            Self::Matroska => "matroska",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
        }
    }

    /// Detects the format from the first bytes. The error says what they are instead.
    fn sniff(head: &[u8]) -> Result<Self, &'static str> {
        let boxed = head.get(4..8).unwrap_or_default();
        let brand = head.get(8..12).unwrap_or_default();
        match head {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Ok(Self::Matroska),
            [b'R', b'I', b'F', b'F', ..] if brand == b"WEBP" => Ok(Self::WebP),
            [b'R', b'I', b'F', b'F', ..] if brand == b"AVI " => Err("an AVI file"),
            [b'G', b'I', b'F', b'8', ..] => Err("a GIF picture"),
            [b'P', b'K', 3, 4, ..] => Err("a ZIP archive"),
            [b'%', b'P', b'D', b'F', ..] => Err("a PDF document"),
            [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf1 | 0xf9, ..] => Err("audio without a picture"),
            _ if boxed == b"ftyp" && matches!(brand, b"avif" | b"avis" | b"heic" | b"heix" | b"mif1") => {
                Err("an AVIF or HEIC picture")
            }
            _ if matches!(
                boxed,
                b"ftyp"
                    | b"moov"
                    | b"mdat"
                    | b"free"
                    | b"skip"
                    | b"wide"
                    | b"styp"
                    | b"moof"
                    | b"sidx"
                    | b"pnot"
            ) =>
            {
                Ok(Self::Mov)
            }
            _ if head.trim_ascii_start().starts_with(b"<") => Err("an HTML or XML page"),
            _ if head.trim_ascii_start().starts_with(b"{") => Err("JSON text"),
            _ if head.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..)) => Err("text"),
            _ => Err("of an unknown kind"),
        }
    }
}

/// Maximum size of a picture file: about that of the largest allowed picture without compression.
const MAX_PICTURE_BYTES: u64 = 256 << 20;

/// An open source at position 0, with its length and format.
pub(super) struct OpenSource {
    pub(super) reader: GuardedReader,
    pub(super) len: u64,
    pub(super) format: Format,
    pub(super) limits: CallLimits,
}

impl OpenSource {
    /// Reads the whole content. The decoders of pictures need it in one piece.
    pub(super) fn into_bytes(mut self) -> Result<(Bytes, Format, CallLimits)> {
        let max = self.limits.max_decoded_bytes().min(MAX_PICTURE_BYTES);
        if self.len > max {
            let cause = format!("a picture of {} bytes is more than the limit of {max}", self.len);
            return Err(self.limits.error("read", cause));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.len).unwrap_or(0).min(64 << 20));
        let read = (&mut self.reader).take(self.len).read_to_end(&mut bytes);
        read.map_err(|e| self.limits.error("read", e))?;
        Ok((bytes.into(), self.format, self.limits))
    }
}

/// Opens a source and detects its format. Fails with one line that names the source if it cannot be a clip or a picture.
pub(super) fn open(source: MediaSource, options: &MediaOptions) -> Result<OpenSource> {
    const WANTED: &str = "give an MP4, MOV, WebM or MKV clip, or a PNG, JPEG or WebP picture";
    let MediaSource { name, input, .. } = source;
    let bad = |what: &str| Error::media(format!("open {name}: {what}; {WANTED}"));
    let io_error = |e: &io::Error| match e.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("open {name}: no such file; {WANTED}")),
        io::ErrorKind::IsADirectory => bad("is a folder"),
        _ => Error::media(format!("open {name}: {e}")),
    };
    let limits = options.start_call(&name);
    limits.check()?;
    let inner: Box<dyn ReadSeek> = match input {
        Input::Bytes(bytes) => Box::new(Cursor::new(bytes)),
        Input::Reader(reader) => reader,
        Input::Path(path) => {
            // Opening a pipe or a device could block, and the deadline cannot interrupt open(2).
            let meta = std::fs::metadata(&path).map_err(|e| io_error(&e))?;
            if meta.is_dir() {
                return Err(bad("is a folder"));
            }
            if !meta.is_file() {
                return Err(bad("is not a regular file"));
            }
            Box::new(File::open(&path).map_err(|e| io_error(&e))?)
        }
    };
    let mut reader = GuardedReader {
        inner,
        limits: limits.clone(),
        at: 0,
        masked: Vec::new(),
    };
    let mut head = Vec::with_capacity(64);
    let len = reader.seek(SeekFrom::End(0)).and_then(|len| {
        reader.seek(SeekFrom::Start(0))?;
        (&mut reader).take(64).read_to_end(&mut head)?;
        reader.seek(SeekFrom::Start(0))?;
        Ok(len)
    });
    let len = len.map_err(|e| limits.error("read", e))?;
    if head.is_empty() {
        return Err(bad("is empty"));
    }
    let format = Format::sniff(&head).map_err(|what| bad(&format!("is {what}")))?;
    Ok(OpenSource {
        reader,
        len,
        format,
        limits,
    })
}

/// A reader that enforces the limits of a call and hides parts of the file from libav.
///
/// Once the call must stop or has used its read allowance, every read fails, so that libav cannot continue.
pub(super) struct GuardedReader {
    inner: Box<dyn ReadSeek>,
    limits: CallLimits,
    /// The position in the file.
    at: u64,
    /// Offsets of the box names to hide, ascending.
    masked: Vec<u64>,
}

impl GuardedReader {
    /// Reads the box names at these offsets, which must ascend, as `skip` from now on.
    pub(super) fn mask(&mut self, offsets: Vec<u64>) {
        self.masked = offsets;
    }

    fn check(&self) -> io::Result<()> {
        // Not `ErrorKind::Interrupted`: readers retry on that kind without end.
        if self.limits.must_stop() {
            Err(io::Error::other("interrupted or past the deadline"))
        } else {
            Ok(())
        }
    }

    /// Overwrites the masked names in bytes that were read from offset `from`.
    fn hide_masked(&self, from: u64, read: &mut [u8]) {
        let first = self.masked.partition_point(|offset| offset + 4 <= from);
        let end = from + read.len() as u64;
        for offset in self.masked.iter().skip(first).take_while(|offset| **offset < end) {
            for (at, byte) in (*offset..).zip(b"skip") {
                let index = at.checked_sub(from).and_then(|index| usize::try_from(index).ok());
                if let Some(slot) = index.and_then(|index| read.get_mut(index)) {
                    *slot = *byte;
                }
            }
        }
    }
}

impl Read for GuardedReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let read = self.inner.read(buf)?;
        if !self.limits.use_read_allowance(read) {
            return Err(io::Error::other("more bytes than the read allowance"));
        }
        if let Some(part) = buf.get_mut(..read) {
            self.hide_masked(self.at, part);
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for GuardedReader {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.check()?;
        self.at = self.inner.seek(pos)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_detected_from_the_first_bytes() {
        for (head, format) in [
            (&b"\0\0\0\x20ftypisom"[..], Ok(Format::Mov)),
            (b"\x1a\x45\xdf\xa3....", Ok(Format::Matroska)),
            (b"\x89PNG\r\n\x1a\n", Ok(Format::Png)),
            (b"\xff\xd8\xff\xe0", Ok(Format::Jpeg)),
            (b"RIFF....WEBPVP8 ", Ok(Format::WebP)),
            (b"\0\0\0\x20ftypavif", Err("an AVIF or HEIC picture")),
            (b"  <html>", Err("an HTML or XML page")),
            (b"{\"error\":1}", Err("JSON text")),
            (b"#EXTM3U\nhttp://x/", Err("text")),
            (b"ffconcat version 1.0", Err("text")),
            (b"\x47\0\x01", Err("of an unknown kind")),
        ] {
            assert_eq!(Format::sniff(head), format, "{head:?}");
        }
    }

    #[test]
    fn masked_names_are_hidden_however_they_are_read() {
        let bytes: Vec<u8> = b"....sidx......sidx..".to_vec();
        for step in 1..=bytes.len() {
            let mut opened = GuardedReader {
                inner: Box::new(Cursor::new(bytes.clone())),
                limits: MediaOptions::new().start_call("x"),
                at: 0,
                masked: vec![4, 14],
            };
            let mut read = Vec::new();
            let mut part = vec![0; step];
            loop {
                let count = opened.read(&mut part).unwrap();
                if count == 0 {
                    break;
                }
                read.extend_from_slice(&part[..count]);
            }
            assert_eq!(read, b"....skip......skip..", "{step} at a time");
        }
    }
}
