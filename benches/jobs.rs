//! Ten thousand jobs in flight in one process, against a sandbox in another: memory a job, processor time a
//! poll beside the same loop in Python with httpx, a clean stop, and a recovery of all of them.
//!
//! `scripts/bench.sh jobs`, which sets up Python.

#![allow(clippy::print_stderr, reason = "what is not a row")]

#[path = "rows.rs"]
mod rows;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use reelkin::{GenerateRequest, PollPolicy, RateLimit, VideoClient, secs};
use rows::Row;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// So long is measured at a time, and so often on each side.
const WINDOW: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;
/// Creates that are sent at a time.
const AT_ONCE: usize = 64;
const PYTHON: &str = "target/bench/jobs/bin/python";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("client") => in_flight(&arguments[2..]),
        Some("recover") => recover(&arguments[2..]),
        _ => measure(),
    }
}

fn measure() -> Result<(), Failure> {
    measure_with(1000, 1, 45)?;
    // The short form has something to be held against in the full one.
    if !rows::is_short() {
        measure_with(10_000, ROUNDS, 150)?;
    }
    Ok(())
}

/// `seconds` a job takes: longer than it takes to start all of them and to measure; what is left of it is waited for.
fn measure_with(jobs: u32, rounds: usize, seconds: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut sandbox = Part::start(Command::new(env!("CARGO_BIN_EXE_reelkin")).args([
        "sandbox",
        "--seconds-per-job",
        &seconds.to_string(),
    ]))?;
    let told = sandbox.hear()?;
    let (base, key) = (text(&told, "base_url"), text(&told, "api_key"));
    let state = || polls(&base);

    let mut client = Part::start(&mut this("client", &base, &key, folder.path(), jobs))?;
    let idle = number(&client.hear()?, "kib");
    let started = client.hear()?;
    let begun = Instant::now();
    eprintln!(
        "jobs: started in {:.0} ms, {:.0} ms of processor time",
        number(&started, "ms"),
        number(&started, "cpu_ms")
    );
    let ids = folder.path().join("ids");
    std::fs::write(&ids, text(&started, "ids"))?;

    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let before = state()?;
        let ours = number(&client.ask("window")?, "cpu_ms");
        let ours = ours / (state()? - before);
        let theirs = run_python(&base, &key, &ids)?;
        let theirs = number(&theirs, "cpu_ms") / number(&theirs, "polls");
        eprintln!("jobs: a poll takes {ours:.4} ms, {theirs:.4} ms in Python");
        pairs.push((ours * 1000.0, theirs * 1000.0));
    }
    let busy = number(&client.ask("memory")?, "kib");
    let stopped = number(&client.ask("stop")?, "ms");
    let exit = Instant::now();
    client.end()?;
    let stopped = stopped + exit.elapsed().as_secs_f64() * 1000.0;
    eprintln!("jobs: {idle} KiB idle, {busy} KiB in flight, stopped in {stopped:.0} ms");

    std::thread::sleep(Duration::from_secs(seconds + 2).saturating_sub(begun.elapsed()));
    let mut again = Part::start(&mut this("recover", &base, &key, folder.path(), jobs))?;
    let recovered = again.hear()?;
    again.end()?;
    eprintln!("jobs: {recovered}");
    if recovered["saved"].as_u64() != Some(u64::from(jobs)) {
        return Err(format!("of {jobs} jobs these were recovered: {recovered}").into());
    }

    let many = format!("{},000 jobs", jobs / 1000);
    let httpx = format!("Python {}", run_python_version()?);
    Row::new(
        "jobs",
        &format!("{many} in flight"),
        "memory a job",
        "KiB",
        (busy - idle) / f64::from(jobs),
    )
    .at_most(12.0)
    .print();
    Row::of_pairs(
        "jobs",
        &format!("{many} in flight"),
        "cpu a poll",
        "µs",
        &httpx,
        &pairs,
    )
    .at_most(0.2)
    .print();
    Row::new(
        "jobs",
        &format!("a clean stop of {many}"),
        "wall",
        "s",
        stopped / 1000.0,
    )
    .print();
    Row::new(
        "jobs",
        &format!("a recovery of {many}"),
        "wall",
        "s",
        number(&recovered, "ms") / 1000.0,
    )
    .at_most(60.0)
    .print();
    Row::new(
        "jobs",
        &format!("a recovery of {many}"),
        "cpu a job",
        "ms",
        number(&recovered, "cpu_ms") / f64::from(jobs),
    )
    .print();
    Ok(())
}

/// This program in another role.
fn this(role: &str, base: &str, key: &str, folder: &Path, jobs: u32) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("jobs"));
    let mut command = Command::new(program);
    command.args([role, base, key]).arg(folder).arg(jobs.to_string());
    command
}

