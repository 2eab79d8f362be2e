//! Streaming request bodies of known length.
//!
//! Reads files and encodes base64 in chunks while a body is sent, so that neither a file nor a base64 text is in memory
//! as a whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use crate::error::Error;

/// Bytes per chunk. A multiple of three, so that only the last chunk has base64 padding.
const CHUNK: usize = 384 * 1024;

/// Content in memory or in a local file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Memory(Bytes),
    /// A file and its length. Sending fails if the file has another length by then.
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

/// One piece of a body: text, unencoded content, or content encoded as base64.
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

/// A request body. It can be sent more than once.
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

impl Body {
    /// Returns the exact length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Returns the bytes as a stream, and a cell that holds the error if the content could not be read.
    ///
    /// The cell is needed because an HTTP/2 connection discards the error of a body. A request whose body fails is
    /// incomplete, so the service cannot have accepted it.
    pub(super) fn stream(
        &self,
    ) -> (
        impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        Arc<OnceLock<Error>>,
    ) {
        let body_error = Arc::<OnceLock<Error>>::default();
        let cell = Arc::clone(&body_error);
        let chunks = stream::iter(self.pieces.clone()).flat_map(stream_piece);
        let stream = chunks.map(move |chunk| {
            chunk.map_err(|error| {
                let _ = cell.set(error.clone());
                io::Error::other(error)
            })
        });
        (stream, body_error)
    }
}

/// Returns the chunks of a piece.
fn stream_piece(piece: Piece) -> stream::BoxStream<'static, Result<Bytes, Error>> {
    match piece {
        Piece::Text(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Piece::Raw(Content::Memory(bytes)) => stream::once(async { Ok(bytes) }).boxed(),
        Piece::Raw(Content::File { path, length }) => stream_file(path, length, Bytes::from).boxed(),
        Piece::Base64(Content::Memory(bytes)) => {
            let parts = (0..bytes.len())
                .step_by(CHUNK)
                .map(move |at| Ok(encode_base64(&bytes[at..bytes.len().min(at + CHUNK)])));
            stream::iter(parts).boxed()
        }
        Piece::Base64(Content::File { path, length }) => {
            stream_file(path, length, |chunk| encode_base64(&chunk)).boxed()
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn encode_base64(bytes: &[u8]) -> Bytes {
    use base64::engine::{Simd, general_purpose::PAD};
    Simd::standard(PAD).encode(bytes).into()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn encode_base64(bytes: &[u8]) -> Bytes {
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// Reads a file in chunks and checks its length.
struct FileReader {
    path: PathBuf,
    file: Option<File>,
    remaining: u64,
}

impl FileReader {
    /// Returns the next chunk, or `None` at the end of the file.
    ///
    /// # Errors
    /// `InvalidRequest` if the file cannot be read, or is shorter or longer than expected.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Self {
            path,
            file,
            remaining,
        } = self;
        let failed = |error: io::Error| Error::invalid(format!("read {}", path.display())).with_source(error);
        let file = match file {
            Some(file) => file,
            None => file.insert(File::open(&*path).map_err(failed)?),
        };
        let expected = (*remaining).min(CHUNK as u64);
        // At the end, one byte more is requested to detect a file that grew.
        let limit = expected.max(1);
        let mut chunk = Vec::with_capacity(usize::try_from(limit).unwrap_or(CHUNK));
        let read = file.take(limit).read_to_end(&mut chunk).map_err(failed)? as u64;
        if read != expected {
            return Err(Error::invalid(format!(
                "read {}: the file changed while it was being sent",
                path.display()
            )));
        }
        *remaining -= read;
        Ok((read > 0).then_some(chunk))
    }
}

/// Returns the encoded chunks of a file. Reads the next chunk on a blocking thread while the current one is sent.
fn stream_file(
    path: PathBuf,
    length: u64,
    encode: fn(Vec<u8>) -> Bytes,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let read_next = move |mut reader: FileReader| {
        crate::host::spawn_blocking(move || {
            let chunk = reader.next();
            chunk.map(|chunk| chunk.map(|chunk| (encode(chunk), reader)))
        })
    };
    let first = read_next(FileReader {
        path,
        file: None,
        remaining: length,
    });
    stream::try_unfold(first, move |chunk| async move {
        let read = chunk
            .await
            .unwrap_or_else(|_| Err(Error::stopped("read the request body: interrupted")));
        Ok(read?.map(|(chunk, reader)| (chunk, read_next(reader))))
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    async fn collect(body: &Body) -> Result<Vec<u8>, Error> {
        let (stream, body_error) = body.stream();
        let mut out = Vec::new();
        let mut stream = std::pin::pin!(stream);
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => out.extend_from_slice(&chunk),
                Err(_) => return Err(body_error.get().unwrap().clone()),
            }
        }
        Ok(out)
    }

    #[tokio::test]
    async fn base64_in_chunks_equals_base64_of_the_whole() {
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
    async fn a_file_that_grew_or_shrank_fails_the_body() {
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
