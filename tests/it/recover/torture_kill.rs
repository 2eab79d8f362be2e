//! Kills a process that uses every verb at once, over and over, at every phase of a job, while others continue its
//! jobs.
//!
//! In the end every job that the server made is in the library once.
//! `REELKIN_KILLS` and `REELKIN_SEED` make a longer or another run. A seed repeats the requests and what each kill waits
//! for. The exact moment of a kill depends on the scheduler.

#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use reelkin::library::Library;
use reelkin::sandbox::Sandbox;
use reelkin::{
    ChainRequest, Clip, ContinueRequest, EditRequest, ExtendRequest, GenerateRequest, JobState, VideoClient,
    secs,
};

use crate::support::audit::{Counts, JournalFiles, audit, closing_audit, collect_files, recover, settle};
use crate::support::bench::{Bench, builder, ms, quick_downloads, quick_polls};
use crate::support::child::child_process;
use crate::support::random::{Rng, env_number};

const KILLS: u64 = 200;
const WORKERS: u64 = 3;
/// Maximum number of extra kills that aim at phases which no kill has hit.
const MAX_EXTRA: u64 = 300;

/// Returns a client with long deadlines: on a loaded machine none of them may pass.
fn client(url: &str, library: &Path) -> VideoClient {
    let (mut polls, mut downloads) = (quick_polls(), quick_downloads());
    polls.first = ms(15);
    polls.shortest = ms(10);
    polls.deadline = secs(300);
    downloads.stall_timeout = secs(60);
    let builder = builder(url, library).poll(polls).download(downloads);
    builder.build().unwrap()
}

struct ChildSettings {
    url: String,
    library: PathBuf,
    tag: String,
}

impl ChildSettings {
    fn read() -> Option<Self> {
        let told = |name| std::env::var_os(name)?.into_string().ok();
        Some(Self {
            url: told("REELKIN_TEST_URL")?,
            library: told("REELKIN_TEST_LIBRARY")?.into(),
            tag: told("REELKIN_TEST_TAG")?,
        })
    }
}

