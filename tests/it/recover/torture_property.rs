//! Random sequences of operations, faults of the service and deaths of the process.
//!
//! The promises are checked after each step. A case is a number: `REELKIN_SEED` is the first, `REELKIN_CASES` the
//! number of cases. A case that fails prints its steps. The number determines the requests, the faults and the
//! request after which the
//! process dies. The order of concurrent requests depends on the scheduler.

#![cfg(feature = "cli")]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reelkin::library::Library;
use reelkin::sandbox::{Fault, Sandbox, SandboxState};
use reelkin::{Clip, EditRequest, ErrorKind, GenerateRequest, VideoClient, secs};
use tokio::runtime::{Builder, Handle};

use crate::support::audit::{Counts, audit, closing_audit, recover, settle};
use crate::support::bench::{Bench, KEY, MAX_WAIT, builder, ms, quick_downloads, quick_polls};
use crate::support::random::{Rng, env_number};

const CASES: u64 = 24;
const STEPS: u64 = 8;
const CONCURRENCY: u64 = 3;

/// Faults that end by themselves or end a job. Faults that keep a job open forever have their own tests.
const FAULTS: &[&str] = &[
    "create:reset",
    "create:lost-reply",
    "create:empty-id",
    "create:truncated=5",
    "create:not-json",
    "create:status=500",
    "create:status=503",
    "create:html=522",
    "create:429=0",
    "create:delay=0.05",
    "create:expired",
    "create:failed=internal_error",
    "create:failed=invalid_argument",
    "create:moderated=400",
    "create:moderated=400-billed",
    "create:moderated=failed",
    "create:pad=200000",
    "poll:reset",
    "poll:lost-reply",
    "poll:status=503",
    "poll:429=0",
    "poll:not-json",
    "poll:truncated=20",
    "empty-202",
    "pending-200",
    "no-progress",
    "backwards",
    "no-url",
    "relative-url",
    "status-word=reticulating",
    "download:reset",
    "download:status=503",
    "download:truncated",
    "download:truncated=1000",
    "wrong-length=100",
    "link-expired=403",
    "link-expired=404",
    "garbage",
    "half-clip",
    "content-type=text/html",
    "slow-body=100000",
    "answer:reset",
    "answer:lost-reply",
    "error-200",
];

/// Misleading replies about a running job. Up to [`MAX_MISLEADING`] of one kind are sent in a row, which is more often than
/// a client retries.
const MISLEADING_REPLIES: &[&str] = &[
    "poll-400",
    "poll:status=400",
    "poll:status=401",
    "poll:status=403",
    "poll:status=404",
    "poll:status=422",
    "poll:status=500",
    "poll:status=502",
    "poll:status=529",
    "poll:html=404",
    "poll:html=522",
    "poll:429-credits=0",
    "download:status=400",
    "download:status=401",
    "download:status=403",
    "download:status=404",
    "download:status=410",
    "download:status=500",
    "download:status=502",
    "download:html=522",
];
/// Maximum number of one misleading reply in a row.
const MAX_MISLEADING: u64 = 8;

#[derive(Debug, Clone, Copy)]
enum Verb {
    Generate,
    Edit,
    Analyze,
    Recover,
}

/// When the process dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// The process runs to its end.
    Never,
    /// After a number of creates, polls or downloads.
    Creates(u64),
    Polls(u64),
    Downloads(u64),
    /// After a number of microseconds.
    After(u64),
}

impl Death {
    fn draw(rng: &mut Rng) -> Self {
        match rng.below(7) {
            0 | 1 => Self::Never,
            2 => Self::Creates(1 + rng.below(2)),
            3 => Self::Polls(1 + rng.below(6)),
            4 => Self::Downloads(1 + rng.below(2)),
            _ => Self::After(rng.below(120_000)),
        }
    }

    fn is_due(self, before: &SandboxState, now: &SandboxState, begun: Instant) -> bool {
        match self {
            Self::Never => false,
            Self::Creates(more) => now.create_requests >= before.create_requests + more,
            Self::Polls(more) => now.polls >= before.polls + more,
            Self::Downloads(more) => now.downloads >= before.downloads + more,
            Self::After(micros) => begun.elapsed() >= Duration::from_micros(micros),
        }
    }
}

