//! One run: the calls, what happens to the processes, and how time passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::account;
use super::checks::{self, Record};
use super::process::Process;
use super::world::{State, World};
use crate::journal::Settlement;
use crate::mutation::{self, Mutation};
use crate::request::{
    ChainRequest, ContinueRequest, EditRequest, ExtendRequest, GenerateRequest, MediaInput,
};

/// The minimum number of calls and other events in a run.
const OPERATIONS: usize = 30;
const MAX_PROCESSES: usize = 3;
/// The maximum number of steps until a create request is sent, if it is sent before time passes.
pub(super) const MAX_STEPS: u64 = 500;
/// The maximum number of ticks until a run must have ended.
const MAX_TICKS: usize = 400_000;

/// The result of a run.
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) violation: Option<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) trace: Option<Vec<String>>,
}

/// Runs one seed.
pub(super) fn run(seed: u64, mutation: Option<Mutation>, keep_trace: bool) -> Report {
    mutation::tests::with(mutation, || {
        let world = Arc::new(World::new(seed, keep_trace));
        let mut run = Run::new(&world);
        run.all();
        drop(run);
        world.lock(|state| {
            let mut counts = std::mem::take(&mut state.counts);
            counts.append(&mut state.services[0].unusual);
            Report {
                seed,
                violation: state.violation.take(),
                counts,
                trace: state.trace.take(),
            }
        })
    })
}

/// A chain that was requested and may be requested again.
#[derive(Clone)]
struct Chain {
    name: String,
    steps: u64,
}

pub(super) struct Run {
    world: Arc<World>,
    pub(super) processes: Vec<Process>,
    /// The number of processes so far.
    numbers: usize,
    /// The number of requests so far.
    requests: usize,
    chains: Vec<Chain>,
}

