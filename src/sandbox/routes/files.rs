//! The Files API: upload, list, fetch, delete and publish files. Chunked uploads are not supported.

use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::byte_range::serve_blob;
use super::request::{BaseUrl, parse_json};
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::rules::validation::check_lifetime;
use crate::sandbox::state::app::App;
use crate::sandbox::state::blob::Blob;
use crate::sandbox::state::files::{MAX_FILE_BYTES, StoredFile};

/// Returns the `file` object of a response.
fn file_object(file: &StoredFile, base: &BaseUrl) -> Value {
    let mut body = json!({
        "id": file.id, "object": "file", "bytes": file.blob.len(), "created_at": file.created_at,
        "filename": file.filename, "purpose": file.purpose,
    });
    if let Some(at) = file.expires_at {
        body["expires_at"] = at.into();
    }
    if let Some((url, expires_at)) = file.public_url(&base.0) {
        body["public_url"] = url.into();
        if let Some(at) = expires_at {
            body["public_url_expires_at"] = at.into();
        }
    }
    body
}

/// Handles `POST /v1/files`: stores a file.
pub(super) async fn upload(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    mut form: Multipart,
) -> Result<Response, Refusal> {
    let malformed =
        |error: MultipartError| Refusal::flat(error.status(), "invalid-argument", error.body_text());
    let mut purpose = String::new();
    let mut lifetime: Option<i64> = None;
    let mut anchor = None;
    let mut content: Option<(String, Bytes)> = None;
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            if content.is_some() {
                return Err(Refusal::invalid("Only one file can be uploaded at a time."));
            }
            let filename = field.file_name().unwrap_or("file").to_owned();
            let bytes = field.bytes().await.map_err(malformed)?;
            if bytes.len() > MAX_FILE_BYTES {
                return Err(Refusal::flat(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "invalid-argument",
                    "File is too large: the maximum is 50 MB.",
                ));
            }
            content = Some((filename, bytes));
            continue;
        }
        if content.is_some() && name.starts_with("expires_after") {
            return Err(Refusal::invalid(
                "expires_after must be sent before the file field.",
            ));
        }
        // `Field::text` is not used: it would add half a megabyte of tables of character encodings to the program.
        let value = field.bytes().await.map_err(malformed)?;
        let value = String::from_utf8(value.into())
            .map_err(|_| Refusal::invalid(format!("{name} must be UTF-8 text.")))?;
        match name.as_str() {
            "purpose" => purpose = value,
            "expires_after" | "expires_after[seconds]" => {
                let seconds = value
                    .parse()
                    .map_err(|_| Refusal::invalid("expires_after must be an integer."))?;
                lifetime = Some(seconds);
            }
            "expires_after[anchor]" => anchor = Some(value),
            _ => {}
        }
    }
    if anchor.is_some_and(|anchor| anchor != "created_at") {
        return Err(Refusal::invalid("expires_after[anchor] must be created_at."));
    }
    check_lifetime("expires_after", lifetime)?;
    let (filename, bytes) = content.ok_or_else(|| Refusal::invalid("The file field is missing."))?;
    let file = app.scratch.new_file("bin");
    let blob = async {
        tokio::fs::write(file.path(), &bytes).await?;
        Blob::new(file)
    };
    let blob = blob.await.map_err(|error| {
        tracing::error!(%error, "sandbox: could not store a file");
        Refusal::flat(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The file could not be stored.",
        )
    })?;
    let stored = app.files.add(&filename, &purpose, lifetime, blob);
    app.counters.uploads.fetch_add(1, Ordering::Relaxed);
    Ok(json_response(StatusCode::OK, &file_object(&stored, &base)))
}

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<i64>,
    order: Option<String>,
    sort_by: Option<String>,
    pagination_token: Option<String>,
    /// The pagination of OpenAI's clients: the id of the last file of the previous page.
    after: Option<String>,
}

