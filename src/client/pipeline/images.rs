//! Reading the media of a request: everything is read and checked before anything is paid.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::client::VideoClient;
use crate::client::pipeline::content_checks::MediaOrigin;
use crate::client::pipeline::input_context::{InputContext, NoContent, decode_data_url};
use crate::error::{Error, Result};
use crate::library::{InputRecord, InputTransport};
use crate::picture::PictureKind;
use crate::request::{
    GenerateInputs, GenerateMode, GenerateRequest, MediaContent, MediaInput, ResolvedKeyframe, ResolvedMedia,
    Transport,
};
use crate::storage::to_hex;

/// Most bytes of one picture. The service's limit is not known; its limit for pictures that a
/// language model looks at is 20 MiB.
const MAX_PICTURE_BYTES: u64 = 20 << 20;
/// How records call the picture that is to be the first frame.
const START: &str = "image";
/// Most pixels of one picture: 8192 x 8192.
const MAX_PICTURE_PIXELS: u64 = 1 << 26;

/// The media of a request, ready to be sent, and what the records keep of them.
#[derive(Debug, Default)]
pub(crate) struct ReadImages {
    pub(crate) media: GenerateInputs,
    pub(crate) records: Vec<InputRecord>,
    pub(crate) transports: Vec<InputTransport>,
    /// File name of the start image, where it is a file.
    pub(crate) source_image: Option<String>,
    /// The start image, to compare the clip's first frame with.
    pub(crate) start: Option<MediaOrigin>,
}

/// Reads and checks all media of a request.
///
/// # Errors
/// `InvalidRequest` or `NotFound`, naming the input, the file and what would be right.
pub(crate) async fn generate(client: &VideoClient, request: &GenerateRequest) -> Result<ReadImages> {
    let mut reader = ImageReader {
        client,
        resolved: ReadImages::default(),
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
                    at_seconds: seconds_of(keyframe.at),
                    image,
                });
            }
        }
    }
    reader.resolved.media = media;
    Ok(reader.resolved)
}

/// A time of whole milliseconds as the float that is nearest to it, which is written with three decimals.
#[expect(clippy::cast_precision_loss, reason = "a clip lasts far less than 2^53 ms")]
fn seconds_of(at: Duration) -> f64 {
    at.as_millis() as f64 / 1000.0
}

struct ImageReader<'a> {
    client: &'a VideoClient,
    resolved: ReadImages,
}

impl ImageReader<'_> {
    async fn start_image(&mut self, input: &MediaInput) -> Result<ResolvedMedia> {
        if let MediaInput::Path(path) = input {
            self.resolved.source_image = path.file_name().map(|name| name.to_string_lossy().into_owned());
        }
        self.picture(START, input).await
    }

    /// One picture; `role` is how messages and records call it.
    async fn picture(&mut self, role: &str, input: &MediaInput) -> Result<ResolvedMedia> {
        let name = input.display_name();
        let given = InputContext::picture(role, &name);
        let (media, transport, record) = match input {
            MediaInput::Path(path) => {
                let bytes = read_picture(given, path).await?;
                self.inline(role, &name, bytes, Some(path)).await?
            }
            MediaInput::Bytes { bytes, .. } => self.inline(role, &name, bytes.clone(), None).await?,
            MediaInput::DataUrl(url) => {
                let bytes = decode_data_url(url).map_err(|why| {
                    Error::invalid(format!(
                        "read {role}: the data URL {}",
                        match why {
                            NoContent::NoComma => "has no comma; write it as data:image/png;base64,…",
                            NoContent::NotBase64 => "is not base64; write it as data:image/png;base64,…",
                            NoContent::Garbled => "holds no valid base64",
                        }
                    ))
                })?;
                self.inline(role, &name, bytes, None).await?
            }
            MediaInput::Url(url) => {
                given.link(self.client, url)?;
                (
                    ResolvedMedia::Url(url.clone()),
                    Transport::Url,
                    InputRecord::default(),
                )
            }
            MediaInput::FileId(id) => {
                given.file_id(id)?;
                (
                    ResolvedMedia::FileId(id.clone()),
                    Transport::FileId,
                    InputRecord::default(),
                )
            }
            MediaInput::Clip(_) => {
                return Err(given.bad("it is a clip, and a picture is wanted; take a frame of it"));
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
        let sha256 = to_hex(&Sha256::digest(&bytes));
        if role == START {
            self.resolved.start = Some(match path {
                Some(path) => MediaOrigin::File {
                    path: path.clone(),
                    sha256: sha256.clone(),
                },
                None => MediaOrigin::Memory { bytes: bytes.clone() },
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
}

/// Reads a file of this machine, bounded.
async fn read_picture(given: InputContext<'_>, path: &Path) -> Result<Bytes> {
    given.length(path).await?;
    let mut bytes = Vec::new();
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(MAX_PICTURE_BYTES + 1).read_to_end(&mut bytes).await
    };
    read.await.map_err(|error| given.unread(error))?;
    Ok(bytes.into())
}

/// The media type of a picture that the service will take, from its content.
async fn check_picture(role: &str, name: &str, bytes: &Bytes) -> Result<&'static str> {
    let bad = |why: String| InputContext::picture(role, name).bad(why);
    if bytes.is_empty() {
        return Err(bad("it is empty; give a PNG, JPEG or WebP picture".to_owned()));
    }
    if bytes.len() as u64 > MAX_PICTURE_BYTES {
        return Err(bad(format!(
            "it is larger than {} MiB; scale the picture down",
            MAX_PICTURE_BYTES >> 20
        )));
    }
    let Some(kind) = PictureKind::detect(bytes) else {
        return Err(bad(
            "it is not a picture the service takes; give a PNG, JPEG or WebP".to_owned(),
        ));
    };
    let (width, height) = kind
        .read_size(bytes)
        .ok_or_else(|| bad("it is cut off or damaged: its header has no size".to_owned()))?;
    let pixels = width.saturating_mul(height);
    if pixels == 0 || pixels > MAX_PICTURE_PIXELS {
        return Err(bad(format!(
            "it has {width} x {height} pixels; the limit is {MAX_PICTURE_PIXELS} pixels (8192 x 8192)"
        )));
    }
    // A picture that is cut off is accepted by the service, paid for, and fails.
    let whole = {
        let bytes = bytes.clone();
        crate::host::spawn_blocking(move || kind.check_whole(&bytes)).await
    };
    whole
        .map_err(|_| bad("it could not be checked: the runtime is shutting down".to_owned()))?
        .map_err(|why| bad(format!("it is {why}; save it anew, or download it again")))?;
    decode(name, bytes)
        .await
        .map_err(|error| bad("it does not decode".to_owned()).with_source(error))?;
    Ok(kind.mime())
}

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
