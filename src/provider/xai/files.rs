//! The service's Files API: uploads clips that are too large for a request body.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::error_reply::ErrorReply;
use super::json_body::body_content;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Http, Piece, SendError};
use crate::provider::Upload;

/// Attempts in total. Retrying is safe: an upload is free, and at worst it leaves a file that expires.
const ATTEMPTS: u32 = 3;

/// Uploads a file and returns its id.
pub(super) async fn upload(http: &Http, upload: &Upload) -> Result<String> {
    let action = format!("upload {}", upload.name);
    let boundary = format!("reelkin-{:016x}", getrandom::u64().unwrap_or(0x5eed));
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    let mut attempt = 1;
    loop {
        let sent = http
            .post_form(&["files"], &boundary, form(upload, &boundary))
            .await;
        let error = match sent {
            Ok(reply) if (200..300).contains(&reply.status) => {
                return read_file_id(&reply.body)
                    .ok_or_else(|| Error::protocol(format!("{action}: the reply has no file id")));
            }
            Ok(reply) => ErrorReply::parse(&reply).into_error(&action),
            Err(failure) => failure.into_error(),
        };
        let can_retry =
            matches!(error.kind(), ErrorKind::Network | ErrorKind::RateLimited) && error.is_retryable();
        if !can_retry || attempt == ATTEMPTS {
            return Err(error.with_attempts(attempt));
        }
        tokio::time::sleep(backoff.next(error.retry_after())).await;
        attempt += 1;
    }
}

#[derive(Deserialize)]
struct Uploaded {
    id: String,
}

/// Reads the id from the reply to an upload.
pub(super) fn read_file_id(body: &[u8]) -> Option<String> {
    let uploaded: Uploaded = serde_json::from_slice(body).ok()?;
    Some(uploaded.id).filter(|id| !id.is_empty())
}

/// Deletes a file. It is not an error if the file does not exist.
pub(super) async fn delete(http: &Http, file_id: &str) -> Result<()> {
    let reply = http
        .delete(&["files", file_id])
        .await
        .map_err(SendError::into_error)?;
    match reply.status {
        200..=299 | 404 => Ok(()),
        _ => Err(ErrorReply::parse(&reply).into_error("delete the uploaded file")),
    }
}

/// Returns the multipart form. The service requires `expires_after` before the file.
fn form(upload: &Upload, boundary: &str) -> Body {
    // The name is only a label, so characters that a header cannot hold are removed.
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
    let tail = format!("\r\n--{boundary}--\r\n");
    vec![
        Piece::Text(Bytes::from(head)),
        Piece::Raw(body_content(&upload.content)),
        Piece::Text(Bytes::from(tail)),
    ]
    .into()
}
