//! Reading the media of a request: everything is read and checked before anything is paid.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::VideoClient;
use super::measure::Whence;
use crate::error::{Error, ErrorKind, Result};
use crate::library::{InputRecord, InputTransport};
use crate::request::{
    GenerateInputs, GenerateMode, GenerateRequest, MediaContent, MediaInput, ResolvedKeyframe, ResolvedMedia,
    Transport,
};

/// Most bytes of one picture. The service's limit is not known; its limit for pictures that a
/// language model looks at is 20 MiB.
const MAX_PICTURE_BYTES: u64 = 20 << 20;
/// How records call the picture that is to be the first frame.
const START: &str = "image";
/// Most pixels of one picture: 8192 x 8192.
const MAX_PICTURE_PIXELS: u64 = 1 << 26;

/// The media of a request, ready to be sent, and what the records keep of them.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) media: GenerateInputs,
    pub(super) records: Vec<InputRecord>,
    pub(super) transports: Vec<InputTransport>,
    /// File name of the start image, where it is a file.
    pub(super) source_image: Option<String>,
    /// The start image, to compare the clip's first frame with.
    pub(super) start: Option<Whence>,
}

/// Reads and checks all media of a request.
///
/// # Errors
/// `InvalidRequest` or `NotFound`, naming the input, the file and what would be right.
pub(super) async fn generate(client: &VideoClient, request: &GenerateRequest) -> Result<Resolved> {
    let mut reader = Reader {
        client,
        resolved: Resolved::default(),
    };
    let mut media = GenerateInputs {
        voices: request.voices.clone(),
        ..GenerateInputs::default()
    };
    match &request.mode {
        GenerateMode::Text => {}
        GenerateMode::Image { image } => media.image = Some(reader.start_image(image).await?),
        GenerateMode::References { images, first_frame } => {
            if let Some(image) = first_frame {
                media.image = Some(reader.start_image(image).await?);
            }
            for (index, image) in images.iter().enumerate() {
                media
                    .references
                    .push(reader.picture(&format!("reference {}", index + 1), image).await?);
            }
        }
        GenerateMode::Frames {
            first,
            last,
            keyframes,
        } => {
            if let Some(image) = first {
                media.image = Some(reader.start_image(image).await?);
            }
            if let Some(image) = last {
                media.last_frame = Some(reader.picture("last frame", image).await?);
            }
            for (index, keyframe) in keyframes.iter().enumerate() {
                let image = reader
                    .picture(&format!("keyframe {}", index + 1), &keyframe.image)
                    .await?;
                media.keyframes.push(ResolvedKeyframe {
                    at_seconds: keyframe.at.as_secs_f64(),
                    image,
                });
            }
        }
    }
    reader.resolved.media = media;
    Ok(reader.resolved)
}

struct Reader<'a> {
    client: &'a VideoClient,
    resolved: Resolved,
}

impl Reader<'_> {
    async fn start_image(&mut self, input: &MediaInput) -> Result<ResolvedMedia> {
        if let MediaInput::Path(path) = input {
            self.resolved.source_image = path.file_name().map(|name| name.to_string_lossy().into_owned());
        }
        self.picture(START, input).await
    }

    /// One picture; `role` is how messages and records call it.
    async fn picture(&mut self, role: &str, input: &MediaInput) -> Result<ResolvedMedia> {
        let name = input.display_name();
        let (media, transport, record) = match input {
            MediaInput::Path(path) => {
                let bytes = read_picture(role, path).await?;
                self.inline(role, &name, bytes, Some(path)).await?
            }
            MediaInput::Bytes { bytes, .. } => self.inline(role, &name, bytes.clone(), None).await?,
            MediaInput::DataUrl(url) => {
                let bytes = decode_data_url(role, url)?;
                self.inline(role, &name, bytes, None).await?
            }
            MediaInput::Url(url) => {
                self.check_link(role, url)?;
                (
                    ResolvedMedia::Url(url.clone()),
                    Transport::Url,
                    InputRecord::default(),
                )
            }
            MediaInput::FileId(id) => {
                if id.is_empty()
                    || !id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                {
                    return Err(Error::invalid(format!(
                        "read {role} {name}: it is no file_id; one looks like file_12ab"
                    )));
                }
                (
                    ResolvedMedia::FileId(id.clone()),
                    Transport::FileId,
                    InputRecord::default(),
                )
            }
            MediaInput::Clip(_) => {
                return Err(Error::invalid(format!(
                    "read {role} {name}: it is a clip, and a picture is wanted; take a frame of it"
                )));
            }
        };
        self.resolved.records.push(InputRecord {
            kind: Some(role.to_owned()),
            ..record
        });
        self.resolved.transports.push(InputTransport {
            input: role.to_owned(),
            transport,
        });
        Ok(media)
    }

    async fn inline(
        &mut self,
        role: &str,
        name: &str,
        bytes: Bytes,
        path: Option<&PathBuf>,
    ) -> Result<(ResolvedMedia, Transport, InputRecord)> {
        let mime = check_picture(role, name, &bytes).await?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if role == START {
            self.resolved.start = Some(match path {
                Some(path) => Whence::File {
                    path: path.clone(),
                    sha256: sha256.clone(),
                },
                None => Whence::Memory { bytes: bytes.clone() },
            });
        }
        let record = InputRecord {
            sha256: Some(sha256),
            bytes: Some(bytes.len() as u64),
            ..InputRecord::default()
        };
        let content = MediaContent::Memory(bytes);
        Ok((ResolvedMedia::Inline { mime, content }, Transport::Inline, record))
    }

    /// A link that the service can fetch. Whether it does shows only when the job runs.
    fn check_link(&self, role: &str, url: &str) -> Result<()> {
        let bad =
            |why: &str| Error::invalid(format!("read {role} {}: {why}", crate::error::redacted_url(url)));
        let parsed =
            Url::parse(url).map_err(|_| bad("it is not a URL; write it as https://host/picture.png"))?;
        match parsed.scheme() {
            "https" => Ok(()),
            // The sandbox fetches from this machine, the service cannot.
            "http" if self.client.service().starts_with("http://") => Ok(()),
            _ => Err(bad(
                "the service fetches https only; give an https URL or the file itself",
            )),
        }
    }
}

