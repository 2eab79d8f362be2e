//! The Files API: keep, list, hand out, publish.
//!
//! Owns stored files and their links. Chunked uploads are not offered.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::blob::Blob;
use super::downloads::serve_blob;
use super::errors::{Refusal, json_response};
use super::rules::{self, Publish, Storage};
use super::server::{App, BaseUrl, unix_now};

const MAX_FILE: usize = 50 << 20;
const MAX_FILES: usize = 10_000;
/// All files together; the oldest go first.
const MAX_BYTES: u64 = 4 << 30;
const MAX_PUBLIC: usize = 1_000;

#[derive(Debug, Clone)]
struct StoredFile {
    id: String,
    number: u64,
    filename: String,
    purpose: String,
    created_at: i64,
    expires_at: Option<i64>,
    blob: Blob,
    public: Option<PublicLink>,
}

#[derive(Debug, Clone)]
struct PublicLink {
    token: String,
    expires_at: Option<i64>,
}

/// All stored files.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    files: HashMap<String, StoredFile>,
    next: u64,
}

impl Files {
    /// The content of a file that is there and has not expired.
    pub(super) fn get(&self, id: &str) -> Option<Blob> {
        self.find(id).map(|file| file.blob)
    }

    /// The file behind a public link, and its name.
    pub(super) fn by_token(&self, token: &str) -> Option<(Blob, String)> {
        let now = unix_now();
        let shelf = self.lock();
        let published = |file: &&StoredFile| {
            file.public
                .as_ref()
                .is_some_and(|link| link.token == token && link.expires_at.is_none_or(|end| end > now))
        };
        shelf
            .files
            .values()
            .find(published)
            .map(|file| (file.blob.clone(), file.filename.clone()))
    }

    /// Keeps the result of a job and says so in the words of the poll.
    pub(super) fn keep_result(&self, app: &App, storage: &Storage, blob: Blob, refuse_public: bool) -> Value {
        let expires_at = storage.expires_after.map(|seconds| unix_now() + seconds);
        let file = self.keep(&storage.filename, "video_generation", expires_at, blob);
        let mut output = json!({ "file_id": file.id, "filename": file.filename });
        if let Some(at) = expires_at {
            output["expires_at"] = at.into();
        }
        let base = BaseUrl(format!("http://{}", app.address));
        match storage.public {
            Publish::For(_) if refuse_public => {
                output["public_url_error"] = "the public URL could not be created".into();
            }
            Publish::For(lifetime) => match self.publish(&file.id, lifetime) {
                Ok(file) => {
                    let (url, expires_at) = public_fields(&file, &base);
                    output["public_url"] = url;
                    if !expires_at.is_null() {
                        output["public_url_expires_at"] = expires_at;
                    }
                }
                Err(_) => output["public_url_error"] = "the public URL could not be created".into(),
            },
            Publish::No => {}
        }
        output
    }

    fn keep(&self, filename: &str, purpose: &str, expires_at: Option<i64>, blob: Blob) -> StoredFile {
        let mut shelf = self.lock();
        shelf.next += 1;
        let file = StoredFile {
            id: format!("file_{}", Uuid::new_v4()),
            number: shelf.next,
            filename: filename.to_owned(),
            purpose: purpose.to_owned(),
            created_at: unix_now(),
            expires_at,
            blob,
            public: None,
        };
        let held = |shelf: &Shelf| shelf.files.values().map(|file| file.blob.stored()).sum::<u64>();
        while shelf.files.len() >= MAX_FILES || (held(&shelf) > MAX_BYTES && !shelf.files.is_empty()) {
            let oldest = shelf
                .files
                .values()
                .min_by_key(|file| file.number)
                .map(|file| file.id.clone());
            oldest.map(|id| shelf.files.remove(&id));
        }
        shelf.files.insert(file.id.clone(), file.clone());
        file
    }