/// A process that is told a word a line, and answers with a line of JSON.
struct Part {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Part {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    fn hear(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn ask(&mut self, word: &str) -> Result<Value, Failure> {
        writeln!(self.input.as_ref().ok_or("no input")?, "{word}")?;
        self.hear()
    }

    /// Waits for its end.
    fn end(mut self) -> Result<(), Failure> {
        self.input.take();
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a part ended with {status}").into())
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

fn say(value: &Value) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}

/// How many polls the sandbox has seen.
fn polls(base: &str) -> Result<f64, Failure> {
    let host = base.trim_start_matches("http://").trim_end_matches("/v1");
    let mut line = TcpStream::connect(host)?;
    write!(
        line,
        "GET /sandbox/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut reply = Vec::new();
    line.read_to_end(&mut reply)?;
    let body = reply
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("no reply")?;
    let state: Value = serde_json::from_slice(&reply[body + 4..])?;
    Ok(number(&state, "polls"))
}

fn run_python(base: &str, key: &str, ids: &Path) -> Result<Value, Failure> {
    let output = Command::new(PYTHON)
        .arg("benches/peers/polls.py")
        .args([base, key])
        .arg(ids)
        .arg(WINDOW.as_secs().to_string())
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn run_python_version() -> Result<String, Failure> {
    let code = "import platform, httpx; print(platform.python_version(), 'httpx', httpx.__version__)";
    let output = Command::new(PYTHON).args(["-c", code]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn client(arguments: &[String]) -> Result<VideoClient, Failure> {
    let [base, key, folder, _] = arguments else {
        return Err("a base URL, a key, a folder and a number are needed".into());
    };
    let mut policy = PollPolicy::default();
    policy.deadline = secs(3600);
    let client = VideoClient::builder()
        .base_url(base)
        .api_key(key)
        .library(Path::new(folder).join("clips"))
        // What one machine can do, not what one account may.
        .rate_limit(RateLimit::per_second(20_000.0, 20_000.0))
        .poll(policy)
        .build()?;
    Ok(client)
}

/// Starts all jobs, and does what it is told.
fn in_flight(arguments: &[String]) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(arguments)?;
        let jobs: usize = arguments.get(3).ok_or("how many?")?.parse()?;
        client.visible_models().await?;
        say(&json!({ "kib": rows::resident().0 }))?;

        let begun = Instant::now();
        let cpu = rows::processor_time();
        let starts = stream::iter(0..jobs).map(|_| {
            let request = GenerateRequest::text("a lighthouse at dusk").duration(secs(1));
            client.generate(request).start()
        });
        let handles: Vec<_> = starts.buffer_unordered(AT_ONCE).collect().await;
        let handles: Vec<_> = handles.into_iter().collect::<Result<_, _>>()?;
        let ids: Vec<&str> = handles.iter().map(|handle| handle.id().as_str()).collect();
        let (wall, cpu) = (begun.elapsed(), rows::processor_time().saturating_sub(cpu));
        say(&json!({
            "ids": ids.join("\n"),
            "ms": wall.as_secs_f64() * 1000.0,
            "cpu_ms": cpu.as_secs_f64() * 1000.0,
        }))?;

        let mut words = std::io::stdin().lines();
        while let Some(word) = words.next().transpose()? {
            match word.as_str() {
                "window" => {
                    let before = rows::processor_time();
                    tokio::time::sleep(WINDOW).await;
                    let cpu = rows::processor_time().saturating_sub(before);
                    say(&json!({ "cpu_ms": cpu.as_secs_f64() * 1000.0 }))?;
                }
                "memory" => say(&json!({ "kib": rows::resident().0 }))?,
                "stop" => {
                    let begun = Instant::now();
                    for handle in &handles {
                        handle.stop_waiting();
                    }
                    for handle in &handles {
                        // Each ends with an error that says it was stopped; its record stays.
                        let _ = handle.wait().await;
                    }
                    say(&json!({ "ms": begun.elapsed().as_secs_f64() * 1000.0 }))?;
                }
                _ => return Err(format!("no part knows the word {word}").into()),
            }
        }
        Ok(())
    })
}

fn recover(arguments: &[String]) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(arguments)?;
        let (begun, cpu) = (Instant::now(), rows::processor_time());
        let recovered = client.recover().await?;
        let (wall, cpu) = (begun.elapsed(), rows::processor_time().saturating_sub(cpu));
        let first = recovered.open.first().and_then(reelkin::JobRecord::failure);
        say(&json!({
            "saved": recovered.saved.len(),
            "failed": recovered.failed.len(),
            "open": recovered.open.len(),
            "stuck": recovered.stuck.len(),
            "first_stuck": recovered.stuck.first().map(|stuck| stuck.error.to_string()),
            "first_open": first.map(|error| error.to_string()),
            "ms": wall.as_secs_f64() * 1000.0,
            "cpu_ms": cpu.as_secs_f64() * 1000.0,
            "kib": rows::resident().1,
        }))
    })
}