/// Reads a file of this machine, bounded.
async fn read_picture(role: &str, path: &Path) -> Result<Bytes> {
    let doing = format!("read {role} {}", path.display());
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("{doing}: there is no such file"))
        }
        _ => Error::new(ErrorKind::InvalidRequest, doing.clone()).with_source(error),
    };
    let kind = tokio::fs::metadata(path).await.map_err(io)?;
    if kind.is_dir() {
        return Err(Error::invalid(format!(
            "{doing}: it is a folder; give a PNG, JPEG or WebP file"
        )));
    }
    if !kind.is_file() {
        return Err(Error::invalid(format!(
            "{doing}: it is no regular file; give a PNG, JPEG or WebP file"
        )));
    }
    let file = tokio::fs::File::open(path).await.map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_PICTURE_BYTES + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(io)?;
    Ok(bytes.into())
}

fn decode_data_url(role: &str, url: &str) -> Result<Bytes> {
    let bad = |why: &str| Error::invalid(format!("read {role}: the data URL {why}"));
    let (head, content) = url
        .split_once(',')
        .ok_or_else(|| bad("has no comma; write it as data:image/png;base64,…"))?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(bad("is not base64; write it as data:image/png;base64,…"));
    }
    let decoded = STANDARD
        .decode(content.trim())
        .map_err(|_| bad("holds no valid base64"))?;
    Ok(decoded.into())
}

/// The media type of a picture that the service will take, from its content.
async fn check_picture(role: &str, name: &str, bytes: &Bytes) -> Result<&'static str> {
    let bad = |why: String| Error::invalid(format!("read {role} {name}: {why}"));
    if bytes.is_empty() {
        return Err(bad("it is empty; give a PNG, JPEG or WebP picture".to_owned()));
    }
    if bytes.len() as u64 > MAX_PICTURE_BYTES {
        return Err(bad(format!(
            "it is larger than {} MiB; scale the picture down",
            MAX_PICTURE_BYTES >> 20
        )));
    }
    let mime = match imagesize::image_type(bytes) {
        Ok(imagesize::ImageType::Png) => "image/png",
        Ok(imagesize::ImageType::Jpeg) => "image/jpeg",
        Ok(imagesize::ImageType::Webp) => "image/webp",
        _ => {
            return Err(bad(
                "it is not a picture the service takes; give a PNG, JPEG or WebP".to_owned(),
            ));
        }
    };
    let size = imagesize::blob_size(bytes)
        .map_err(|_| bad("it is cut off or damaged: its header has no size".to_owned()))?;
    let pixels = (size.width as u64).saturating_mul(size.height as u64);
    if pixels == 0 || pixels > MAX_PICTURE_PIXELS {
        return Err(bad(format!(
            "it has {} x {} pixels; the limit is {MAX_PICTURE_PIXELS} pixels (8192 x 8192)",
            size.width, size.height
        )));
    }
    decode(name, bytes)
        .await
        .map_err(|error| bad("it does not decode".to_owned()).with_source(error))?;
    Ok(mime)
}

/// A picture that is cut off is taken by the service, paid for, and fails.
#[cfg(feature = "media")]
async fn decode(name: &str, bytes: &Bytes) -> Result<()> {
    use crate::media::{MediaOptions, MediaSource, bridge};

    let options = MediaOptions::default().with_max_pixels(MAX_PICTURE_PIXELS);
    let picture = MediaSource::named_bytes(name, bytes.clone());
    bridge::picture(picture, options).await.map(drop)
}

#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
async fn decode(_name: &str, _bytes: &Bytes) -> Result<()> {
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