    fn publish(&self, id: &str, lifetime: Option<i64>) -> Result<StoredFile, Refusal> {
        let now = unix_now();
        let mut shelf = self.lock();
        let public = shelf.files.values().filter(|file| file.public.is_some()).count();
        let file = shelf
            .files
            .get_mut(id)
            .filter(|file| file.expires_at.is_none_or(|end| end > now))
            .ok_or_else(|| missing(id))?;
        if file.blob.len() > MAX_FILE as u64 {
            return Err(Refusal::invalid(
                "File is too large for a public URL: the maximum is 50 MiB.",
            ));
        }
        let ending = extension(&file.filename);
        if !matches!(ending.as_str(), "png" | "jpg" | "jpeg" | "mp4" | "pdf") {
            return Err(Refusal::invalid(
                "Public URLs are only supported for png, jpeg, mp4 and pdf files.",
            ));
        }
        let expires_at = lifetime.map(|seconds| now + seconds);
        if let (Some(end), Some(link_end)) = (file.expires_at, expires_at)
            && link_end > end
        {
            return Err(Refusal::invalid(
                "expires_after must not exceed the remaining lifetime of the file.",
            ));
        }
        // Asking twice gives the same link.
        if file.public.is_none() {
            if public >= MAX_PUBLIC {
                return Err(Refusal::invalid(
                    "Too many active public URLs: the maximum is 1000.",
                ));
            }
            let token = Uuid::new_v4().simple().to_string();
            file.public = Some(PublicLink {
                token,
                expires_at: expires_at.or(file.expires_at),
            });
        }
        Ok(file.clone())
    }

    fn find(&self, id: &str) -> Option<StoredFile> {
        let mut shelf = self.lock();
        let over = shelf
            .files
            .get(id)?
            .expires_at
            .is_some_and(|end| end <= unix_now());
        if over {
            shelf.files.remove(id);
            return None;
        }
        shelf.files.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::not_found(format!("File {id} was not found."))
}

fn extension(filename: &str) -> String {
    filename
        .rsplit_once('.')
        .map_or("", |(_, ending)| ending)
        .to_ascii_lowercase()
}

fn media_type(filename: &str) -> &'static str {
    match extension(filename).as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "json" | "jsonl" => "application/json",
        _ => "application/octet-stream",
    }
}

fn public_fields(file: &StoredFile, base: &BaseUrl) -> (Value, Value) {
    match &file.public {
        Some(link) => {
            let url = format!(
                "{}/files-cdn/{}/{}.{}",
                base.0,
                link.token,
                file.id,
                extension(&file.filename)
            );
            (url.into(), link.expires_at.into())
        }
        None => (Value::Null, Value::Null),
    }
}

fn object(file: &StoredFile, base: &BaseUrl) -> Value {
    let mut body = json!({
        "id": file.id, "object": "file", "bytes": file.blob.len(), "created_at": file.created_at,
        "filename": file.filename, "purpose": file.purpose,
    });
    if let Some(at) = file.expires_at {
        body["expires_at"] = at.into();
    }
    let (url, expires_at) = public_fields(file, base);
    if !url.is_null() {
        body["public_url"] = url;
        if !expires_at.is_null() {
            body["public_url_expires_at"] = expires_at;
        }
    }
    body
}

/// `POST /v1/files`
pub(super) async fn upload(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    mut form: Multipart,
) -> Result<Response, Refusal> {
    let broken = |error: MultipartError| Refusal::flat(error.status(), "invalid-argument", error.body_text());
    let mut purpose = String::new();
    let mut lifetime: Option<i64> = None;
    let mut anchor = None;
    let mut stored: Option<(String, Bytes)> = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            if stored.is_some() {
                return Err(Refusal::invalid("Only one file can be uploaded at a time."));
            }
            let filename = field.file_name().unwrap_or("file").to_owned();
            let bytes = field.bytes().await.map_err(broken)?;
            if bytes.len() > MAX_FILE {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Refusal::flat(
                    status,
                    "invalid-argument",
                    "File is too large: the maximum is 50 MB.",
                ));
            }
            stored = Some((filename, bytes));
            continue;
        }
        if stored.is_some() && name.starts_with("expires_after") {
            return Err(Refusal::invalid(
                "expires_after must be sent before the file field.",
            ));
        }
        // `text` would decode any charset there is, with half a megabyte of tables for it.
        let value = field.bytes().await.map_err(broken)?;
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
    rules::check_lifetime("expires_after", lifetime)?;
    let (filename, bytes) = stored.ok_or_else(|| Refusal::invalid("The file field is missing."))?;
    let file = app.scratch.file("bin");
    let blob = async {
        tokio::fs::write(file.path(), &bytes).await?;
        Blob::new(file)
    };
    let blob = blob.await.map_err(|error| {
        tracing::error!(%error, "sandbox: keep a file");
        Refusal::flat(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The file could not be stored.",
        )
    })?;
    let kept = app.files.keep(
        &filename,
        &purpose,
        lifetime.map(|seconds| unix_now() + seconds),
        blob,
    );
    app.counts.uploads.fetch_add(1, Ordering::Relaxed);
    Ok(json_response(StatusCode::OK, &object(&kept, &base)))
}

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<i64>,
    order: Option<String>,
    sort_by: Option<String>,
    pagination_token: Option<String>,
    /// What OpenAI's own clients send to go on: the id of the last file seen.
    after: Option<String>,
}

