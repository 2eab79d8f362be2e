//! Signals at every phase of a command that pays.
//!
//! A request that was sent is completed and recorded, nothing more is sent, and the exit code names the signal.

#![cfg(all(unix, feature = "cli"))]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{JobRecord, JobState, Library};
use serde_json::Value;

use crate::support::bench::Bench;
use crate::support::held_replies::HeldReplies;
use crate::support::program::{GENERATE, Program};

const CREATE: &str = "POST /v1/videos/generations";
const QUESTION: &str = "POST /v1/responses";
const WAITING: &str = "interrupted: waiting up to 10 s";

/// A running program, with its output so far.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

/// The result of a run: its exit code as a shell counts it, and its output.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Running {
    /// Starts a program with the default signal handling, whatever the parent of the tests ignores.
    fn start(program: Program) -> Self {
        Self::with(program, libc::SIG_DFL, libc::SIG_DFL)
    }

    #[expect(
        unsafe_code,
        reason = "signal dispositions inherited from the parent have no other interface"
    )]
    fn with(program: Program, hangup: libc::sighandler_t, interrupt: libc::sighandler_t) -> Self {
        let mut command = program.command();
        // SAFETY: `signal` is async-signal-safe, and nothing else is done between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGHUP, hangup);
                libc::signal(libc::SIGINT, interrupt);
                Ok(())
            });
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    #[expect(unsafe_code, reason = "std can only send SIGKILL")]
    fn signal(&self, signal: i32) {
        let child = i32::try_from(self.child.id()).unwrap();
        // SAFETY: the child was not waited for, so the id still belongs to it.
        assert_eq!(unsafe { libc::kill(child, signal) }, 0);
    }

    /// Waits until the program prints a text.
    async fn says(mut self, word: &'static str) -> Self {
        tokio::task::spawn_blocking(move || {
            loop {
                let line = self.lines.recv_timeout(Duration::from_secs(60));
                let line =
                    line.unwrap_or_else(|error| panic!("never said {word:?}: {error}: {:?}", self.said));
                let found = line.contains(word);
                self.said.push(line);
                if found {
                    return self;
                }
            }
        })
        .await
        .unwrap()
    }

    /// Waits until the program reports that it waits for a reply, releases the reply, and waits for the end.
    async fn ends_after(self, relay: &HeldReplies) -> Ended {
        let running = self.says(WAITING).await;
        relay.release();
        running.end().await
    }

    async fn end(mut self) -> Ended {
        tokio::task::spawn_blocking(move || {
            let mut stdout = String::new();
            let mut out = self.child.stdout.take().unwrap();
            out.read_to_string(&mut stdout).unwrap();
            let status = self.child.wait().unwrap();
            self.said.extend(self.lines.iter());
            Ended {
                code: status
                    .code()
                    .or_else(|| status.signal().map(|signal| 128 + signal))
                    .unwrap(),
                stdout,
                stderr: self.said.join("\n"),
            }
        })
        .await
        .unwrap()
    }
}

/// Returns a call with the library and the key of a bench, through a relay.
fn through(bench: &Bench, relay: &HeldReplies) -> Program {
    Program::at_service(bench.folder.path(), &relay.base_url())
        .arg("--library")
        .arg(bench.library())
}

async fn relay(bench: &Bench, start: &'static str, let_through: usize) -> HeldReplies {
    HeldReplies::start(bench.sandbox.address(), start, let_through).await
}

/// Starts a program that sends a create whose reply is held back.
async fn held_create(bench: &Bench, more: &[&str]) -> (HeldReplies, Running) {
    let relay = relay(bench, CREATE, 0).await;
    let running = Running::start(through(bench, &relay).args(GENERATE).args(more));
    bench.until("the create", |state| state.creates == 1).await;
    (relay, running)
}

async fn open_records(bench: &Bench) -> Vec<JobRecord> {
    if !bench.library().is_dir() {
        return Vec::new();
    }
    Library::open_to_read(bench.library())
        .unwrap()
        .jobs()
        .await
        .unwrap()
}