/// The steps of a case, which are printed if it fails.
struct CaseLog {
    case: u64,
    text: String,
}

impl Drop for CaseLog {
    #[expect(clippy::print_stderr, reason = "prints how to repeat a failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "repeat with REELKIN_SEED={} REELKIN_CASES=1 torture_property:\n{}",
                self.case, self.text
            );
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    steps: u64,
    faults: u64,
    deaths: u64,
    kills: u64,
    counts: Counts,
}

fn client(bench: &Bench) -> VideoClient {
    let (mut polls, mut downloads) = (quick_polls(), quick_downloads());
    polls.first = ms(10);
    polls.shortest = ms(5);
    downloads.stall_timeout = secs(10);
    let builder = builder(&bench.sandbox.base_url(), &bench.library());
    builder.poll(polls).download(downloads).build().unwrap()
}

/// Runs one verb. A recovery as a whole must not fail in a live process.
async fn run_verb(client: &VideoClient, base: &Clip, verb: Verb, tag: String) -> reelkin::Result<()> {
    let made = match verb {
        Verb::Generate => {
            client
                .generate(GenerateRequest::text(tag).duration(secs(1)))
                .await
        }
        Verb::Edit => client.edit(EditRequest::new(base, tag)).await,
        Verb::Analyze => {
            let _ = client.analyze(base).frames(2).await;
            return Ok(());
        }
        Verb::Recover => {
            let recovered = client.recover().await?;
            return match recovered.stuck.into_iter().next() {
                Some(stuck) => Err(stuck.error),
                None => Ok(()),
            };
        }
    };
    match made {
        Ok(clip) => assert!(clip.path.unwrap().is_file()),
        Err(error) if error.kind() == ErrorKind::SubmissionUnknown => {
            assert!(error.record_id().is_some(), "{error}");
        }
        Err(_) => {}
    }
    Ok(())
}

struct Case {
    bench: Arc<Bench>,
    runtime: Handle,
    rng: Rng,
    base: Clip,
    log: CaseLog,
    totals: Totals,
}

