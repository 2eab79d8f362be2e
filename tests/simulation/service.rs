//! A model of the service: the cost of a create request, its result, and what a caller can observe.
//!
//! Does not know the crate. A request takes a while to arrive. The request or its reply can be lost. A job can be
//! unknown for a while after it was made. It ends with a clip, is moderated or fails. Its link can expire.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::rng::Rng;

/// The minimum and maximum time for which the service keeps a job that is over.
const LIFE: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(3600)];

/// How long a link to a clip works.
const LINK_LIFE: Duration = Duration::from_secs(60);

/// A create request.
#[derive(Debug, Clone)]
pub(super) struct Create {
    pub(super) prompt: String,
    /// The price in ticks.
    pub(super) price: u64,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Clip,
    /// Moderated, and charged nevertheless.
    Moderated,
    /// Failed, and not charged.
    Failed,
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) prompt: String,
    pub(super) price: u64,
    pub(super) made: Duration,
    pub(super) ready: Duration,
    pub(super) end: End,
    /// Until this time, polls do not find the job.
    unknown_until: Duration,
    /// From this time on, the job is deleted.
    pub(super) gone: Duration,
    /// The bytes of its clip.
    pub(super) clip: Bytes,
    /// When each link to the clip was returned.
    links: Vec<Duration>,
    /// Whether the service reports the cost.
    pub(super) names_price: bool,
}

impl Job {
    /// Returns the amount that the account is charged for the job.
    pub(super) fn charge(&self) -> u64 {
        match self.end {
            End::Clip | End::Moderated => self.price,
            End::Failed => 0,
        }
    }

    /// Returns whether the job has ended.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.ready
    }
}

/// A create request that has been sent and has not arrived.
#[derive(Debug)]
struct Traveling {
    ticket: u64,
    create: Create,
    arrives: Duration,
}

/// The reply to a create request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Accepted(String),
    /// Refused without making a job.
    Busy,
    /// Refused by moderation. The real service may charge for this, and this one does not.
    Refused,
}

/// The reply to a poll.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Status {
    Unknown,
    Pending(f64),
    /// The clip is at this link.
    Done {
        link: u64,
        price: Option<u64>,
    },
    Moderated,
    Failed,
}

/// The reply to a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Download {
    Dead,
    Whole(Bytes),
}

/// One service, with one account.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) origin: &'static str,
    pub(super) jobs: Vec<Job>,
    traveling: Vec<Traveling>,
    replies: Vec<(u64, Reply)>,
    tickets: u64,
    /// The number of unusual events of each kind.
    pub(super) unusual: BTreeMap<&'static str, u64>,
    /// The cost of all questions to language models.
    pub(super) questions: u64,
    /// The clip to which a unique box is added for each job.
    template: Bytes,
}

impl Service {
    pub(super) const fn new(origin: &'static str, template: Bytes) -> Self {
        Self {
            origin,
            jobs: Vec::new(),
            traveling: Vec::new(),
            replies: Vec::new(),
            tickets: 0,
            unusual: BTreeMap::new(),
            questions: 0,
            template,
        }
    }

