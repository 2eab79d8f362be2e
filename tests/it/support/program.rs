//! Runs the real program, away from the machine's own settings, and never for ever.

#![cfg(feature = "cli")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::bench::{Bench, KEY, PATIENCE};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }

    /// The one line of a failure; what helps besides is indented below it.
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

/// A call of `reelkin`, in a folder of its own.
pub(crate) struct Program {
    command: Command,
    // Kept while the program runs.
    kept: Option<TempDir>,
    stdout: Option<Stdio>,
}

/// Undoes what whoever started the tests has ignored, as a shell does for what it runs in the background: the program
/// goes on to ignore it.
#[cfg(unix)]
#[expect(unsafe_code, reason = "what a parent hands on has no other interface")]
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
    /// With no key, no library and no settings.
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

    /// With the sandbox, the library and the key of a bench.
    pub(crate) fn at(bench: &Bench) -> Self {
        Self::in_folder(bench.folder.path())
            .env("XAI_API_KEY", KEY)
            .arg("--base-url")
            .arg(bench.sandbox.base_url())
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

    /// Where standard output goes; without this it is read to its end.
    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// The call itself, for who starts it in another way.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Starts it with all its streams in hand.
    pub(crate) fn spawn(mut self) -> Child {
        let stdout = self.stdout.take().unwrap_or_else(Stdio::piped);
        self.command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs it to its end, beside the runtime that serves the sandbox.
    pub(crate) async fn run(self) -> Ran {
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

/// Waits for a program to end, for at most [`PATIENCE`].
pub(crate) fn finish(mut child: Child) -> Ran {
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
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}