impl Run {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self {
            processes: Vec::new(),
            numbers: 0,
            requests: 0,
            chains: Vec::new(),
            world: Arc::clone(world),
        }
    }

    fn all(&mut self) {
        for _ in 0..OPERATIONS {
            self.operation();
            let ticks = self.world.rng(|rng| 5 + rng.below(60));
            for _ in 0..ticks {
                self.tick();
            }
            if self.is_over() {
                return;
            }
        }
        self.come_to_an_end();
        if !self.is_over() {
            self.world.check(9, checks::all_is_well);
        }
    }

    fn is_over(&self) -> bool {
        self.world.lock(|state| state.violation.is_some())
    }

    /// Runs some tasks. Time passes when nothing else happens.
    pub(super) fn tick(&mut self) {
        let awake: Vec<usize> = (0..self.processes.len())
            .filter(|at| self.processes[*at].is_awake())
            .collect();
        if !awake.is_empty() {
            for _ in 0..self.world.rng(|rng| 1 + rng.below(8)) {
                let at = self.world.rng(|rng| rng.pick(&awake));
                self.processes[at].step();
            }
        }
        let passing = self.world.rng(|rng| {
            if awake.is_empty() {
                Some(rng.between(Duration::from_millis(50), Duration::from_secs(6)))
            } else if rng.happens(50) {
                Some(rng.between(Duration::from_millis(1), Duration::from_millis(50)))
            } else {
                None
            }
        });
        if let Some(time) = passing {
            self.pass(time);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.world.lock(|state| state.now += time);
        for process in &mut self.processes {
            process.pass(time);
        }
        self.world.deliver();
    }

    /// Returns one of the processes. Starts one if there is none.
    fn any(&mut self) -> usize {
        let few = self.processes.len() < MAX_PROCESSES;
        if self.processes.is_empty() || (few && self.world.rng(|rng| rng.happens(150))) {
            self.numbers += 1;
            self.world.count("processes");
            self.processes.push(Process::new(&self.world, self.numbers % 9));
            return self.processes.len() - 1;
        }
        let all = self.processes.len() as u64;
        usize::try_from(self.world.rng(|rng| rng.below(all))).unwrap()
    }

    /// Starts a call, or lets something happen to a process.
    fn operation(&mut self) {
        self.world.count("operations");
        let at = self.any();
        match self.world.rng(|rng| rng.below(100)) {
            0..26 => self.generate(at),
            26..36 => self.new_chain(at),
            36..44 => self.old_chain(at),
            44..50 => self.transform(at),
            50..52 => self.analyze(at),
            52..64 => self.recover(at),
            64..68 => self.recover_elsewhere(at),
            68..72 => self.pick_up(at),
            72..76 => self.settle(at),
            76..86 => self.kill(at),
            86..93 => self.suspend(at),
            93..98 => self.skew(at),
            98 => self.outage(),
            _ => self.stop(at),
        }
    }

    fn request(&mut self) -> String {
        self.requests += 1;
        format!("request {}", self.requests)
    }

    fn generate(&mut self, at: usize) {
        self.world.count("generate");
        let prompt = self.request();
        let asked = prompt.clone();
        let client = self.processes[at].client.clone();
        let request = GenerateRequest::text(prompt.as_str()).duration(Duration::from_secs(1));
        self.processes[at].call(format!("generate {prompt:?}"), Some(prompt), async move {
            client.generate(request.resolution("480p")).await
        });
        self.critical_moment(at, &asked);
    }

    /// Lets something happen at a critical moment of a request, in about a third of all cases.
    fn critical_moment(&mut self, at: usize, prompt: &str) {
        match self.world.rng(|rng| rng.below(100)) {
            // After the reservation, an expired lease must be noticed.
            0..10 => {
                self.step_for_a_while(at);
                self.suspend(at);
            }
            // After the create request, the job id must be written.
            10..22 => {
                self.step_until(at, MAX_STEPS, |state| state.services[0].is_traveling(prompt));
                self.outage();
            }
            // At each of these moments, the process can be killed.
            22..27 => {
                self.step_for_a_while(at);
                self.kill(at);
            }
            // After the reply, a chain has two documents to write.
            27..32 => {
                self.step_until(at, MAX_STEPS, |state| state.services[0].is_traveling(prompt));
                self.pass(Duration::from_secs(10));
                self.step_for_a_while(at);
                self.kill(at);
            }
            _ => {}
        }
    }

    fn step_for_a_while(&self, at: usize) {
        let steps = self.world.rng(|rng| rng.below(200));
        self.step_until(at, steps, |_| false);
    }

    /// Steps one process until something has happened, at most `steps` times.
    pub(super) fn step_until(&self, at: usize, steps: u64, has_happened: impl Fn(&State) -> bool) {
        for _ in 0..steps {
            if !self.processes[at].is_running() || self.world.lock(|state| has_happened(state)) {
                return;
            }
            self.processes[at].step();
        }
    }

    fn new_chain(&mut self, at: usize) {
        let chain = Chain {
            name: format!("chain-{}", self.chains.len() + 1),
            steps: self.world.rng(|rng| 1 + rng.below(3)),
        };
        self.chains.push(chain.clone());
        self.chain(at, &chain);
    }

    fn old_chain(&mut self, at: usize) {
        let chains = self.chains.clone();
        if chains.is_empty() {
            return self.new_chain(at);
        }
        let which = self.world.rng(|rng| rng.below(chains.len() as u64));
        self.chain(at, &chains[usize::try_from(which).unwrap()]);
    }

    fn chain(&mut self, at: usize, chain: &Chain) {
        self.world.count("chain");
        let prompt = |step: u64| format!("{} step {step}", chain.name);
        let first = GenerateRequest::text(prompt(0)).duration(Duration::from_secs(1));
        let mut request = ChainRequest::generate(first.resolution("480p")).name(chain.name.as_str());
        for step in 1..=chain.steps {
            let next = ContinueRequest::new(prompt(step)).duration(Duration::from_secs(1));
            request = request.then(next.resolution("480p").plan(false));
        }
        let first_prompt = prompt(0);
        let client = self.processes[at].client.clone();
        let (world, number) = (Arc::clone(&self.world), self.processes[at].number);
        let (name, steps) = (chain.name.clone(), chain.steps);
        self.processes[at].call(name.clone(), None, async move {
            let made = client.chain(request).await?;
            world.check(number, |contents, state| {
                let prompts: Vec<_> = (0..=steps).map(|step| format!("{name} step {step}")).collect();
                if made.clips.len() != prompts.len() {
                    return Err(format!("{name} has {} clips", made.clips.len()));
                }
                let mut clips = made.clips.iter().zip(&prompts);
                clips.try_for_each(|(clip, prompt)| {
                    checks::is_given(contents, state, clip.id.as_str(), prompt, |job| {
                        job.prompt == *prompt
                    })
                })
            });
            Ok(made)
        });
        self.critical_moment(at, &first_prompt);
    }

    /// Returns the id of a saved clip.
    fn clip(&self) -> Option<String> {
        let records = checks::records(&self.world.contents);
        let saved: Vec<_> = records.iter().filter(|record| record.state == "saved").collect();
        if saved.is_empty() {
            return None;
        }
        self.world.rng(|rng| rng.pick(&saved)).clip.clone()
    }

    fn transform(&mut self, at: usize) {
        let Some(clip) = self.clip() else {
            return self.generate(at);
        };
        let prompt = self.request();
        let client = self.processes[at].client.clone();
        let clip = MediaInput::clip(clip);
        let process = &mut self.processes[at];
        match self.world.rng(|rng| rng.below(3)) {
            0 => {
                self.world.count("edit");
                let request = EditRequest::new(clip, prompt.as_str());
                let what = format!("edit {prompt:?}");
                process.call(what, Some(prompt), async move { client.edit(request).await });
            }
            1 => {
                self.world.count("extend");
                let request = ExtendRequest::new(clip, prompt.as_str()).duration(Duration::from_secs(2));
                let what = format!("extend {prompt:?}");
                process.call(what, Some(prompt), async move { client.extend(request).await });
            }
            _ => {
                self.world.count("continue");
                let request = ContinueRequest::new(prompt.as_str()).plan(false);
                let what = format!("continue {prompt:?}");
                process.call(what, Some(prompt), async move {
                    client.continue_from(clip, request).await
                });
            }
        }
    }

    fn analyze(&mut self, at: usize) {
        let Some(clip) = self.clip() else {
            return self.generate(at);
        };
        self.world.count("analyze");
        let client = self.processes[at].client.clone();
        self.processes[at].call("analyze".to_owned(), None, async move {
            client.analyze(MediaInput::clip(clip)).frames(2).await
        });
    }

    fn recover(&mut self, at: usize) {
        self.world.count("recover");
        let client = self.processes[at].client.clone();
        self.processes[at].call("recover".to_owned(), None, async move { client.recover().await });
    }

    /// Recovers while no other process works, and checks that every open record is reported.
    pub(super) fn recover_all(&mut self) {
        let client = self.processes[0].client.clone();
        let world = Arc::clone(&self.world);
        self.processes[0].call("recover".to_owned(), None, async move {
            let recovered = client.recover().await?;
            world.check(0, |contents, _| checks::all_open_are_named(contents, &recovered));
            Ok(recovered)
        });
    }

    pub(super) fn recover_elsewhere(&mut self, at: usize) {
        self.world.count("recover at another service");
        let client = self.processes[at].elsewhere.clone();
        self.processes[at].call("recover at another service".to_owned(), None, async move {
            client.recover().await
        });
    }

    /// Picks up a job by its id.
    fn pick_up(&mut self, at: usize) {
        let jobs = self.world.lock(|state| state.services[0].jobs.len() as u64);
        if jobs == 0 {
            return self.generate(at);
        }
        self.world.count("pick up");
        let id = format!("job-{}", 1 + self.world.rng(|rng| rng.below(jobs)));
        let client = self.processes[at].client.clone();
        let (world, number) = (Arc::clone(&self.world), self.processes[at].number);
        self.processes[at].call(format!("pick up {id}"), None, async move {
            let clip = client.job(&id)?.wait().await?;
            world.check(number, |contents, state| {
                checks::is_given(contents, state, clip.id.as_str(), &id, |job| job.id == id)
            });
            Ok(clip)
        });
    }

    /// Settles one record, as a person who has checked the account does.
    fn settle(&mut self, at: usize) {
        self.world.check(at, checks::no_clip_is_given_up);
        let mut known = account::page(&self.world);
        if known.is_empty() {
            return self.recover(at);
        }
        self.world.count("settle");
        let which = self.world.rng(|rng| rng.below(known.len() as u64));
        let (id, settlement) = known.swap_remove(usize::try_from(which).unwrap());
        self.settle_as(at, id, settlement);
    }

    fn settle_as(&mut self, at: usize, id: String, settlement: Settlement) {
        let client = self.processes[at].client.clone();
        self.processes[at].call(format!("settle {id} as {settlement:?}"), None, async move {
            client.library().settle(&id, settlement).await
        });
    }

    pub(super) fn kill(&mut self, at: usize) {
        self.world.count("kills");
        self.processes.swap_remove(at).kill();
    }

    /// Asks a process to stop, as Ctrl-C does, and kills it after a while.
    fn stop(&mut self, at: usize) {
        self.world.count("stops");
        self.processes[at].stop();
        for _ in 0..self.world.rng(|rng| rng.below(100)) {
            self.tick();
        }
        self.kill(at);
    }

    fn suspend(&mut self, at: usize) {
        self.world.count("suspensions");
        let (until, stands_still) = self.world.lock(|state| {
            let time = state
                .rng
                .between(Duration::from_secs(1), Duration::from_secs(180));
            (state.now + time, state.rng.happens(300))
        });
        let process = &mut self.processes[at];
        process.suspended = Some(until);
        process.stands_still = stands_still;
        self.world
            .note(process.number, || format!("suspended until {until:?}"));
    }

    /// Makes the store unavailable for a while.
    fn outage(&mut self) {
        self.world.count("outages");
        let until = self.world.lock(|state| {
            let longest = Duration::from_secs(120);
            state.outage = state.now + state.rng.between(Duration::from_secs(10), longest);
            state.outage
        });
        self.world
            .note(9, || format!("the store does not answer until {until:?}"));
    }

    fn skew(&mut self, at: usize) {
        self.world.count("clock jumps");
        let skew = self.world.rng(|rng| match rng.below(3) {
            0 => 0,
            1 => i64::try_from(rng.below(600_000)).unwrap() - 300_000,
            _ => i64::try_from(rng.below(400_000_000)).unwrap() - 200_000_000,
        });
        self.processes[at].set_clock(skew);
    }

    /// Ends the run: faults stop, all calls finish, a last process recovers, and a person settles the remaining
    /// records.
    fn come_to_an_end(&mut self) {
        self.world.lock(|state| state.is_calm = true);
        self.world.note(9, || "no more faults".to_owned());
        let later = self.world.now() + Duration::from_secs(1800);
        while self.world.now() < later && !self.processes.iter().all(Process::is_idle) {
            self.tick();
            if self.is_over() {
                return;
            }
        }
        for process in self.processes.iter().filter(|process| !process.is_patient) {
            self.all_have_ended(process);
        }
        self.release_all();
        for process in std::mem::take(&mut self.processes) {
            process.kill();
        }
        self.numbers += 1;
        self.processes.push(Process::new(&self.world, 0));
        for _ in 0..6 {
            self.recover_all();
            self.finish();
            self.world.check(0, checks::no_clip_is_given_up);
            for (id, settlement) in account::page(&self.world) {
                self.settle_as(0, id, settlement);
                self.finish();
            }
            let is_open = |record: &Arc<Record>| record.is_open();
            if self.is_over() || !checks::records(&self.world.contents).iter().any(is_open) {
                return self.add_up();
            }
            for _ in 0..40 {
                self.pass(Duration::from_secs(1));
                self.tick();
            }
        }
        let left: Vec<_> = checks::records(&self.world.contents)
            .into_iter()
            .filter(|record| record.is_open())
            .filter(|record| !self.is_excused(record))
            .collect();
        if !left.is_empty() {
            self.world.check(0, |_, _| {
                Err(format!("a recovery without faults leaves {left:?}"))
            });
        }
        self.add_up();
    }

    /// If all calls have ended, waits until every client has renewed its lease and no late write of a lease can arrive,
    /// and checks that no client still owns a record.
    fn release_all(&mut self) {
        let has_ended = |process: &Process| process.is_idle() && process.is_running();
        if !self.processes.iter().all(has_ended) {
            return;
        }
        for _ in 0..12 {
            self.pass(Duration::from_secs(4));
            while self.processes.iter().any(Process::is_awake) {
                self.tick();
            }
        }
        self.world.check(9, checks::nothing_is_held);
    }

    /// Returns whether a record may stay open: the service has deleted its job, so a person has to settle it.
    fn is_excused(&self, record: &Record) -> bool {
        let Some(id) = &record.job_id else { return false };
        self.world.lock(|state| {
            let job = state.services[0].jobs.iter().find(|job| job.id == *id);
            job.is_some_and(|job| state.now >= job.gone)
        })
    }

    /// Requests the amount that was spent, and checks it.
    fn add_up(&mut self) {
        let library = self.processes[0].client.library().clone();
        let world = Arc::clone(&self.world);
        self.processes[0].call("spent".to_owned(), None, async move {
            let spent = library.spent(..).await;
            world.check(0, |contents, state| match &spent {
                Ok(spent) => checks::sum_is_right(contents, state, *spent),
                Err(error) => Err(format!("what was spent is not told: {error}")),
            });
            spent
        });
        self.finish();
        let left = account::page(&self.world);
        if !left.is_empty() {
            self.world
                .check(0, |_, _| Err(format!("{left:?} could not be settled")));
        }
    }

    /// Runs the last process until its calls have ended.
    fn finish(&mut self) {
        let mut ticks = 0;
        while !self.processes[0].is_idle() && !self.is_over() {
            self.tick();
            ticks += 1;
            if ticks > MAX_TICKS {
                self.all_have_ended(&self.processes[0]);
            }
        }
    }

    fn all_have_ended(&self, process: &Process) {
        let calls = process.calls.iter();
        let open: Vec<_> = calls
            .filter(|call| !call.has_ended.load(Ordering::Relaxed))
            .map(|call| call.what.clone())
            .collect();
        if !open.is_empty() {
            self.world
                .check(process.number, |_, _| Err(format!("{open:?} does not end")));
        }
    }
}
