//! A clip of 100 MB that is sent inside a request, and one that is downloaded, beside plain streams of the same
//! bytes with the same HTTP stack. The server is a process of its own, so that its time and memory are not ours.

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
/// Most that ours may take of what the plain stream takes: 80 % of its speed.
const MOST: f64 = 1.25;
const MOST_MIB: f64 = 24.0;
/// What the plain upload reads and sends at a time; less is slower.
const STEP: usize = 256 << 10;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => serve(Path::new(folder)),
        ["memory", what, url, folder] => memory(what, url, Path::new(folder)),
        _ => measure(),
    }
}

fn measure() -> Result<(), Failure> {
    // Memory, where there is such a place: what the disk does is measured apart.
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
    let (mut wall, mut cpu, mut line) = (Vec::new(), Vec::new(), Vec::new());
    edit()?;
    post()?;
    for _ in 0..rounds {
        let (done, our_wall, our_cpu) = timed(edit);
        done?;
        let ours = runtime.block_on(took(&plain, &server.url))?;
        let (done, their_wall, their_cpu) = timed(post);
        done?;
        line.push((ours, runtime.block_on(took(&plain, &server.url))?));
        wall.push((our_wall, their_wall));
        cpu.push((our_cpu, their_cpu));
    }
    let peer = "reqwest, the same bytes from a file";
    let pairs = |case, figure, pairs| Row::of_pairs(GROUP, case, figure, "ms", peer, pairs);
    pairs(SENT, "first to last byte, as the server sees it", &line)
        .at_most(MOST)
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
        .at_most(MOST)
        .print();
    pairs("cpu of all of it", &cpu).print();

    for (what, case) in [("edit", SENT), ("generate", FETCHED)] {
        let (mut idle, mut fresh) = (Vec::new(), Vec::new());
        // It depends on which thread had which page.
        for _ in 0..rounds.min(9) {
            let highest = Command::new(std::env::current_exe()?)
                .args(["memory", what, &server.url])
                .arg(folder)
                .output()?;
            let told = String::from_utf8(highest.stdout)?;
            let (above_idle, above_fresh) = told.trim().split_once(' ').ok_or("no figures")?;
            idle.push(above_idle.parse::<f64>()? / 1024.0);
            fresh.push(above_fresh.parse::<f64>()? / 1024.0);
        }
        Row::new(GROUP, case, "memory above idle", "MiB", median(idle))
            .at_most(MOST_MIB)
            .print();
        let figure = "memory above a client that has decoded nothing yet";
        Row::new(GROUP, case, figure, "MiB", median(fresh)).print();
    }

    // What is done to a clip beside moving it.
    let alone = |figure, rounds, check: &dyn Fn() -> Result<f64, Failure>| {
        let took = (0..rounds).map(|_| check()).collect::<Result<_, _>>()?;
        Row::new(GROUP, "a check of 100 MB, alone", figure, "ms", median(took)).print();
        Ok::<_, Failure>(())
    };
    alone("hash", rounds, &|| {
        let (done, took, _) = timed(|| hash(&large));
        done.map(|()| took)
    })?;
    alone("container, first and last frame", rounds, &|| {
        let (done, took, _) = timed(|| media::check_whole(&large, &MediaOptions::new()));
        Ok(done.map(|_| took)?)
    })?;
    // Where the clips of this benchmark lie, in memory, it takes no time.
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

/// The highest resident memory in KiB: above that of a client that is idle after a small clip, and above that of one
/// that has done nothing yet and has no page of a decoder.
#[expect(clippy::print_stdout, reason = "for the process that started this one")]
fn memory(what: &str, url: &str, folder: &Path) -> Result<(), Failure> {
    let runtime = runtime()?;
    let client = client(url, folder)?;
    let (fresh, _) = resident();
    runtime.block_on(edit(&client, &folder.join("small.mp4")))?;
    // The mark of the highest begins anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (idle, _) = resident();
    if what == "edit" {
        runtime
            .block_on(edit(&client, &folder.join("large.mp4")))
            .map(drop)?;
    } else {
        discard(&runtime.block_on(generate(&client))?)?;
    }
    let (_, highest) = resident();
    println!("{} {}", highest - idle, highest - fresh);
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Runtime::new()?)
}