/// `GET /v1/files`
pub(super) async fn list(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::invalid("limit must be between 1 and 100."));
    }
    let now = unix_now();
    let mut files: Vec<StoredFile> = app.files.lock().files.values().cloned().collect();
    files.retain(|file| file.expires_at.is_none_or(|end| end > now));
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
            Some(place) => place + 1,
            None => return Err(Refusal::invalid("pagination_token is invalid.")),
        },
    };
    let page: Vec<_> = files
        .iter()
        .skip(start)
        .take(usize::try_from(limit).unwrap_or(100))
        .collect();
    let more = start + page.len() < files.len();
    let token = page.last().filter(|_| more).map(|file| file.id.clone());
    let data: Vec<_> = page.into_iter().map(|file| object(file, &base)).collect();
    Ok(json_response(
        StatusCode::OK,
        &json!({ "data": data, "pagination_token": token }),
    ))
}

/// `GET /v1/files/{id}`
pub(super) async fn retrieve(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let file = app.files.find(&id).ok_or_else(|| missing(&id))?;
    Ok(json_response(StatusCode::OK, &object(&file, &base)))
}

/// `DELETE /v1/files/{id}`
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    app.files.find(&id).ok_or_else(|| missing(&id))?;
    app.files.lock().files.remove(&id);
    Ok(json_response(
        StatusCode::OK,
        &json!({ "id": id, "object": "file", "deleted": true }),
    ))
}

/// `GET /v1/files/{id}/content`
pub(super) async fn content(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let file = app.files.find(&id).ok_or_else(|| missing(&id))?;
    Ok(serve_blob(
        &headers,
        &file.blob,
        media_type(&file.filename),
        &format!("\"{id}\""),
    ))
}

#[derive(Debug, Default, Deserialize)]
struct PublishBody {
    expires_after: Option<i64>,
}

/// `POST /v1/files/{id}/public-url`
pub(super) async fn publish(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let wanted: PublishBody = if body.is_empty() {
        PublishBody::default()
    } else {
        super::videos::read(&headers, &body)?
    };
    rules::check_lifetime("expires_after", wanted.expires_after)?;
    let file = app.files.publish(&id, wanted.expires_after)?;
    let (url, expires_at) = public_fields(&file, &base);
    let mut body = json!({ "public_url": url });
    if !expires_at.is_null() {
        body["expires_at"] = expires_at;
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// `POST /v1/files/{id}/public-url/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(base): Extension<BaseUrl>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let file = app.files.find(&id).ok_or_else(|| missing(&id))?;
    if let Some(file) = app.files.lock().files.get_mut(&id) {
        file.public = None;
    }
    let mut body = json!({ "id": id, "revoked": file.public.is_some() });
    let (url, _) = public_fields(&file, &base);
    if !url.is_null() {
        body["public_url"] = url;
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// `GET` of a public link: no key.
pub(super) async fn public(
    State(app): State<App>,
    Path((token, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (blob, filename) = app
        .files
        .by_token(&token)
        .ok_or_else(|| Refusal::not_found("Not found"))?;
    Ok(serve_blob(
        &headers,
        &blob,
        media_type(&filename),
        &format!("\"{token}\""),
    ))
}
