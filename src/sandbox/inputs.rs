//! What a request gives: pictures and clips, wherever they are.
//!
//! Owns fetching (data URLs, the sandbox's own links and files, loopback) and decoding. Never contacts
//! any other host: the sandbox is for machines without a network.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::blob::Blob;
use super::render::FRAME_RATE;
use super::rules::{Given, MAX_VIDEO_BYTES};
use super::server::App;
use super::work::Failure;
use crate::media::{self, MediaOptions, MediaSource};

/// How long another server on this machine may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A decoded picture, packed RGB24.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

/// A given clip and what is known of it.
#[derive(Debug)]
pub(super) struct GivenClip {
    pub(super) blob: Blob,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) millis: u64,
    /// At the sandbox's rate.
    pub(super) frames: usize,
}

enum Content {
    Bytes(Bytes),
    Blob(Blob),
}

/// Fetches and decodes a picture.
pub(super) async fn still(app: &App, given: &Given) -> Result<Still, Failure> {
    let source = match fetch(app, given).await? {
        Content::Bytes(bytes) => MediaSource::named_bytes("the given picture", bytes),
        Content::Blob(blob) => MediaSource::from(blob.path().to_owned()),
    };
    let frame = blocking(app, move || media::picture(source, &MediaOptions::new())).await?;
    let frame = frame.map_err(|error| {
        tracing::debug!(%error, "sandbox: a given picture");
        Failure::invalid("The image could not be decoded. Supported formats are JPEG, PNG and WebP.")
    })?;
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    Ok(Still {
        width,
        height,
        rgb: frame.into_rgb(),
    })
}

/// Fetches a picture as it is: nothing is decoded.
pub(super) async fn bytes(app: &App, given: &Given) -> Result<Bytes, Failure> {
    match fetch(app, given).await? {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Blob(blob) => {
            let read = tokio::fs::read(blob.path()).await;
            read.map(Bytes::from)
                .map_err(|_| Failure::invalid("The media could not be read."))
        }
    }
}

/// Fetches a clip and looks at it.
pub(super) async fn clip(app: &App, given: &Given) -> Result<GivenClip, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        tracing::debug!(%error, "sandbox: a given clip");
        Failure::invalid("The video could not be decoded.")
    };
    let blob = match fetch(app, given).await? {
        Content::Blob(blob) => blob,
        Content::Bytes(bytes) => {
            let file = app.scratch.file("mp4");
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
        return Err(Failure::invalid("The video must be an MP4 file."));
    }
    let millis = u64::try_from(probe.duration.as_millis()).unwrap_or(u64::MAX);
    let frames = (probe.duration.as_secs_f64() * f64::from(FRAME_RATE)).round() as usize;
    Ok(GivenClip {
        blob,
        width: probe.video.width as usize,
        height: probe.video.height as usize,
        millis,
        frames: frames.max(1),
    })
}

/// Runs work of the decoder beside the requests, as many at a time as there are renderers.
pub(super) async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> crate::error::Result<T> + Send + 'static,
) -> Result<crate::error::Result<T>, Failure> {
    let stopping = || Failure {
        code: "internal_error",
        message: "the sandbox is stopping".to_owned(),
    };
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

async fn fetch(app: &App, given: &Given) -> Result<Content, Failure> {
    match given {
        Given::FileId(id) => {
            let blob = app
                .files
                .get(id)
                .ok_or_else(|| Failure::invalid(format!("File {id} was not found.")))?;
            Ok(Content::Blob(blob))
        }
        Given::Url(url) if url.starts_with("data:") => Ok(Content::Bytes(data_url(url)?)),
        Given::Url(url) => match super::downloads::own(app, url) {
            Some(blob) => Ok(Content::Blob(blob)),
            None => Ok(Content::Bytes(loopback(app, url).await?)),
        },
    }
}

fn data_url(url: &str) -> Result<Bytes, Failure> {
    let wrong = || Failure::invalid("The data URL could not be decoded.");
    let (head, body) = url.split_once(',').ok_or_else(wrong)?;
    if !head.ends_with(";base64") {
        return Err(wrong());
    }
    base64::engine::general_purpose::STANDARD
        .decode(body.trim())
        .map(Bytes::from)
        .map_err(|_| wrong())
}

/// Whether a link leads to this machine.
fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn loopback(app: &App, link: &str) -> Result<Bytes, Failure> {
    let failed = || Failure::invalid("The media could not be fetched from its URL.");
    let url = url::Url::parse(link).map_err(|_| failed())?;
    if !matches!(url.scheme(), "http" | "https") || !is_loopback(&url) {
        return Err(failed());
    }
    let work = async {
        let response = app.http.get(url).send().await.map_err(|_| failed())?;
        if !response.status().is_success() {
            return Err(failed());
        }
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.map_err(|_| failed())?);
            if body.len() > MAX_VIDEO_BYTES {
                return Err(Failure::invalid("The media is larger than 50 MB."));
            }
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| failed())?
}

/// Hands a clip to the caller's bucket, which must be on this machine.
pub(super) async fn put(app: &App, link: &str, clip: &Blob) -> Result<(), Failure> {
    let failed = |what: &str| Failure {
        code: "failed_precondition",
        message: format!("The video could not be uploaded to output.upload_url: {what}."),
    };
    let url = url::Url::parse(link).map_err(|_| failed("not a URL"))?;
    if !is_loopback(&url) {
        return Err(failed("the sandbox only uploads to loopback"));
    }
    let request = app
        .http
        .put(url)
        .header(reqwest::header::CONTENT_TYPE, "video/mp4")
        .header(reqwest::header::CONTENT_LENGTH, clip.len())
        .body(reqwest::Body::wrap_stream(clip.stream(0, clip.len())));
    match tokio::time::timeout(PATIENCE, request.send()).await {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(failed(&format!("HTTP {}", answer.status().as_u16()))),
        Ok(Err(_)) => Err(failed("no connection")),
        Err(_) => Err(failed("no answer in time")),
    }
}
