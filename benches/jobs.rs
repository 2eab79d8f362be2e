//! Measures ten thousand jobs in flight in one process, with the sandbox in another one: memory per job, CPU time per poll
//! compared to the same loop in Python with httpx, stopping, and recovering all jobs.
//!
//! `scripts/bench.sh jobs` sets up Python.

#![allow(clippy::print_stderr, reason = "progress, which is not a row")]

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

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long each measurement of CPU time takes.
const WINDOW: Duration = Duration::from_secs(10);
/// How many measurements each side takes.
const ROUNDS: usize = 3;
const MAX_CONCURRENT_CREATES: usize = 64;
const PYTHON: &str = "target/bench/jobs/bin/python";

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("client") => in_flight(&arguments[2..]),
        Some("recover") => recover(&arguments[2..]),
        _ => measure(),
    }
}

fn measure() -> Result<(), BoxError> {
    measure_with(1000, 1, 45)?;
    // The full form includes the short one, whose rows `--check` compares.
    if !rows::is_short() {
        measure_with(10_000, ROUNDS, 150)?;
    }
    Ok(())
}

/// Measures with jobs that take `seconds`, which must be longer than starting all of them and measuring.
fn measure_with(jobs: u32, rounds: usize, seconds: u64) -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let mut sandbox = Process::start(Command::new(env!("CARGO_BIN_EXE_reelkin")).args([
        "sandbox",
        "--seconds-per-job",
        &seconds.to_string(),
    ]))?;
    let address = sandbox.read_reply()?;
    let (base, key) = (text(&address, "base_url"), text(&address, "api_key"));

    let mut client = Process::start(&mut this_program("client", &base, &key, folder.path(), jobs))?;
    let idle = number(&client.read_reply()?, "kib");
    let started = client.read_reply()?;
    let started_at = Instant::now();
    eprintln!(
        "jobs: started in {:.0} ms, {:.0} ms of CPU time",
        number(&started, "ms"),
        number(&started, "cpu_ms")
    );
    let ids = folder.path().join("ids");
    std::fs::write(&ids, text(&started, "ids"))?;

    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let polls_before = polls(&base)?;
        let ours = number(&client.request("window")?, "cpu_ms");
        let ours = ours / (polls(&base)? - polls_before);
        let theirs = run_python(&base, &key, &ids)?;
        let theirs = number(&theirs, "cpu_ms") / number(&theirs, "polls");
        eprintln!("jobs: a poll takes {ours:.4} ms, {theirs:.4} ms in Python");
        pairs.push((ours * 1000.0, theirs * 1000.0));
    }
    let busy = number(&client.request("memory")?, "kib");
    let stopped = number(&client.request("stop")?, "ms");
    let exiting = Instant::now();
    client.wait()?;
    let stopped = stopped + exiting.elapsed().as_secs_f64() * 1000.0;
    eprintln!("jobs: {idle} KiB idle, {busy} KiB in flight, stopped in {stopped:.0} ms");

    std::thread::sleep(Duration::from_secs(seconds + 2).saturating_sub(started_at.elapsed()));
    let mut recovery = Process::start(&mut this_program("recover", &base, &key, folder.path(), jobs))?;
    let recovered = recovery.read_reply()?;
    recovery.wait()?;
    eprintln!("jobs: {recovered}");
    if recovered["saved"].as_u64() != Some(u64::from(jobs)) {
        return Err(format!("not all of {jobs} jobs were recovered: {recovered}").into());
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

/// Returns a command that runs this program in another role.
fn this_program(role: &str, base: &str, key: &str, folder: &Path, jobs: u32) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("jobs"));
    let mut command = Command::new(program);
    command.args([role, base, key]).arg(folder).arg(jobs.to_string());
    command
}

/// A child process that reads one command per line and replies with a line of JSON.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    fn read_reply(&mut self) -> Result<Value, BoxError> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn request(&mut self, command: &str) -> Result<Value, BoxError> {
        writeln!(self.input.as_ref().ok_or("no input")?, "{command}")?;
        self.read_reply()
    }

    /// Closes the input and waits for the exit.
    fn wait(mut self) -> Result<(), BoxError> {
        self.input.take();
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a child process failed: {status}").into())
        }
    }
}

impl Drop for Process {
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

fn reply(value: &Value) -> Result<(), BoxError> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}