/// Handles `GET /v1/files`: lists the files.
pub(super) async fn list(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::invalid("limit must be between 1 and 100."));
    }
    let mut files = app.files.list();
    match query.sort_by.as_deref().unwrap_or("created_at") {
        "created_at" => files.sort_by_key(|file| file.number),
        "filename" => files.sort_by(|a, b| a.filename.cmp(&b.filename).then(a.number.cmp(&b.number))),
        "size" => files.sort_by_key(|file| (file.blob.len(), file.number)),
        _ => {
            return Err(Refusal::invalid(
                "sort_by must be one of created_at, filename, size.",
            ));
        }
    }
    match query.order.as_deref().unwrap_or("desc") {
        "asc" => {}
        "desc" => files.reverse(),
        _ => return Err(Refusal::invalid("order must be one of asc, desc.")),
    }
    let cursor = query.pagination_token.or(query.after);
    let start = match cursor {
        None => 0,
        Some(id) => match files.iter().position(|file| file.id == id) {
            Some(index) => index + 1,
            None => return Err(Refusal::invalid("pagination_token is invalid.")),
        },
    };
    let page: Vec<_> = files
        .iter()
        .skip(start)
        .take(usize::try_from(limit).unwrap_or(100))
        .collect();
    let has_more = start + page.len() < files.len();
    let token = page.last().filter(|_| has_more).map(|file| file.id.clone());
    let data: Vec<_> = page.into_iter().map(|file| file_object(file, &base)).collect();
    Ok(json_response(
        StatusCode::OK,
        &json!({ "data": data, "pagination_token": token }),
    ))
}

/// Handles `GET /v1/files/{id}`: returns the metadata of a file.
pub(super) async fn retrieve(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let file = app.files.get(&id)?;
    Ok(json_response(StatusCode::OK, &file_object(&file, &base)))
}

/// Handles `DELETE /v1/files/{id}`: deletes a file.
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    app.files.get(&id)?;
    app.files.remove(&id);
    Ok(json_response(
        StatusCode::OK,
        &json!({ "id": id, "object": "file", "deleted": true }),
    ))
}

/// Handles `GET /v1/files/{id}/content`: returns the bytes of a file.
pub(super) async fn content(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let file = app.files.get(&id)?;
    Ok(serve_blob(
        &headers,
        &file.blob,
        StoredFile::media_type(&file.filename),
        &format!("\"{id}\""),
    ))
}

#[derive(Debug, Default, Deserialize)]
struct PublishBody {
    expires_after: Option<i64>,
}

/// Handles `POST /v1/files/{id}/public-url`: gives a file a public URL.
pub(super) async fn publish(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parsed: PublishBody = if body.is_empty() {
        PublishBody::default()
    } else {
        parse_json(&headers, &body)?
    };
    check_lifetime("expires_after", parsed.expires_after)?;
    let file = app.files.publish(&id, parsed.expires_after)?;
    let (url, expires_at) = file.public_url(&base.0).unzip();
    let mut body = json!({ "public_url": url });
    if let Some(at) = expires_at.flatten() {
        body["expires_at"] = at.into();
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// Handles `POST /v1/files/{id}/public-url/revoke`: removes the public URL of a file.
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let file = app.files.get(&id)?;
    app.files.revoke(&id);
    let url = file.public_url(&base.0);
    let mut body = json!({ "id": id, "revoked": url.is_some() });
    if let Some((url, _)) = url {
        body["public_url"] = url.into();
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// Handles `GET` of a public URL, which needs no API key.
pub(super) async fn public(
    State(app): State<App>,
    Path((token, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (blob, filename) = app
        .files
        .find_by_token(&token)
        .ok_or_else(|| Refusal::not_found("Not found"))?;
    Ok(serve_blob(
        &headers,
        &blob,
        StoredFile::media_type(&filename),
        &format!("\"{token}\""),
    ))
}
