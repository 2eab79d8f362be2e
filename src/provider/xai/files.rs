//! The service's Files: where a clip goes that is too large for a request body.

use std::time::Duration;

use bytes::Bytes;

use super::errors::Refusal;
use super::wire;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Content, Http, Piece, SendError};
use crate::provider::Upload;
use crate::request::MediaContent;

/// An upload is free and leaves at worst a file that expires, so it may be sent again.
const ATTEMPTS: u32 = 3;

/// Puts a file there and returns its id.
pub(super) async fn upload(http: &Http, upload: &Upload) -> Result<String> {
    let doing = format!("upload {}", upload.name);
    let boundary = format!("reelkin-{:016x}", getrandom::u64().unwrap_or(0x5eed));
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    let mut attempt = 1;
    loop {
        let sent = http
            .post_form(&["files"], &boundary, form(upload, &boundary))
            .await;
        let error = match sent {
            Ok(reply) if (200..300).contains(&reply.status) => {
                let uploaded = wire::Uploaded::read(&reply.body).filter(|uploaded| !uploaded.id.is_empty());
                return uploaded.map(|uploaded| uploaded.id).ok_or_else(|| {
                    Error::new(ErrorKind::Protocol, format!("{doing}: the answer names no file"))
                });
            }
            Ok(reply) => Refusal::read(&reply).into_error(&doing),
            Err(failure) => failure.into_error(),
        };
        let again =
            matches!(error.kind(), ErrorKind::Network | ErrorKind::RateLimited) && error.is_retryable();
        if !again || attempt == ATTEMPTS {
            return Err(error.with_attempts(attempt));
        }
        tokio::time::sleep(backoff.next(error.retry_after())).await;
        attempt += 1;
    }
}

/// Takes a file out again. One that is gone already is no failure.
pub(super) async fn delete(http: &Http, file_id: &str) -> Result<()> {
    let reply = http
        .delete(&["files", file_id])
        .await
        .map_err(SendError::into_error)?;
    match reply.status {
        200..=299 | 404 => Ok(()),
        _ => Err(Refusal::read(&reply).into_error("delete the uploaded file")),
    }
}

/// The multipart form. The service wants the life of the file before the file.
fn form(upload: &Upload, boundary: &str) -> Body {
    // A name is a label here: what a header cannot hold is left out.
    let name: String = upload
        .name
        .chars()
        .filter(|c| !c.is_control() && !"\"\\/".contains(*c))
        .collect();
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"expires_after\"\r\n\r\n{}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: {}\r\n\r\n",
        upload.expires_after, upload.mime
    );
    let content = match &upload.content {
        MediaContent::Memory(bytes) => Content::Memory(bytes.clone()),
        MediaContent::File { path, length } => Content::File {
            path: path.clone(),
            length: *length,
        },
    };
    let tail = format!("\r\n--{boundary}--\r\n");
    vec![
        Piece::Text(Bytes::from(head)),
        Piece::Raw(content),
        Piece::Text(Bytes::from(tail)),
    ]
    .into()
}