/// Returns the number of polls that the sandbox has received.
fn polls(base: &str) -> Result<f64, BoxError> {
    let host = base.trim_start_matches("http://").trim_end_matches("/v1");
    let mut connection = TcpStream::connect(host)?;
    write!(
        connection,
        "GET /sandbox/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut reply = Vec::new();
    connection.read_to_end(&mut reply)?;
    let body = reply
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("the sandbox sent no reply")?;
    let state: Value = serde_json::from_slice(&reply[body + 4..])?;
    Ok(number(&state, "polls"))
}

fn run_python(base: &str, key: &str, ids: &Path) -> Result<Value, BoxError> {
    let output = Command::new(PYTHON)
        .arg("benches/peers/polls.py")
        .args([base, key])
        .arg(ids)
        .arg(WINDOW.as_secs().to_string())
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn run_python_version() -> Result<String, BoxError> {
    let code = "import platform, httpx; print(platform.python_version(), 'httpx', httpx.__version__)";
    let output = Command::new(PYTHON).args(["-c", code]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn client(arguments: &[String]) -> Result<VideoClient, BoxError> {
    let [base, key, folder, _] = arguments else {
        return Err("expected a base URL, a key, a folder and a number of jobs".into());
    };
    let mut policy = PollPolicy::default();
    policy.deadline = secs(3600);
    let client = VideoClient::builder()
        .base_url(base)
        .api_key(key)
        .library(Path::new(folder).join("clips"))
        // Measures the machine, not the rate limit of an account.
        .rate_limit(RateLimit::per_second(20_000.0, 20_000.0))
        .poll(policy)
        .build()?;
    Ok(client)
}

/// Starts all jobs, then executes commands from standard input.
fn in_flight(arguments: &[String]) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(arguments)?;
        let jobs: usize = arguments.get(3).ok_or("expected a number of jobs")?.parse()?;
        client.visible_models().await?;
        reply(&json!({ "kib": rows::resident().0 }))?;

        let started = Instant::now();
        let cpu = rows::processor_time();
        let starts = stream::iter(0..jobs).map(|_| {
            let request = GenerateRequest::text("a lighthouse at dusk").duration(secs(1));
            client.generate(request).start()
        });
        let handles: Vec<_> = starts.buffer_unordered(MAX_CONCURRENT_CREATES).collect().await;
        let handles: Vec<_> = handles.into_iter().collect::<Result<_, _>>()?;
        let ids: Vec<&str> = handles.iter().map(|handle| handle.id().as_str()).collect();
        let (wall, cpu) = (started.elapsed(), rows::processor_time().saturating_sub(cpu));
        reply(&json!({
            "ids": ids.join("\n"),
            "ms": wall.as_secs_f64() * 1000.0,
            "cpu_ms": cpu.as_secs_f64() * 1000.0,
        }))?;

        let mut commands = std::io::stdin().lines();
        while let Some(command) = commands.next().transpose()? {
            match command.as_str() {
                "window" => {
                    let before = rows::processor_time();
                    tokio::time::sleep(WINDOW).await;
                    let cpu = rows::processor_time().saturating_sub(before);
                    reply(&json!({ "cpu_ms": cpu.as_secs_f64() * 1000.0 }))?;
                }
                "memory" => reply(&json!({ "kib": rows::resident().0 }))?,
                "stop" => {
                    let started = Instant::now();
                    for handle in &handles {
                        handle.stop_waiting();
                    }
                    for handle in &handles {
                        // Returns an error because the job was stopped. Its record stays open.
                        let _ = handle.wait().await;
                    }
                    reply(&json!({ "ms": started.elapsed().as_secs_f64() * 1000.0 }))?;
                }
                _ => return Err(format!("unknown command {command}").into()),
            }
        }
        Ok(())
    })
}

fn recover(arguments: &[String]) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(arguments)?;
        let (started, cpu) = (Instant::now(), rows::processor_time());
        let recovered = client.recover().await?;
        let (wall, cpu) = (started.elapsed(), rows::processor_time().saturating_sub(cpu));
        let first_failure = recovered.open.first().and_then(reelkin::JobRecord::failure);
        reply(&json!({
            "saved": recovered.saved.len(),
            "failed": recovered.failed.len(),
            "open": recovered.open.len(),
            "stuck": recovered.stuck.len(),
            "first_stuck": recovered.stuck.first().map(|stuck| stuck.error.to_string()),
            "first_open": first_failure.map(|error| error.to_string()),
            "ms": wall.as_secs_f64() * 1000.0,
            "cpu_ms": cpu.as_secs_f64() * 1000.0,
            "kib": rows::resident().1,
        }))
    })
}
