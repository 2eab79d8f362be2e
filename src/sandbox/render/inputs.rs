//! Input pictures and clips of a request.
//!
//! Owns fetching (data URLs, the sandbox's own links and files, loopback URLs), decoding, and the upload to the
//! caller's bucket. Never contacts another host: the sandbox also serves machines without a network.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::spec::{FRAME_RATE, InputClip};
use crate::error::Result;
use crate::media::{self, Frame, MediaOptions, MediaSource};
use crate::sandbox::rules::limits::MAX_VIDEO_BYTES;
use crate::sandbox::rules::video_request::MediaRef;
use crate::sandbox::state::app::App;
use crate::sandbox::state::blob::Blob;
use crate::sandbox::state::jobs::JobFailure;

/// Deadline of an exchange with another server on this machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Fetched media, in memory or in a file.
enum Content {
    Bytes(Bytes),
    File(Blob),
}

/// Fetches and decodes a picture.
pub(super) async fn picture(app: &App, input: &MediaRef) -> Result<Frame, JobFailure> {
    let source = match fetch(app, input).await? {
        Content::Bytes(bytes) => MediaSource::named_bytes("the given picture", bytes),
        Content::File(blob) => MediaSource::from(blob.path().to_owned()),
    };
    let frame = blocking(app, move || media::picture(source, &MediaOptions::new())).await?;
    frame.map_err(|error| {
        tracing::debug!(%error, "sandbox: could not decode an input picture");
        JobFailure::invalid("The image could not be decoded. Supported formats are JPEG, PNG and WebP.")
    })
}

/// Fetches a picture without decoding it.
pub(crate) async fn bytes(app: &App, input: &MediaRef) -> Result<Bytes, JobFailure> {
    match fetch(app, input).await? {
        Content::Bytes(bytes) => Ok(bytes),
        Content::File(blob) => {
            let read = tokio::fs::read(blob.path()).await;
            read.map(Bytes::from)
                .map_err(|_| JobFailure::invalid("The media could not be read."))
        }
    }
}

/// Fetches a clip and reads its properties.
pub(super) async fn clip(app: &App, input: &MediaRef) -> Result<InputClip, JobFailure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        tracing::debug!(%error, "sandbox: could not decode an input clip");
        JobFailure::invalid("The video could not be decoded.")
    };
    let blob = match fetch(app, input).await? {
        Content::File(blob) => blob,
        Content::Bytes(bytes) => {
            let file = app.scratch.new_file("mp4");
            tokio::fs::write(file.path(), &bytes)
                .await
                .map_err(|error| unreadable(&error))?;
            Blob::new(file).map_err(|error| unreadable(&error))?
        }
    };
    let path = blob.path().to_owned();
    let probe = blocking(app, move || media::probe(path, &MediaOptions::new())).await?;
    let probe = probe.map_err(|error| unreadable(&error))?;
    if probe.container != "mp4" {
        return Err(JobFailure::invalid("The video must be an MP4 file."));
    }
    let millis = u64::try_from(probe.duration.as_millis()).unwrap_or(u64::MAX);
    let frames = (probe.duration.as_secs_f64() * f64::from(FRAME_RATE)).round() as usize;
    Ok(InputClip {
        blob,
        width: probe.video.width as usize,
        height: probe.video.height as usize,
        millis,
        frames: frames.max(1),
    })
}

/// Decodes on a blocking thread. Decoding and rendering share a limit.
pub(crate) async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Result<T>, JobFailure> {
    let stopping = || JobFailure::internal("the sandbox is stopping");
    let permit = Arc::clone(&app.renderers)
        .acquire_owned()
        .await
        .map_err(|_| stopping())?;
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    task.await.map_err(|_| stopping())
}

async fn fetch(app: &App, input: &MediaRef) -> Result<Content, JobFailure> {
    match input {
        MediaRef::FileId(id) => {
            let file = app.files.find(id);
            let file = file.ok_or_else(|| JobFailure::invalid(format!("File {id} was not found.")))?;
            Ok(Content::File(file.blob))
        }
        MediaRef::Url(url) if url.starts_with("data:") => Ok(Content::Bytes(decode_data_url(url)?)),
        MediaRef::Url(url) => match app.find_own_media(url) {
            Some(blob) => Ok(Content::File(blob)),
            None => Ok(Content::Bytes(fetch_loopback(app, url).await?)),
        },
    }
}

fn decode_data_url(url: &str) -> Result<Bytes, JobFailure> {
    let invalid = || JobFailure::invalid("The data URL could not be decoded.");
    let (head, body) = url.split_once(',').ok_or_else(invalid)?;
    if !head.ends_with(";base64") {
        return Err(invalid());
    }
    base64::engine::general_purpose::STANDARD
        .decode(body.trim())
        .map(Bytes::from)
        .map_err(|_| invalid())
}

/// Returns whether a URL points to this machine.
fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn fetch_loopback(app: &App, url: &str) -> Result<Bytes, JobFailure> {
    let failed = || JobFailure::invalid("The media could not be fetched from its URL.");
    let url = url::Url::parse(url).map_err(|_| failed())?;
    if !matches!(url.scheme(), "http" | "https") || !is_loopback(&url) {
        return Err(failed());
    }
    let exchange = async {
        let response = app.http.get(url).send().await.map_err(|_| failed())?;
        if !response.status().is_success() {
            return Err(failed());
        }
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.map_err(|_| failed())?);
            if body.len() > MAX_VIDEO_BYTES {
                return Err(JobFailure::invalid("The media is larger than 50 MB."));
            }
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .map_err(|_| failed())?
}

/// Uploads a clip to the caller's bucket, which must be on this machine.
pub(super) async fn upload(app: &App, url: &str, clip: &Blob) -> Result<(), JobFailure> {
    let failed = |what: &str| JobFailure {
        code: "failed_precondition",
        message: format!("The video could not be uploaded to output.upload_url: {what}."),
    };
    let url = url::Url::parse(url).map_err(|_| failed("not a URL"))?;
    if !is_loopback(&url) {
        return Err(failed("the sandbox only uploads to loopback"));
    }
    let request = app
        .http
        .put(url)
        .header(reqwest::header::CONTENT_TYPE, "video/mp4")
        .header(reqwest::header::CONTENT_LENGTH, clip.len())
        .body(reqwest::Body::wrap_stream(clip.stream(0, clip.len())));
    match tokio::time::timeout(DEADLINE, request.send()).await {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(failed(&format!("HTTP {}", answer.status().as_u16()))),
        Ok(Err(_)) => Err(failed("no connection")),
        Err(_) => Err(failed("no answer in time")),
    }
}
