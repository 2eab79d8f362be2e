//! Measures sending a 100 MB clip inside a request and downloading one, compared to plain streams of the same bytes with
//! the same HTTP stack. The server is a separate process, so that its time and memory do not count.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use reelkin::media::{self, MediaOptions};
use reelkin::request::TransportChoice;
use reelkin::{Clip, EditRequest, GenerateRequest, PollPolicy, RateLimit, VideoClient};
use rows::{Row, is_short, median, resident, timed};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[path = "rows.rs"]
mod rows;

const GROUP: &str = "bodies";
const SENT: &str = "100 MB inside a request";
const FETCHED: &str = "100 MB downloaded";
/// The maximum ratio of the time to that of the plain stream.
const MAX_RATIO: f64 = 1.25;
const MAX_MIB: f64 = 24.0;
/// The chunk size of the plain upload. Smaller chunks are slower.
const CHUNK_BYTES: usize = 256 << 10;

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => serve(Path::new(folder)),
        ["memory", what, url, folder] => memory(what, url, Path::new(folder)),
        _ => measure(),
    }
}

fn measure() -> Result<(), BoxError> {
    // A folder in memory, if possible: the disk is measured separately.
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() {
        tempfile::tempdir_in(shared)?
    } else {
        tempfile::tempdir()?
    };
    let folder = folder.path();
    make_clips(folder)?;
    let server = Server::start(folder)?;
    let runtime = runtime()?;
    let rounds = if is_short() { 5 } else { 15 };

    let large = folder.join("large.mp4");
    let client = client(&server.url, folder)?;
    let plain = reqwest::Client::builder().tls_certs_only([]).build()?;
    let edit = || runtime.block_on(edit(&client, &large)).map(drop);
    let post = || runtime.block_on(post(&plain, &server.url, folder));
    let (mut wall, mut cpu, mut transfer) = (Vec::new(), Vec::new(), Vec::new());
    edit()?;
    post()?;
    for _ in 0..rounds {
        let (done, our_wall, our_cpu) = timed(edit);
        done?;
        let ours = runtime.block_on(body_time(&plain, &server.url))?;
        let (done, their_wall, their_cpu) = timed(post);
        done?;
        transfer.push((ours, runtime.block_on(body_time(&plain, &server.url))?));
        wall.push((our_wall, their_wall));
        cpu.push((our_cpu, their_cpu));
    }
    let peer = "reqwest, the same bytes from a file";
    let pairs = |case, figure, pairs| Row::of_pairs(GROUP, case, figure, "ms", peer, pairs);
    pairs(SENT, "first to last byte, as the server sees it", &transfer)
        .at_most(MAX_RATIO)
        .print();
    pairs(SENT, "all of the edit, with its checks", &wall).print();
    pairs(SENT, "cpu of all of it", &cpu).print();

    let generate = || discard(&runtime.block_on(generate(&client))?);
    let get = || runtime.block_on(get(&plain, &server.url, folder));
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    generate()?;
    get()?;
    for _ in 0..rounds {
        let (done, our_wall, our_cpu) = timed(generate);
        done?;
        let (done, their_wall, their_cpu) = timed(get);
        done?;
        wall.push((our_wall, their_wall));
        cpu.push((our_cpu, their_cpu));
    }
    let peer = "reqwest to a file, nothing checked";
    let pairs = |figure, pairs| Row::of_pairs(GROUP, FETCHED, figure, "ms", peer, pairs);
    pairs("all of the generation, with its checks", &wall)
        .at_most(MAX_RATIO)
        .print();
    pairs("cpu of all of it", &cpu).print();

    for (what, case) in [("edit", SENT), ("generate", FETCHED)] {
        let (mut idle, mut fresh) = (Vec::new(), Vec::new());
        // The result varies with the distribution of pages over threads.
        for _ in 0..rounds.min(9) {
            let output = Command::new(std::env::current_exe()?)
                .args(["memory", what, &server.url])
                .arg(folder)
                .output()?;
            let printed = String::from_utf8(output.stdout)?;
            let (above_idle, above_fresh) = printed.trim().split_once(' ').ok_or("no figures")?;
            idle.push(above_idle.parse::<f64>()? / 1024.0);
            fresh.push(above_fresh.parse::<f64>()? / 1024.0);
        }
        Row::new(GROUP, case, "memory above idle", "MiB", median(idle))
            .at_most(MAX_MIB)
            .print();
        let figure = "memory above a client that has decoded nothing yet";
        Row::new(GROUP, case, figure, "MiB", median(fresh)).print();
    }

    // The checks of a clip without its transfer.
    let alone = |figure, rounds, check: &dyn Fn() -> Result<f64, BoxError>| {
        let took = (0..rounds).map(|_| check()).collect::<Result<_, _>>()?;
        Row::new(GROUP, "a check of 100 MB, alone", figure, "ms", median(took)).print();
        Ok::<_, BoxError>(())
    };
    alone("hash", rounds, &|| {
        let (done, took, _) = timed(|| hash(&large));
        done.map(|()| took)
    })?;
    alone("container, first and last frame", rounds, &|| {
        let (done, took, _) = timed(|| media::check_whole(&large, &MediaOptions::new()));
        Ok(done.map(|_| took)?)
    })?;
    // On a disk: a sync of the clips of this benchmark, which are in memory, takes no time.
    let disk = tempfile::tempdir()?;
    alone("sync to this disk", rounds.min(5), &|| {
        let copy = disk.path().join("large.mp4");
        std::fs::copy(&large, &copy)?;
        let file = std::fs::File::open(&copy)?;
        let (done, took, _) = timed(|| file.sync_all());
        Ok(done.map(|()| took)?)
    })?;
    Ok(())
}