/// Recovers, and compares the clips with the creates.
async fn settle(bench: &Bench, program: Program) {
    let recovered = program.args(["recover", "--json"]).run().await;
    assert_eq!(recovered.code, 0, "{recovered:?}");
    assert!(open_records(bench).await.is_empty());
    assert_eq!(bench.state().creates, bench.clips().len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_during_a_create_waits_for_the_reply_and_records_it() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let bench = Bench::start(&[]).await;
        let (relay, running) = held_create(&bench, &[]).await;
        assert_eq!(open_records(&bench).await[0].state, JobState::Intended);
        running.signal(signal);
        let ended = running.ends_after(&relay).await;
        assert_eq!(ended.code, code, "{ended:?}");

        let job = bench.state().jobs[0].id.clone();
        assert!(
            ended.stderr.contains(&format!("reelkin recover {job}")),
            "{ended:?}"
        );
        let open = open_records(&bench).await;
        assert_eq!((open.len(), open[0].state), (1, JobState::Accepted), "{open:?}");
        settle(&bench, through(&bench, &relay)).await;
        assert_eq!((bench.state().create_requests, bench.clips().len()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn json_output_reports_that_it_was_stopped() {
    let bench = Bench::start(&[]).await;
    let (relay, running) = held_create(&bench, &["--json"]).await;
    running.signal(libc::SIGINT);
    let ended = running.ends_after(&relay).await;
    assert_eq!(ended.code, 130, "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let error = &told["error"];
    assert_eq!(error["code"], "stopped", "{told}");
    assert_eq!(error["retry_advice"], "resume", "{told}");
    assert_eq!(error["job_id"], bench.state().jobs[0].id.as_str(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_signal_ends_the_program_at_once() {
    let bench = Bench::start(&[]).await;
    let (_relay, running) = held_create(&bench, &[]).await;
    running.signal(libc::SIGTERM);
    let running = running.says(WAITING).await;
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(!ended.stderr.contains("not finished within"), "{ended:?}");
    // The reply was not received, so only the account page can tell.
    assert_eq!(open_records(&bench).await[0].state, JobState::Intended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_missing_reply_is_waited_for_ten_seconds() {
    let bench = Bench::start(&[]).await;
    let (relay, running) = held_create(&bench, &["--json"]).await;
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["error"]["may_have_been_charged"], "unknown", "{told}");
    relay.release();
    let recovered = through(&bench, &relay).arg("recover").run().await;
    assert_eq!(recovered.code, 3, "{recovered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_ends_the_wait_for_a_job_and_recover_saves_it() {
    let bench = Bench::start(&[]).await;
    let relay = relay(&bench, "GET /v1/videos/", 0).await;
    let running = Running::start(through(&bench, &relay).args(GENERATE));
    bench.until("a poll", |state| state.polls > 0).await;
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(!ended.stderr.contains("waiting up to"), "{ended:?}");

    // A recovery is stopped in the same way and loses nothing.
    let polls = bench.state().polls;
    let running = Running::start(through(&bench, &relay).arg("recover"));
    bench.until("a poll", |state| state.polls > polls).await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, 143, "{ended:?}");
    relay.release();
    settle(&bench, through(&bench, &relay)).await;
    assert_eq!((bench.state().create_requests, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_during_planning_records_its_cost_and_sends_no_create() {
    let bench = Bench::start(&[]).await;
    let relay = relay(&bench, QUESTION, 0).await;
    let running = Running::start(through(&bench, &relay).args(GENERATE).arg("--plan"));
    bench.until("the question", |state| state.answers == 1).await;
    running.signal(libc::SIGINT);
    let ended = running.ends_after(&relay).await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stderr.contains("stopped before it was sent"), "{ended:?}");
    assert_eq!(bench.state().create_requests, 0);
    // The reservation for the clip is released. The cost of the question is in the ledger.
    assert!(open_records(&bench).await.is_empty());
    let spent = Library::open_to_read(bench.library())
        .unwrap()
        .spent(..)
        .await
        .unwrap();
    assert_eq!(spent.requests, 1, "{spent:?}");
    assert!(
        spent.total() > reelkin::UsdTicks::ZERO && spent.reserved == reelkin::UsdTicks::ZERO,
        "{spent:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_during_an_upload_aborts_it_and_nothing_is_paid() {
    let bench = Bench::start(&[]).await;
    let clip = bench
        .client()
        .generate(crate::support::bench::request())
        .await
        .unwrap();
    let paid = bench.state().create_requests;
    let relay = relay(&bench, "POST /v1/files", 0).await;
    let edit = [
        "edit",
        "at night",
        "--transport",
        "upload",
        "--video",
        clip.id.as_str(),
    ];
    let running = Running::start(through(&bench, &relay).args(edit));
    bench.until("the upload", |state| state.uploads == 1).await;
    assert_eq!(open_records(&bench).await[0].state, JobState::Reserved);
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(!ended.stderr.contains("waiting up to"), "{ended:?}");
    assert_eq!(bench.state().create_requests, paid);
    assert!(open_records(&bench).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn continue_extend_and_edit_stop_before_they_are_sent() {
    for call in [
        &["continue", "a storm"][..],
        &["extend", "a storm", "--plan"],
        &["edit", "at night", "--plan"],
    ] {
        let bench = Bench::start(&[]).await;
        let clip = bench
            .client()
            .generate(crate::support::bench::request().duration(reelkin::secs(2)));
        let clip = clip.await.unwrap();
        let relay = relay(&bench, QUESTION, 0).await;
        let running = Running::start(
            through(&bench, &relay)
                .args(call)
                .args(["--video", clip.id.as_str()]),
        );
        bench.until("the question", |state| state.answers == 1).await;
        running.signal(libc::SIGTERM);
        let ended = running.ends_after(&relay).await;
        assert_eq!(ended.code, 143, "{call:?}: {ended:?}");
        assert_eq!(bench.state().create_requests, 1, "{call:?}");
        assert!(open_records(&bench).await.is_empty(), "{call:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_paid_analysis_is_printed_after_a_signal() {
    let bench = Bench::start(&[]).await;
    let clip = bench
        .client()
        .generate(crate::support::bench::request())
        .await
        .unwrap();
    let relay = relay(&bench, QUESTION, 0).await;
    let running = Running::start(through(&bench, &relay).args(["analyze", clip.id.as_str()]));
    bench.until("the question", |state| state.answers == 1).await;
    running.signal(libc::SIGINT);
    let ended = running.ends_after(&relay).await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stdout.starts_with("shot "), "{ended:?}");
    assert!(open_records(&bench).await.is_empty());
}

const FILM: [&str; 10] = [
    "chain",
    "a lighthouse at dusk",
    "the lamp turns on",
    "a ship answers",
    "--no-plan",
    "--duration",
    "1",
    "--resolution",
    "480p",
    "--name=film",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_chain_stops_before_its_next_step() {
    // Once during the create of a step, and once while its job is polled.
    for start in [CREATE, "GET /v1/videos/"] {
        let bench = Bench::start(&[]).await;
        let relay = relay(&bench, start, 0).await;
        let running = Running::start(through(&bench, &relay).args(FILM));
        bench
            .until("the first step", |state| {
                state.creates == 1 && (start == CREATE || state.polls > 0)
            })
            .await;
        running.signal(libc::SIGINT);
        let ended = if start == CREATE {
            running.ends_after(&relay).await
        } else {
            // A poll is not waited for, so its reply stays held until the program has ended.
            let ended = running.end().await;
            relay.release();
            ended
        };
        assert_eq!(ended.code, 130, "{ended:?}");
        assert!(ended.stderr.contains("reelkin chain --resume film"), "{ended:?}");
        assert_eq!(bench.state().create_requests, 1);
        let open = open_records(&bench).await;
        assert_eq!((open.len(), open[0].state), (1, JobState::Accepted), "{open:?}");

        let ran = through(&bench, &relay).args(FILM).run().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!((bench.state().create_requests, bench.clips().len()), (3, 3));
        settle(&bench, through(&bench, &relay)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_at_any_moment_loses_nothing() {
    type When = fn(&Bench) -> bool;
    let moments: [(&str, &[&str], When); 10] = [
        ("at once", &GENERATE, |_| true),
        ("the library", &FILM, |bench| bench.library().is_dir()),
        ("the record", &GENERATE, |bench| {
            std::fs::read_dir(bench.library().join("jobs")).is_ok_and(|mut jobs| jobs.next().is_some())
        }),
        ("the request", &GENERATE, |bench| {
            bench.state().create_requests > 0
        }),
        ("the create", &FILM, |bench| bench.state().creates > 0),
        ("a poll", &GENERATE, |bench| bench.state().polls > 0),
        ("the download", &GENERATE, |bench| bench.state().downloads > 0),
        ("the clip", &FILM, |bench| {
            std::fs::read_dir(bench.library()).is_ok_and(|mut all| {
                all.any(|entry| entry.unwrap().path().extension().is_some_and(|end| end == "mp4"))
            })
        }),
        ("the second request", &FILM, |bench| {
            bench.state().create_requests > 1
        }),
        ("the second create", &FILM, |bench| bench.state().creates > 1),
    ];
    for (name, call, when) in moments {
        let bench = Bench::with(
            Sandbox::builder().min_job_duration(Duration::from_millis(300)),
            &["create:delay=0.2"],
        )
        .await;
        let mut running = Running::start(Program::at(&bench).args(call));
        while !when(&bench) && running.child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if running.child.try_wait().unwrap().is_none() {
            running.signal(libc::SIGINT);
        }
        let ended = running.end().await;
        // The program may have ended before the signal. The tests above show that no signal is ignored.
        assert!(matches!(ended.code, 0 | 130), "{name}: {call:?}: {ended:?}");
        for record in open_records(&bench).await {
            let is_known = matches!(record.state, JobState::Accepted | JobState::Done);
            assert!(is_known, "{name}: {call:?}: {record:?}");
        }
        let sent = bench.state();
        settle(&bench, Program::at(&bench)).await;
        let state = bench.state();
        assert_eq!(
            state.create_requests, sent.create_requests,
            "{name}: {call:?}: a recovery sends no create"
        );
        // A signal can come when the service has read the head of a create. Its body is then not sent.
        let without_body = state.create_requests - state.creates;
        let allowed = u64::from(ended.code == 130);
        assert!(
            without_body <= allowed,
            "{name}: {call:?}: {without_body} creates without a body: {ended:?}"
        );
    }
}

#[tokio::test]
async fn a_sandbox_removes_its_files_at_every_signal() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::in_folder(folder.path())
            .env("TMPDIR", folder.path().to_str().unwrap())
            .arg("sandbox");
        // As a shell starts a job in the background.
        let mut running = Running::with(program, libc::SIG_DFL, libc::SIG_IGN);
        let mut line = String::new();
        // It prints its address when it is ready.
        let mut stdout = BufReader::new(running.child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        assert!(files() > 0, "{line}");
        running.signal(signal);
        assert_eq!(running.child.wait().unwrap().code(), Some(0), "{signal}");
        assert_eq!(files(), 0, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_ignored_hangup_stays_ignored() {
    let bench = Bench::start(&[]).await;
    let relay = relay(&bench, CREATE, 0).await;
    // As `nohup` starts a program.
    let running = Running::with(
        through(&bench, &relay).args(GENERATE),
        libc::SIG_IGN,
        libc::SIG_DFL,
    );
    bench.until("the create", |state| state.creates == 1).await;
    running.signal(libc::SIGHUP);
    relay.release();
    let ended = running.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(bench.clips().len(), 1);
}
