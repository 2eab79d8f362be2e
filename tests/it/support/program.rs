//! Runs the real program, isolated from the settings of the machine and with a time limit.

#![cfg(feature = "cli")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::bench::{Bench, KEY, MAX_WAIT, PENDING};

/// The arguments that generate the cheapest clip.
pub(crate) const GENERATE: [&str; 4] = ["generate", "a boat", "--duration", "1"];

/// The exit code and the output of a run.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ProgramOutput {
    /// Returns the only JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }

    /// Returns the message of a failure. Advice is indented below it.
    pub(crate) fn line(&self) -> &str {
        let mut lines = self.stderr.lines();
        let first = lines.next().unwrap_or_else(|| panic!("{self:?}"));
        let line = first
            .strip_prefix("reelkin: ")
            .unwrap_or_else(|| panic!("{self:?}"));
        assert!(lines.all(|line| line.starts_with("  ")), "{self:?}");
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("RUST_BACKTRACE"),
            "{self:?}"
        );
        line
    }
}

/// A call of `reelkin` in a folder of its own.
pub(crate) struct Program {
    command: Command,
    // Must exist while the program runs.
    kept: Option<TempDir>,
    stdout: Option<Stdio>,
}

/// Restores the default signal handling. A shell ignores some signals for background jobs, and the program would
/// inherit that.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "signal dispositions inherited from the parent have no other interface"
)]
fn default_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    // SAFETY: signal is async-signal-safe, and nothing else runs between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

#[cfg(not(unix))]
fn default_signals(_: &mut Command) {}

impl Program {
    /// Returns a call without key, library and settings.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Self::in_folder(folder.path());
        program.kept = Some(folder);
        program
    }

    pub(crate) fn in_folder(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelkin"));
        command.current_dir(folder).env("HOME", folder);
        for variable in ["XAI_API_KEY", "REELKIN_LIBRARY", "REELKIN_LOG"] {
            command.env_remove(variable);
        }
        for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(variable).env_remove(variable.to_uppercase());
        }
        default_signals(&mut command);
        Self {
            command,
            kept: None,
            stdout: None,
        }
    }

    /// Returns a call with the key, against a service.
    pub(crate) fn at_service(folder: &Path, base_url: &str) -> Self {
        Self::in_folder(folder)
            .env("XAI_API_KEY", KEY)
            .args(["--base-url", base_url])
    }

    /// Returns a call with the sandbox, the library and the key of a bench.
    pub(crate) fn at(bench: &Bench) -> Self {
        Self::at_service(bench.folder.path(), &bench.sandbox.base_url())
            .arg("--library")
            .arg(bench.library())
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets where standard output goes. Defaults to reading it to its end.
    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Returns the command, to start it in another way.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Starts the program with all its streams piped.
    pub(crate) fn spawn(mut self) -> Child {
        let stdout = self.stdout.take().unwrap_or_else(Stdio::piped);
        self.command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the program to its end, without blocking the runtime that serves the sandbox.
    pub(crate) async fn run(self) -> ProgramOutput {
        tokio::task::spawn_blocking(move || {
            // The folder must outlive the run.
            let mut program = self;
            let _kept = program.kept.take();
            finish(program.spawn())
        })
        .await
        .unwrap()
    }
}

/// Starts a bench with a finished job whose clip the program did not wait for. Returns what the program printed, too.
pub(crate) async fn bench_with_open_job() -> (Bench, ProgramOutput) {
    let bench = Bench::start(&[PENDING]).await;
    let ran = Program::at(&bench)
        .args(GENERATE)
        .args(["--timeout", "0.5"])
        .run()
        .await;
    bench.end_pending();
    assert_eq!(ran.code, 1, "{ran:?}");
    (bench, ran)
}

/// Kills a program. None of its handlers runs, and nothing is flushed.
pub(crate) async fn kill(mut child: Child) {
    let killed = tokio::task::spawn_blocking(move || {
        child.kill().unwrap();
        child.wait().unwrap()
    });
    assert!(!killed.await.unwrap().success());
}

/// Waits for a program to end, for at most [`MAX_WAIT`].
pub(crate) fn finish(mut child: Child) -> ProgramOutput {
    fn drain(stream: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut text).unwrap();
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    }
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > MAX_WAIT {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    ProgramOutput {
        code: status.code().unwrap_or(-1),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}