/// Prints the peak resident memory in KiB, above that of a client that is idle after a small clip, and above that of a client
/// that has decoded nothing yet.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
fn memory(what: &str, url: &str, folder: &Path) -> Result<(), BoxError> {
    let runtime = runtime()?;
    let client = client(url, folder)?;
    let (fresh, _) = resident();
    runtime.block_on(edit(&client, &folder.join("small.mp4")))?;
    // Resets the peak.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (idle, _) = resident();
    if what == "edit" {
        runtime
            .block_on(edit(&client, &folder.join("large.mp4")))
            .map(drop)?;
    } else {
        discard(&runtime.block_on(generate(&client))?)?;
    }
    let (_, peak) = resident();
    println!("{} {}", peak - idle, peak - fresh);
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, BoxError> {
    Ok(tokio::runtime::Runtime::new()?)
}

fn client(url: &str, folder: &Path) -> Result<VideoClient, BoxError> {
    let ms = Duration::from_millis;
    let mut polls = PollPolicy::default();
    (polls.first, polls.expected, polls.shortest, polls.longest) = (ms(1), ms(1), ms(1), ms(1));
    Ok(VideoClient::builder()
        .api_key("none")
        .base_url(format!("{url}/v1"))
        .library(folder.join("clips"))
        .poll(polls)
        .rate_limit(RateLimit::per_second(1000.0, 1000.0))
        .build()?)
}

async fn edit(client: &VideoClient, clip: &Path) -> Result<Clip, BoxError> {
    let mut request = EditRequest::new(clip, "make it night");
    request.transport = TransportChoice::Inline;
    Ok(client.edit(request).await?)
}

async fn generate(client: &VideoClient) -> Result<Clip, BoxError> {
    Ok(client.generate(GenerateRequest::text("a boat")).await?)
}

fn discard(clip: &Clip) -> Result<(), BoxError> {
    Ok(std::fs::remove_file(clip.path.as_ref().ok_or("no path")?)?)
}

/// Posts the body that the client sends, from a file.
async fn post(plain: &reqwest::Client, url: &str, folder: &Path) -> Result<(), BoxError> {
    let file = tokio::fs::File::open(folder.join("body.json")).await?;
    let length = file.metadata().await?.len();
    let chunks = futures_util::stream::try_unfold(file, async |mut file| {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let request = plain
        .post(format!("{url}/sink"))
        .header("content-length", length)
        .body(reqwest::Body::wrap_stream(chunks));
    Ok(request.send().await?.error_for_status().map(drop)?)
}

/// Returns the milliseconds from the first to the last byte of the last large body, as measured by the server.
async fn body_time(plain: &reqwest::Client, url: &str) -> Result<f64, BoxError> {
    let micros = plain.get(format!("{url}/body-time")).send().await?.text().await?;
    Ok(micros.parse::<f64>()? / 1000.0)
}

async fn get(plain: &reqwest::Client, url: &str, folder: &Path) -> Result<(), BoxError> {
    let path = folder.join("plain.mp4");
    let mut file = tokio::fs::File::create(&path).await?;
    let mut response = plain.get(format!("{url}/large.mp4")).send().await?;
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(std::fs::remove_file(path)?)
}

fn hash(path: &Path) -> Result<(), BoxError> {
    let mut hash = Sha256::new();
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    while let read @ 1.. = file.read(&mut buffer)? {
        hash.update(&buffer[..read]);
    }
    std::hint::black_box(hash.finalize());
    Ok(())
}

/// Creates a clip of 100 MB and 8 s, which an edit accepts, a small clip as the result of edits, and a request body.
fn make_clips(folder: &Path) -> Result<(), BoxError> {
    for (name, rate) in [("large.mp4", "100M"), ("small.mp4", "100k")] {
        let constant = format!("-b:v {rate} -minrate {rate} -maxrate {rate} -bufsize {rate}");
        let encode = "-f lavfi -i testsrc2=size=1280x720:rate=24:duration=8 -pix_fmt yuv420p -c:v libx264 \
                      -preset ultrafast -g 24 -x264-params nal-hrd=cbr:force-cfr=1";
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y"])
            .args(encode.split_whitespace())
            .args(constant.split_whitespace())
            .arg(folder.join(name))
            .stdin(Stdio::null())
            .status()?;
        if !made.success() {
            return Err("ffmpeg failed".into());
        }
    }
    let clip = base64::engine::general_purpose::STANDARD.encode(std::fs::read(folder.join("large.mp4"))?);
    let body = format!(
        r#"{{"model":"grok-imagine-video","prompt":"make it night","video":{{"url":"data:video/mp4;base64,{clip}"}}}}"#
    );
    Ok(std::fs::write(folder.join("body.json"), body)?)
}

/// The process of the server, which exits when its standard input is closed.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, BoxError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut url)?;
        Ok(Self {
            child,
            url: url.trim().to_owned(),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state of the server.
struct Service {
    url: String,
    folder: PathBuf,
    large: Vec<u8>,
    jobs: AtomicU64,
    /// The microseconds from the first to the last byte of the last large body.
    body_micros: AtomicU64,
}

#[expect(clippy::print_stdout, reason = "the parent process reads it")]
fn serve(folder: &Path) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let service = Arc::new(Service {
        url: format!("http://{}", listener.local_addr()?),
        folder: folder.to_owned(),
        large: std::fs::read(folder.join("large.mp4"))?,
        jobs: AtomicU64::new(0),
        body_micros: AtomicU64::new(0),
    });
    println!("{}", service.url);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let service = Arc::clone(&service);
            // The thread ends with an error when the client closes the connection.
            std::thread::spawn(move || service.serve_connection(connection));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

impl Service {
    /// Answers the requests of one connection. Request bodies are discarded.
    fn serve_connection(&self, connection: TcpStream) -> std::io::Result<()> {
        connection.set_nodelay(true)?;
        let mut output = connection.try_clone()?;
        let mut input = BufReader::with_capacity(1 << 20, connection);
        loop {
            let (mut first, mut length, mut header) = (String::new(), 0_u64, String::new());
            input.read_line(&mut first)?;
            while input.read_line(&mut header)? > 2 {
                if let Some((name, value)) = header.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap_or(0);
                }
                header.clear();
            }
            let Some(path) = first.split(' ').nth(1) else {
                return Ok(());
            };
            let (sent, started) = (length, Instant::now());
            while length > 0 {
                let part = input
                    .fill_buf()?
                    .len()
                    .min(usize::try_from(length).unwrap_or(usize::MAX));
                if part == 0 {
                    return Ok(());
                }
                input.consume(part);
                length -= part as u64;
            }
            if sent > 1 << 20 {
                let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.body_micros.store(micros, Ordering::Relaxed);
            }
            let small;
            let body = match path {
                "/large.mp4" => &self.large,
                "/small.mp4" => {
                    small = std::fs::read(self.folder.join("small.mp4"))?;
                    &small
                }
                other => {
                    small = self.response(other).into_bytes();
                    &small
                }
            };
            write!(
                output,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                body.len()
            )?;
            output.write_all(body)?;
        }
    }

    /// Returns the body of a response. Jobs are done at once.
    fn response(&self, path: &str) -> String {
        match path.strip_prefix("/v1/videos/") {
            Some(verb @ ("edits" | "generations")) => {
                let number = self.jobs.fetch_add(1, Ordering::Relaxed);
                format!(r#"{{"request_id":"{verb}-{}-{number}"}}"#, std::process::id())
            }
            Some(job) => {
                let clip = if job.starts_with("edits") {
                    "small"
                } else {
                    "large"
                };
                let url = format!("{}/{clip}.mp4", self.url);
                format!(
                    r#"{{"status":"done","progress":100,"model":"grok-imagine-video","video":{{"url":"{url}","duration":8,"respect_moderation":true}},"usage":{{"cost_in_usd_ticks":500000000}}}}"#
                )
            }
            None if path == "/body-time" => self.body_micros.load(Ordering::Relaxed).to_string(),
            None => "{}".to_owned(),
        }
    }
}