/// Starts one of the ignored tests below as a child process.
fn start_child(test: &str, bench: &Bench, tag: &str) -> Child {
    let log = bench.folder.path().join("child.log");
    let log = fs::File::options().append(true).create(true).open(log).unwrap();
    child_process(&format!("recover::torture_kill::{test}"))
        .arg("--nocapture")
        .env("REELKIN_TEST_URL", bench.sandbox.base_url())
        .env("REELKIN_TEST_LIBRARY", bench.library())
        .env("REELKIN_TEST_TAG", tag)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

async fn run_verb(client: &VideoClient, base: &Clip, verb: u64, tag: &str) -> reelkin::Result<()> {
    let step = |part: &str| {
        let step = ContinueRequest::new(format!("{tag} {part}")).duration(secs(1));
        step.resolution("480p")
    };
    match verb {
        0..=2 => {
            let request = GenerateRequest::text(tag).duration(secs(1));
            client.generate(request).await.map(drop)
        }
        3 => client.edit(EditRequest::new(base, tag)).await.map(drop),
        4 => {
            let request = ExtendRequest::new(base, tag).duration(secs(2));
            client.extend(request).await.map(drop)
        }
        5 => client.continue_from(base, step("planned")).await.map(drop),
        6 => client.analyze(base).frames(2).await.map(drop),
        _ => {
            let chain = ChainRequest::from_clip(base).name(tag);
            let chain = chain.then(step("one").plan(false)).then(step("two").plan(false));
            client.chain(chain).start().await?.wait().await.map(drop)
        }
    }
}

/// Returns the chains of a library that have unfinished steps.
async fn unfinished_chains(library: &Library) -> Vec<String> {
    let mut found = Vec::new();
    collect_files(&library.folder().unwrap().join("chains"), &mut found);
    let mut unfinished = Vec::new();
    for path in found {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(id) = name.strip_suffix(".json") else {
            continue;
        };
        if library.chain(id).await.unwrap().unfinished().is_some() {
            unfinished.push(id.to_owned());
        }
    }
    unfinished.sort();
    unfinished
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below as a child process that is killed"]
async fn child_works_until_killed() {
    let Some(told) = ChildSettings::read() else { return };
    let client = client(&told.url, &told.library);
    let seed = told.tag.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte));
    let mut rng = Rng::new(seed);
    let base = client.library().clip("base").await.unwrap();
    // Jobs of earlier children are finished in parallel with the new work.
    let recovering = client.recover().start();
    let chains = unfinished_chains(client.library()).await;
    let resumed = join_all(chains.iter().rev().take(2).map(|id| async {
        // The chain may wait for manual settlement, or be held by the recovery.
        let chain = client.chain(ChainRequest::resume(id.as_str())).start().await;
        if let Ok(chain) = chain {
            let _ = chain.wait().await;
        }
    }));
    let working = async {
        for number in 0.. {
            let verbs: Vec<_> = (0..2).map(|_| rng.below(8)).collect();
            let tags: Vec<_> = (0..2)
                .map(|part| format!("{}-{number}-{part}", told.tag))
                .collect();
            let works = verbs
                .iter()
                .zip(&tags)
                .map(|(verb, tag)| run_verb(&client, &base, *verb, tag));
            try_join_all(works).await.expect("work");
        }
    };
    let recovery = async {
        let recovered = recovering.wait().await.expect("recover");
        assert!(recovered.stuck.is_empty(), "{:?}", recovered.stuck);
        assert!(
            recovered.failed.iter().all(|record| record.job_id.is_none()),
            "{recovered:?}"
        );
    };
    tokio::join!(working, recovery, resumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below as a child process beside one that is killed"]
async fn child_recovers_until_killed() {
    let Some(told) = ChildSettings::read() else { return };
    loop {
        // A new client each time. Its lease must not block others.
        let recovered = client(&told.url, &told.library).recover().await.expect("recover");
        assert!(recovered.stuck.is_empty(), "{:?}", recovered.stuck);
        tokio::time::sleep(ms(60)).await;
    }
}

/// The phases of jobs at the moment when their process was killed.
#[derive(Debug, Default, Clone, Copy)]
struct Phases {
    /// The cost is reserved, and nothing was sent.
    reserved: u64,
    /// The create was being sent, and did not arrive.
    sending: u64,
    /// The create arrived, and its reply is not recorded.
    answered: u64,
    /// The job id is recorded.
    polling: u64,
    /// There is a partial file.
    downloading: u64,
    /// The clip is there and its sidecar is not.
    committing: u64,
    /// Clip and sidecar are there, and the record is open.
    saved: u64,
    /// The record is in the ledger and in the journal.
    moving: u64,
}

impl Phases {
    fn count(&mut self, bench: &Bench) {
        let (state, library) = (bench.state(), bench.library());
        let books = JournalFiles::read(&library);
        self.moving += books.moved as u64;
        for record in books.open.values().filter(|record| !record.is_query()) {
            let at = |name: &str| {
                let clip = record.clip.as_ref();
                clip.is_some_and(|clip| library.join(name.replace('*', clip)).exists())
            };
            let made = || {
                state
                    .jobs
                    .iter()
                    .any(|job| Some(&job.prompt) == record.prompt.as_ref())
            };
            let phase = match record.state {
                JobState::Reserved => &mut self.reserved,
                JobState::Intended if made() => &mut self.answered,
                JobState::Intended => &mut self.sending,
                // From an earlier kill, and waiting for a person.
                JobState::Unknown => continue,
                _ if at("*.mp4.json") => &mut self.saved,
                _ if at("*.mp4") => &mut self.committing,
                _ if at(".incoming/*.mp4.part") => &mut self.downloading,
                _ => &mut self.polling,
            };
            *phase += 1;
        }
    }

    fn all(&self) -> [(&'static str, u64, Wait); 7] {
        [
            ("before submit", self.reserved + self.sending, Wait::Record),
            ("create answered", self.answered, Wait::Create),
            ("polling", self.polling, Wait::Time),
            ("downloading", self.downloading, Wait::Part),
            ("committing", self.committing, Wait::Clip),
            ("saved", self.saved, Wait::Sidecar),
            ("moving", self.moving, Wait::Ledger),
        ]
    }
}

/// What a kill waits for before its random moment.
#[derive(Debug, Clone, Copy)]
enum Wait {
    Time,
    Record,
    Create,
    Part,
    Clip,
    Sidecar,
    Ledger,
}

impl Wait {
    /// Returns a number that grows when the awaited event happens.
    fn mark(self, bench: &Bench) -> usize {
        let library = bench.library();
        let ending = |folder: &Path, ending: &str| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names
                .filter(|name| name.ends_with(ending) && !name.starts_with('.'))
                .count()
        };
        match self {
            Self::Time => 0,
            Self::Record => ending(&library.join("jobs"), ".json"),
            Self::Create => bench.state().creates as usize,
            Self::Part => ending(&library.join(".incoming"), ".mp4.part"),
            Self::Clip => ending(&library, ".mp4"),
            Self::Sidecar => ending(&library, ".mp4.json"),
            Self::Ledger => {
                let mut found = Vec::new();
                collect_files(&library.join("ledger"), &mut found);
                found
                    .iter()
                    .filter(|path| path.extension().is_some_and(|e| e == "json"))
                    .count()
            }
        }
    }

    fn wait(self, bench: &Bench, child: &mut Child, rng: &mut Rng) {
        let (mut least, begun) = (self.mark(bench), Instant::now());
        let random = Duration::from_micros(match self {
            Self::Time => 50_000 + rng.below(500_000),
            _ if rng.below(2) == 0 => 0,
            _ => rng.below(3000),
        });
        while !matches!(self, Self::Time) && begun.elapsed() < secs(10) {
            let now = self.mark(bench);
            if now > least {
                break;
            }
            least = now;
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(random);
    }
}

struct Worker {
    number: u64,
    bench: Arc<Bench>,
    rng: Rng,
    phases: Arc<Mutex<Phases>>,
}

impl Worker {
    async fn start(number: u64, seed: u64, phases: Arc<Mutex<Phases>>) -> Self {
        let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(50));
        // Tiny frames, and exchanges that take long enough to be killed in the middle.
        let faults = ["render-size=64x64", "create:delay=0.01", "slow-body=400000"];
        let bench = Bench::with(sandbox, &faults).await;
        let client = client(&bench.sandbox.base_url(), &bench.library());
        let clip = client
            .generate(GenerateRequest::text("base").duration(secs(2)))
            .await
            .unwrap();
        // Renames the clip to a name that the children know.
        let root = bench.library();
        for ending in ["mp4", "mp4.json"] {
            let to = root.join(format!("base.{ending}"));
            fs::copy(root.join(format!("{}.{ending}", clip.id)), to).unwrap();
            fs::remove_file(root.join(format!("{}.{ending}", clip.id))).unwrap();
        }
        Self {
            number,
            bench: Arc::new(bench),
            rng: Rng::new(seed.wrapping_mul(1000) + number),
            phases,
        }
    }

    /// Kills a number of children, and more while there is a phase that no kill has hit.
    async fn kill(&mut self, kills: u64, seed: u64) -> u64 {
        let beside =
            (self.number == 0).then(|| start_child("child_recovers_until_killed", &self.bench, "beside"));
        let mut round = 0;
        loop {
            let missed: Vec<Wait> = {
                let phases = self.phases.lock().unwrap();
                phases
                    .all()
                    .iter()
                    .filter(|(_, hit, _)| *hit == 0)
                    .map(|(.., wait)| *wait)
                    .collect()
            };
            if round >= kills && (missed.is_empty() || round >= kills + MAX_EXTRA / WORKERS) {
                break;
            }
            let all = self.phases.lock().unwrap().all().map(|(.., wait)| wait);
            let wait = *self.rng.pick(if round < kills { &all } else { &missed });
            let tag = format!("w{}-s{seed}-r{round}", self.number);
            let mut child = start_child("child_works_until_killed", &self.bench, &tag);
            let (bench, mut rng) = (Arc::clone(&self.bench), self.rng.clone());
            tokio::task::spawn_blocking(move || {
                wait.wait(&bench, &mut child, &mut rng);
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?}:\n{}", log(&bench));
                child.kill().unwrap();
                child.wait().unwrap();
            })
            .await
            .unwrap();
            self.rng.next_u64();
            self.phases.lock().unwrap().count(&self.bench);
            round += 1;
            if round % 20 == 0 {
                let state = self.bench.state();
                audit(&self.bench.library(), &state);
            }
        }
        if let Some(mut beside) = beside {
            let ended = beside.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}:\n{}", log(&self.bench));
            beside.kill().unwrap();
            beside.wait().unwrap();
        }
        round
    }

    /// Recovers, settles the unknown records as a person would, and runs the closing audit.
    async fn close(&self) -> (Counts, usize) {
        let bench = &self.bench;
        // Cuts the connections of killed processes, so that no create of theirs arrives later.
        bench.sandbox.restart(ms(0)).await;
        let mut last = bench.state();
        loop {
            tokio::time::sleep(ms(200)).await;
            let now = bench.state();
            if (now.creates, now.create_requests) == (last.creates, last.create_requests) {
                break;
            }
            last = now;
        }
        let fresh = || client(&bench.sandbox.base_url(), &bench.library());
        recover(&fresh()).await;
        let counts = audit(&bench.library(), &bench.state());
        assert_eq!(counts.open, 0, "{counts:?}");

        let person = fresh();
        let settled = settle(person.library(), &bench.state()).await;
        assert!(settled >= counts.unknown);
        recover(&person).await;
        for id in unfinished_chains(person.library()).await {
            let chain = person
                .chain(ChainRequest::resume(id.as_str()))
                .start()
                .await
                .unwrap();
            chain
                .wait()
                .await
                .unwrap_or_else(|error| panic!("chain {id}: {error}"));
        }
        drop(person);
        let library = Library::open(bench.library()).unwrap();
        let counts = closing_audit(library, &bench.state()).await;
        assert_eq!(counts.failed, 0, "{counts:?}");
        (counts, settled)
    }
}