fn client(url: &str, folder: &Path) -> Result<VideoClient, Failure> {
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

async fn edit(client: &VideoClient, clip: &Path) -> Result<Clip, Failure> {
    let mut request = EditRequest::new(clip, "make it night");
    request.transport = TransportChoice::Inline;
    Ok(client.edit(request).await?)
}

async fn generate(client: &VideoClient) -> Result<Clip, Failure> {
    Ok(client.generate(GenerateRequest::text("a boat")).await?)
}

fn discard(clip: &Clip) -> Result<(), Failure> {
    Ok(std::fs::remove_file(clip.path.as_ref().ok_or("no path")?)?)
}

/// What the client sends, made before.
async fn post(plain: &reqwest::Client, url: &str, folder: &Path) -> Result<(), Failure> {
    let file = tokio::fs::File::open(folder.join("body.json")).await?;
    let length = file.metadata().await?.len();
    let chunks = futures_util::stream::try_unfold(file, async |mut file| {
        let mut chunk = Vec::with_capacity(STEP);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let request = plain
        .post(format!("{url}/sink"))
        .header("content-length", length)
        .body(reqwest::Body::wrap_stream(chunks));
    Ok(request.send().await?.error_for_status().map(drop)?)
}

/// Milliseconds from the first to the last byte of what was sent last.
async fn took(plain: &reqwest::Client, url: &str) -> Result<f64, Failure> {
    let micros = plain.get(format!("{url}/took")).send().await?.text().await?;
    Ok(micros.parse::<f64>()? / 1000.0)
}

async fn get(plain: &reqwest::Client, url: &str, folder: &Path) -> Result<(), Failure> {
    let path = folder.join("plain.mp4");
    let mut file = tokio::fs::File::create(&path).await?;
    let mut response = plain.get(format!("{url}/large.mp4")).send().await?;
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(std::fs::remove_file(path)?)
}

fn hash(path: &Path) -> Result<(), Failure> {
    let mut hash = Sha256::new();
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; STEP];
    while let read @ 1.. = file.read(&mut buffer)? {
        hash.update(&buffer[..read]);
    }
    std::hint::black_box(hash.finalize());
    Ok(())
}

/// 100 MB in the 8 s that an edit may have, a small one to answer with, and the body of a request.
fn make_clips(folder: &Path) -> Result<(), Failure> {
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

/// The server's process, which ends with its standard input.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, Failure> {
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
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is served, and how many jobs there were.
struct Service {
    url: String,
    folder: PathBuf,
    large: Vec<u8>,
    jobs: AtomicU64,
    /// Microseconds from the first to the last byte of the last large body.
    took: AtomicU64,
}

#[expect(clippy::print_stdout, reason = "for the process that started this one")]
fn serve(folder: &Path) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let service = Arc::new(Service {
        url: format!("http://{}", listener.local_addr()?),
        folder: folder.to_owned(),
        large: std::fs::read(folder.join("large.mp4"))?,
        jobs: AtomicU64::new(0),
        took: AtomicU64::new(0),
    });
    println!("{}", service.url);
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let service = Arc::clone(&service);
            // A client that hangs up ends its thread.
            std::thread::spawn(move || service.answer_all(line));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

impl Service {
    /// The requests of one connection: bodies are read and thrown away.
    fn answer_all(&self, line: TcpStream) -> std::io::Result<()> {
        line.set_nodelay(true)?;
        let mut answers = line.try_clone()?;
        let mut line = BufReader::with_capacity(1 << 20, line);
        loop {
            let (mut first, mut length, mut header) = (String::new(), 0_u64, String::new());
            line.read_line(&mut first)?;
            while line.read_line(&mut header)? > 2 {
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
            let (sent, began) = (length, Instant::now());
            while length > 0 {
                let part = line
                    .fill_buf()?
                    .len()
                    .min(usize::try_from(length).unwrap_or(usize::MAX));
                if part == 0 {
                    return Ok(());
                }
                line.consume(part);
                length -= part as u64;
            }
            if sent > 1 << 20 {
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.took.store(took, Ordering::Relaxed);
            }
            let small;
            let body = match path {
                "/large.mp4" => &self.large,
                "/small.mp4" => {
                    small = std::fs::read(self.folder.join("small.mp4"))?;
                    &small
                }
                other => {
                    small = self.answer(other).into_bytes();
                    &small
                }
            };
            write!(
                answers,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                body.len()
            )?;
            answers.write_all(body)?;
        }
    }

    /// What the service says: a job's id, and at once that it is done.
    fn answer(&self, path: &str) -> String {
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
            None if path == "/took" => self.took.load(Ordering::Relaxed).to_string(),
            None => "{}".to_owned(),
        }
    }
}
