//! A small HTTP server that records every request and sends scripted responses.
//!
//! It covers what the sandbox does not show (headers) or does not do (changed files, stalled connections).

#![cfg(feature = "cli")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reelkin::{Clip, Error};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::bench::{MAX_WAIT, builder, ms, polls_until, real_clip, request};
use crate::support::fixtures::fixture_text;

/// The id of every job this server makes.
pub(crate) const JOB: &str = "c3b8f1de-4a52-4f0e-9a3c-6e1d2b7f8a90";

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl ReceivedRequest {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns `7` for `Range: bytes=7-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// A scripted response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// Number of bytes of the body that are sent before the connection is cut or stalls.
    pub(crate) send: usize,
    /// Whether the connection stays open without further bytes after that.
    pub(crate) silent: bool,
    /// Bytes per second. 0 sends everything at once.
    pub(crate) rate: usize,
    /// Whether the response has a `Content-Length`.
    pub(crate) has_length: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            send: body.len(),
            body,
            silent: false,
            rate: 0,
            has_length: true,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), format!("{value}")));
        self
    }

    /// Announces the whole body and stops after a number of bytes.
    pub(crate) fn cut(mut self, after: usize) -> Self {
        self.send = after;
        self
    }

    /// Keeps the connection open without further bytes after the sent ones.
    pub(crate) fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Omits the length. The end of the connection is the end of the body.
    pub(crate) fn without_length(mut self) -> Self {
        self.has_length = false;
        self
    }

    /// Limits the rate of the body.
    pub(crate) fn rate(mut self, bytes_per_second: usize) -> Self {
        self.rate = bytes_per_second;
        self
    }
}

/// Returns a file, or the rest of it if a range was requested.
pub(crate) fn file(seen: &ReceivedRequest, whole: &Bytes, etag: &str) -> Answer {
    let same = seen.header("if-range").is_none_or(|given| given == etag);
    let answer = match seen.range_start().filter(|_| same) {
        Some(from) if from >= whole.len() => {
            Answer::new(416, "").header("content-range", format!("bytes */{}", whole.len()))
        }
        Some(from) => Answer::new(206, whole.slice(from..)).header(
            "content-range",
            format!("bytes {from}-{}/{}", whole.len() - 1, whole.len()),
        ),
        None => Answer::new(200, whole.clone()),
    };
    answer.header("etag", etag).header("content-type", "video/mp4")
}

/// Returns the reply to a poll of a finished job.
pub(crate) fn done(url: &str) -> Answer {
    let body = serde_json::json!({
        "status": "done", "progress": 100, "model": "grok-imagine-video",
        "video": { "url": url, "duration": 1, "respect_moderation": true },
        "usage": { "cost_in_usd_ticks": 500_000_000_u64 },
    });
    Answer::new(200, body.to_string())
}

type Script = dyn Fn(&ReceivedRequest, usize) -> Option<Answer> + Send + Sync;

/// A running server, which stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<ReceivedRequest>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts a server that makes a job, finishes it at once and serves `clip` at `/clip.mp4`. `script` may answer
    /// first. It gets the request and the number of earlier requests to the same path.
    pub(crate) async fn start(
        clip: Bytes,
        script: impl Fn(&ReceivedRequest, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<ReceivedRequest>>> = Arc::default();
        let (all, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (all, script, clip) = (Arc::clone(&all), Arc::clone(&script), clip.clone());
                tokio::spawn(async move {
                    // Clients may disconnect in these tests.
                    let _ = serve(stream, address, clip, all, script).await;
                });
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn base_url(&self) -> String {
        self.url("/v1")
    }

    /// Returns all requests so far.
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the requests whose path has this prefix.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<ReceivedRequest> {
        let mut seen = self.requests();
        seen.retain(|seen| seen.path.starts_with(path));
        seen
    }
}

async fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    clip: Bytes,
    all: Arc<Mutex<Vec<ReceivedRequest>>>,
    script: Arc<Script>,
) -> std::io::Result<()> {
    let _ = stream.set_nodelay(true);
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    let before = {
        let mut all = all.lock().unwrap();
        let plain = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        let before = all
            .iter()
            .filter(|seen| plain(&seen.path) == plain(&request.path))
            .count();
        all.push(request.clone());
        before
    };
    let answer = script(&request, before).unwrap_or_else(|| usual(&request, address, &clip));
    write(&mut stream, &answer).await
}

/// Returns the reply of a service that works.
fn usual(request: &ReceivedRequest, address: SocketAddr, clip: &Bytes) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/videos/generations") => {
            Answer::new(200, serde_json::json!({ "request_id": JOB }).to_string())
        }
        ("GET", path) if path.starts_with("/v1/videos/") => {
            done(&format!("http://{address}/clip.mp4?sig=SIGNED"))
        }
        ("GET", path) if path.starts_with("/clip.mp4") => file(request, clip, "\"one\""),
        _ => Answer::new(404, ""),
    }
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<ReceivedRequest>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    let mut seen = ReceivedRequest {
        method: word(),
        path: word(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: Bytes::new(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            break;
        }
    }
    seen.body = body.into();
    Ok(Some(seen))
}

async fn write(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Told\r\nconnection: close\r\n", answer.status);
    if answer.has_length {
        write!(head, "content-length: {}\r\n", answer.body.len()).unwrap();
    }
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let sent = &answer.body[..answer.send.min(answer.body.len())];
    if answer.rate == 0 {
        stream.write_all(sent).await?;
    } else {
        for piece in sent.chunks((answer.rate / 20).max(1)) {
            stream.write_all(piece).await?;
            tokio::time::sleep(ms(50)).await;
        }
    }
    if answer.silent {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    stream.flush().await?;
    stream.shutdown().await
}

/// The result of a request against a scripted server.
pub(crate) struct Run {
    pub(crate) outcome: Result<Clip, Error>,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

/// Generates a clip against a scripted server.
pub(crate) async fn run(
    script: impl Fn(&ReceivedRequest, usize) -> Option<Answer> + Send + Sync + 'static,
) -> Run {
    run_within(MAX_WAIT, script).await
}

pub(crate) async fn run_within(
    deadline: Duration,
    script: impl Fn(&ReceivedRequest, usize) -> Option<Answer> + Send + Sync + 'static,
) -> Run {
    let server = Server::start(real_clip().await, script).await;
    let folder = tempfile::tempdir().unwrap();
    let policy = polls_until(deadline);
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let outcome = client.generate(request()).await;
    Run {
        outcome,
        server,
        folder,
    }
}

/// Returns the reply in a fixture. The name of an error starts with its status.
pub(crate) fn answer(name: &str) -> Answer {
    let body = fixture_text(name);
    let file = name.rsplit('/').next().unwrap_or_default();
    let status = match file {
        file if file.starts_with("poll-pending") => 202,
        file => file
            .get(..3)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(200),
    };
    Answer::new(status, body)
}