fn log(bench: &Bench) -> String {
    fs::read_to_string(bench.folder.path().join("child.log")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::print_stdout, reason = "prints the counts of `make torture`")]
async fn a_process_killed_at_any_moment_loses_nothing_and_pays_nothing_twice() {
    let (kills, seed) = (env_number("REELKIN_KILLS", KILLS), env_number("REELKIN_SEED", 1));
    println!("kill: REELKIN_SEED={seed}");
    let phases = Arc::new(Mutex::new(Phases::default()));
    let workers = (0..WORKERS).map(|number| {
        let phases = Arc::clone(&phases);
        tokio::spawn(async move {
            let mut worker = Worker::start(number, seed, phases).await;
            let killed = worker.kill(kills.div_ceil(WORKERS), seed).await;
            let (counts, settled) = worker.close().await;
            (killed, counts, settled)
        })
    });
    let (mut killed, mut saved, mut settled) = (0, 0, 0);
    for worker in join_all(workers).await {
        let (kills, counts, by_hand) = worker.unwrap();
        (killed, saved, settled) = (killed + kills, saved + counts.saved, settled + by_hand);
    }
    let phases = phases.lock().unwrap().all();
    let figures: Vec<_> = phases
        .iter()
        .map(|(name, hit, _)| format!("{name} {hit}"))
        .collect();
    println!(
        "torture: kill: {killed} kills, {saved} jobs saved, {settled} settled by hand, 0 lost, 0 twice, 0 damaged; {} (seed {seed})",
        figures.join(", ")
    );
    assert!(killed >= kills);
    for (name, hit, _) in phases {
        assert!(hit > 0, "no kill hit a job in the phase {name:?}: {figures:?}");
    }
}