    /// Sends a create request. Returns the ticket for its reply.
    pub(super) fn send(&mut self, create: Create, now: Duration, rng: &mut Rng, is_calm: bool) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        let slowest = if is_calm || !rng.happens(100) {
            500
        } else {
            self.count("create: slow");
            70_000
        };
        let arrives = now + rng.between(Duration::from_millis(1), Duration::from_millis(slowest));
        if is_calm || !rng.happens(30) {
            self.traveling.push(Traveling {
                ticket,
                create,
                arrives,
            });
        } else {
            self.count("create: lost");
        }
        ticket
    }

    fn count(&mut self, what: &'static str) {
        *self.unusual.entry(what).or_default() += 1;
    }

    /// Returns whether a create request with this prompt has been sent and has not arrived.
    pub(super) fn is_traveling(&self, prompt: &str) -> bool {
        self.traveling.iter().any(|sent| sent.create.prompt == prompt)
    }

    /// Ends all jobs with a clip, which can be polled and downloaded from now on.
    pub(super) fn complete_jobs(&mut self, now: Duration) {
        for job in &mut self.jobs {
            (job.end, job.ready, job.unknown_until) = (End::Clip, now, now);
            job.gone = Duration::MAX;
        }
    }

    /// Delivers the create requests that arrive now. Returns the jobs that were made.
    pub(super) fn deliver(&mut self, now: Duration, rng: &mut Rng, is_calm: bool) -> Vec<Job> {
        let (arrived, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.traveling)
            .into_iter()
            .partition(|sent| sent.arrives <= now);
        self.traveling = rest;
        let mut made = Vec::new();
        for Traveling { ticket, create, .. } in arrived {
            let reply = match rng.below(1000) {
                0..30 if !is_calm => {
                    self.count("create: busy");
                    Reply::Busy
                }
                30..50 if !is_calm => {
                    self.count("create: refused");
                    Reply::Refused
                }
                _ => {
                    let job = self.make(create, now, rng, is_calm);
                    made.push(job.clone());
                    Reply::Accepted(job.id)
                }
            };
            if is_calm || !rng.happens(60) {
                self.replies.push((ticket, reply));
            } else {
                self.count("create: reply lost");
            }
        }
        made
    }

    /// Makes a job of another user.
    pub(super) fn make_foreign(&mut self, now: Duration, rng: &mut Rng, is_calm: bool) {
        let create = Create {
            prompt: "somebody else's".to_owned(),
            price: 1,
        };
        self.make(create, now, rng, is_calm);
    }

    fn make(&mut self, create: Create, now: Duration, rng: &mut Rng, is_calm: bool) -> Job {
        let number = self.jobs.len() + 1;
        let unknown = if !is_calm && rng.happens(150) {
            self.count("job: unknown at first");
            120
        } else {
            0
        };
        let ready = now + rng.between(Duration::from_secs(1), Duration::from_secs(60));
        let id = format!("job-{number}");
        let job = Job {
            // A box that players skip makes the clip unique.
            clip: unique(&self.template, &format!("{} {id} {}", self.origin, create.prompt)),
            id,
            prompt: create.prompt,
            price: create.price,
            made: now,
            ready,
            end: match rng.below(1000) {
                0..60 => End::Moderated,
                60..130 => End::Failed,
                _ => End::Clip,
            },
            unknown_until: now + Duration::from_secs(unknown),
            gone: ready
                + if is_calm {
                    LIFE[1]
                } else {
                    rng.between(LIFE[0], LIFE[1])
                },
            links: Vec::new(),
            names_price: !rng.happens(40),
        };
        match job.end {
            End::Clip if !job.names_price => self.count("job: price not named"),
            End::Clip => {}
            End::Moderated => self.count("job: moderated"),
            End::Failed => self.count("job: failed"),
        }
        self.jobs.push(job.clone());
        job
    }

    pub(super) fn reply(&mut self, ticket: u64) -> Option<Reply> {
        let at = self.replies.iter().position(|(of, _)| *of == ticket)?;
        Some(self.replies.swap_remove(at).1)
    }

    pub(super) fn poll(&mut self, id: &str, now: Duration) -> Status {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
            return Status::Unknown;
        };
        if now >= job.gone {
            self.count("job: forgotten");
            return Status::Unknown;
        }
        if now < job.unknown_until {
            return Status::Unknown;
        }
        if now < job.ready {
            let whole = job.ready.saturating_sub(job.made).as_secs_f64();
            return Status::Pending(now.saturating_sub(job.made).as_secs_f64() / whole);
        }
        match job.end {
            End::Moderated => Status::Moderated,
            End::Failed => Status::Failed,
            End::Clip => {
                job.links.push(now);
                Status::Done {
                    link: job.links.len() as u64,
                    price: job.names_price.then_some(job.price),
                }
            }
        }
    }

    /// Downloads from a link, unless it has expired.
    pub(super) fn download(&self, id: &str, link: u64, now: Duration) -> Download {
        let job = self.jobs.iter().find(|job| job.id == id);
        let is_valid = |job: &&Job| {
            let at = usize::try_from(link).unwrap_or_default().checked_sub(1);
            let returned = at.and_then(|at| job.links.get(at));
            returned.is_some_and(|returned| now < *returned + LINK_LIFE)
        };
        match job.filter(is_valid) {
            Some(job) => Download::Whole(job.clip.clone()),
            None => Download::Dead,
        }
    }
}

/// Returns a clip with a box at its end that contains a text and that players ignore.
fn unique(clip: &[u8], text: &str) -> Bytes {
    let mut bytes = clip.to_vec();
    let size = u32::try_from(8 + text.len()).unwrap_or(u32::MAX);
    bytes.extend(size.to_be_bytes());
    bytes.extend(b"free");
    bytes.extend(text.as_bytes());
    bytes.into()
}