impl Case {
    fn new(case: u64, runtime: Handle) -> Self {
        let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(20));
        let bench = runtime.block_on(Bench::with(sandbox, &["render-size=64x64"]));
        let base = client(&bench).generate(GenerateRequest::text("base").duration(secs(1)));
        let base = runtime.block_on(base.into_future()).unwrap();
        Self {
            bench: Arc::new(bench),
            runtime,
            rng: Rng::new(case),
            base,
            log: CaseLog {
                case,
                text: String::new(),
            },
            totals: Totals::default(),
        }
    }

    fn log(&mut self, what: &str) {
        writeln!(self.log.text, "  {what}").unwrap();
    }

    fn step(&mut self, number: u64) {
        self.totals.steps += 1;
        for _ in 0..self.rng.below(3) {
            let fault = if self.rng.below(3) == 0 {
                let times = 1 + self.rng.below(MAX_MISLEADING);
                format!("{},times={times}", self.rng.pick(MISLEADING_REPLIES))
            } else {
                let times = 1 + self.rng.below(2);
                format!("{},times={times}", self.rng.pick(FAULTS))
            };
            self.log(&format!("fault {fault}"));
            self.bench.sandbox.add_fault(fault.parse::<Fault>().unwrap());
            self.totals.faults += 1;
        }
        if self.rng.below(4) == 0 {
            self.log("all links expire");
            self.bench.sandbox.expire_links();
        }
        if self.rng.below(4) == 0 {
            self.log("the server restarts");
            let bench = Arc::clone(&self.bench);
            self.runtime
                .spawn(async move { bench.sandbox.restart(ms(30)).await });
            self.totals.faults += 1;
        }
        let death = Death::draw(&mut self.rng);
        if self.rng.below(6) == 0 {
            self.kill_program(number, death);
        } else {
            self.run_in_process(number, death);
        }
        audit(&self.bench.library(), &self.bench.state());
    }

    /// Runs a process as a runtime of its own. When it dies, none of its tasks continues.
    fn run_in_process(&mut self, number: u64, death: Death) {
        let verbs = [
            Verb::Generate,
            Verb::Generate,
            Verb::Edit,
            Verb::Analyze,
            Verb::Recover,
        ];
        let works: Vec<_> = (0..=self.rng.below(CONCURRENCY))
            .map(|work| {
                (
                    *self.rng.pick(&verbs),
                    format!("c{}-{number}-{work}", self.log.case),
                )
            })
            .collect();
        self.log(&format!("live {works:?}, dies: {death:?}"));
        let process = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (over, is_over) = mpsc::channel();
        let (bench, base) = (Arc::clone(&self.bench), self.base.clone());
        let before = self.bench.state();
        let working = process.spawn(async move {
            let client = client(&bench);
            let works = works.into_iter();
            let ended = join_all(works.map(|(verb, tag)| run_verb(&client, &base, verb, tag))).await;
            let _ = over.send(());
            ended
        });
        let begun = Instant::now();
        let died = loop {
            match is_over.recv_timeout(Duration::from_micros(500)) {
                Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break false,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if death.is_due(&before, &self.bench.state(), begun) {
                break true;
            }
            assert!(begun.elapsed() < 3 * MAX_WAIT, "a step does not end");
        };
        if died {
            self.totals.deaths += 1;
        } else {
            for ended in process.block_on(working).unwrap() {
                ended.unwrap();
            }
        }
        process.shutdown_timeout(secs(20));
    }

    /// Runs the program and kills it.
    fn kill_program(&mut self, number: u64, death: Death) {
        let tag = format!("c{}-{number}-program", self.log.case);
        self.log(&format!("program {tag}, killed: {death:?}"));
        let before = self.bench.state();
        let mut child = Command::new(env!("CARGO_BIN_EXE_reelkin"))
            .args([
                "generate",
                &tag,
                "--duration",
                "1",
                "--base-url",
                &self.bench.sandbox.base_url(),
            ])
            .arg("--library")
            .arg(self.bench.library())
            .env("XAI_API_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if death.is_due(&before, &self.bench.state(), begun) {
                child.kill().unwrap();
                self.totals.kills += 1;
                break;
            }
            assert!(begun.elapsed() < 3 * MAX_WAIT, "the program does not end");
            std::thread::sleep(Duration::from_micros(500));
        }
        child.wait().unwrap();
    }

    /// Ends the faults, recovers every job, settles the unknown ones as a person would, and runs the closing audit.
    fn close(mut self) -> Totals {
        self.log("close");
        self.bench.sandbox.clear_faults();
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            tokio::time::sleep(ms(100)).await;
            let person = client(&self.bench);
            recover(&person).await;
            let counts = audit(&self.bench.library(), &self.bench.state());
            assert_eq!(counts.open, 0, "{counts:?}");
            settle(person.library(), &self.bench.state()).await;
            recover(&person).await;
            drop(person);
            let library = Library::open(self.bench.library()).unwrap();
            self.totals.counts = closing_audit(library, &self.bench.state()).await;
        });
        self.totals
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::print_stdout, reason = "prints the counts of `make torture`")]
async fn random_faults_and_kills_in_any_order_keep_the_promises() {
    let (seed, cases) = (env_number("REELKIN_SEED", 1), env_number("REELKIN_CASES", CASES));
    println!("property: REELKIN_SEED={seed} REELKIN_CASES={cases}");
    let mut sum = Totals::default();
    let numbers: Vec<u64> = (0..cases).map(|case| seed.wrapping_add(case)).collect();
    // Three at a time.
    for numbers in numbers.chunks(3) {
        let running = numbers.iter().map(|&number| {
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || {
                let mut case = Case::new(number, runtime);
                for step in 0..STEPS {
                    case.step(step);
                }
                case.close()
            })
        });
        for totals in join_all(running).await {
            let totals = totals.unwrap();
            sum.steps += totals.steps;
            sum.faults += totals.faults;
            sum.deaths += totals.deaths;
            sum.kills += totals.kills;
            sum.counts.saved += totals.counts.saved;
            sum.counts.failed += totals.counts.failed;
        }
    }
    println!(
        "torture: property: {cases} sequences, {} steps, {} faults, {} deaths, {} kills, {} jobs saved, {} failed, 0 lost, 0 twice (seed {seed})",
        sum.steps, sum.faults, sum.deaths, sum.kills, sum.counts.saved, sum.counts.failed
    );
    assert!(sum.deaths > 0 && sum.counts.saved > cases as usize);
}
