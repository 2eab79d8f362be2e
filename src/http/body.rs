//! Request bodies that are sent as they are made: files and base64 on the fly, of known length, never a
//! whole copy in memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use crate::error::{Error, ErrorKind};

/// Bytes read at a time. A multiple of three, so that base64 has no padding before its end.
const CHUNK: usize = 384 * 1024;

/// Content in memory or in a file of this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Memory(Bytes),
    /// A file and the length it had when it was looked at.
    File {
        path: PathBuf,
        length: u64,
    },
}

impl Content {
    pub(crate) const fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes)", self.len())
    }
}

/// One piece of a body.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(Bytes),
    Raw(Content),
    Base64(Content),
}

impl Piece {
    const fn len(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Raw(content) => content.len(),
            Self::Base64(content) => content.len().div_ceil(3) * 4,
        }
    }
}

/// A body that can be sent again from its beginning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pieces: Vec<Piece>,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            pieces: vec![Piece::Text(bytes)],
        }
    }
}

impl From<Vec<Piece>> for Body {
    fn from(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }
}

/// Where a body that could not be read to its end leaves its reason: the request it belonged to was
/// never complete, so the service cannot have taken it.
pub(super) type Broken = Arc<Mutex<Option<Error>>>;

impl Body {
    /// The exact length.
    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// The bytes, made while they are sent.
    pub(super) fn stream(
        &self,
    ) -> (
        impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static,
        Broken,
    ) {
        let broken = Broken::default();
        let told = Arc::clone(&broken);
        let pieces = stream::iter(self.pieces.clone()).flat_map(chunks);
        let stream = pieces.map(move |chunk| {
            chunk.map_err(|error| {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                BrokenOff
            })
        });
        (stream, broken)
    }
}

/// What the connection is told when a body ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the content could not be read to its end")]
pub(super) struct BrokenOff;

/// One piece, a chunk at a time.
fn chunks(piece: Piece) -> stream::BoxStream<'static, Result<Bytes, Error>> {
    match piece {
        Piece::Text(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Piece::Raw(Content::Memory(bytes)) => stream::once(async { Ok(bytes) }).boxed(),
        Piece::Raw(Content::File { path, length }) => read(path, length, Bytes::from).boxed(),
        Piece::Base64(Content::Memory(bytes)) => {
            let parts = (0..bytes.len())
                .step_by(CHUNK)
                .map(move |at| Ok(base64(&bytes[at..bytes.len().min(at + CHUNK)])));
            stream::iter(parts).boxed()
        }
        Piece::Base64(Content::File { path, length }) => read(path, length, |chunk| base64(&chunk)).boxed(),
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn base64(bytes: &[u8]) -> Bytes {
    use base64::engine::{Simd, general_purpose::PAD};
    Simd::standard(PAD).encode(bytes).into()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn base64(bytes: &[u8]) -> Bytes {
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// A file that is being read, and how much of it is to come.
struct Reading {
    path: PathBuf,
    file: Option<File>,
    rest: u64,
}

impl Reading {
    /// The next bytes: as many as a chunk has, but for the last one. `None` at the end, which must be where it
    /// was when the file was looked at.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Self { path, file, rest } = self;
        let failed = |error: io::Error| {
            Error::new(ErrorKind::InvalidRequest, format!("read {}", path.display())).with_source(error)
        };
        let file = match file {
            Some(file) => file,
            None => file.insert(File::open(&*path).map_err(failed)?),
        };
        let want = (*rest).min(CHUNK as u64);
        // At the end one more, which is not to be there.
        let ask = want.max(1);
        let mut chunk = Vec::with_capacity(usize::try_from(ask).unwrap_or(CHUNK));
        let read = file.take(ask).read_to_end(&mut chunk).map_err(failed)? as u64;
        if read != want {
            return Err(changed(path));
        }
        *rest -= read;
        Ok((read > 0).then_some(chunk))
    }
}

/// The chunks of a file, each made into what is sent. While one is on its way the next one is read, on a thread
/// that may wait.
fn read(
    path: PathBuf,
    length: u64,
    made: fn(Vec<u8>) -> Bytes,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let begin = move |mut reading: Reading| {
        crate::host::spawn_blocking(move || {
            let chunk = reading.next();
            chunk.map(|chunk| chunk.map(|chunk| (made(chunk), reading)))
        })
    };
    let first = begin(Reading {
        path,
        file: None,
        rest: length,
    });
    stream::try_unfold(first, move |chunk| async move {
        let read = chunk
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Stopped, "read what is sent: broken off")));
        Ok(read?.map(|(chunk, reading)| (chunk, begin(reading))))
    })
}

fn changed(path: &std::path::Path) -> Error {
    Error::invalid(format!(
        "read {}: the file changed while it was being sent",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    async fn collect(body: &Body) -> Result<Vec<u8>, Error> {
        let (stream, broken) = body.stream();
        let mut out = Vec::new();
        let mut stream = std::pin::pin!(stream);
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => out.extend_from_slice(&chunk),
                Err(_) => return Err(broken.lock().unwrap().take().unwrap()),
            }
        }
        Ok(out)
    }

    #[tokio::test]
    async fn base64_in_chunks_is_base64_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let bytes: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
            let path = folder.path().join(length.to_string());
            std::fs::write(&path, &bytes).unwrap();
            let file = Content::File {
                path,
                length: length as u64,
            };
            let expected = [
                b"\"".as_slice(),
                STANDARD.encode(&bytes).as_bytes(),
                bytes.as_slice(),
            ]
            .concat();
            for content in [file, Content::Memory(bytes.into())] {
                let body = Body::from(vec![
                    Piece::Text(Bytes::from_static(b"\"")),
                    Piece::Base64(content.clone()),
                    Piece::Raw(content),
                ]);
                assert_eq!(body.len(), expected.len() as u64);
                assert_eq!(collect(&body).await.unwrap(), expected, "{length}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_grew_or_shrank_is_not_sent_as_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, b"0123456789").unwrap();
        for length in [9, 11] {
            let body = Body::from(vec![Piece::Raw(Content::File {
                path: path.clone(),
                length,
            })]);
            let error = collect(&body).await.unwrap_err();
            assert!(error.to_string().contains("changed"), "{error}");
        }
    }
}
