//! Implements the provider trait of the crate on the model of the service, with the faults of a network.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use url::Url;

use super::checks;
use super::service::{Create, Download, Reply, Status};
use super::world::World;
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::http::{DownloadError, Sink};
use crate::ids::JobId;
use crate::money::UsdTicks;
use crate::provider::{
    AcceptedJob, FinishedJob, ModelAnswer, ModelQuery, PollFailure, PollFailureKind, PollReply, Provider,
    Submission, SubmissionContent, TokenUsage, Upload, VisibleModel,
};
use crate::stop::{BeforeSend, StopSignal};

/// The deadline of the reply to a create request.
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
/// The cost of a question to a language model, in ticks.
const QUESTION: u64 = 1_000_000;
/// The cost of an edit or an extension, in ticks. It is lower than the lowest price in the model table.
const VIDEO: u64 = 200_000_000;

/// One of the services, as one process accesses it.
pub(super) struct Reached {
    pub(super) world: Arc<World>,
    pub(super) process: usize,
    /// The number of the service.
    pub(super) number: usize,
    /// Whether the process was asked to stop.
    pub(super) is_stopped: Arc<AtomicBool>,
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reached({})", self.number)
    }
}

fn network(what: &str) -> Error {
    Error::new(ErrorKind::Network, what)
}

impl Reached {
    async fn create(&self, create: Create, before: BeforeSend<'_>) -> Result<AcceptedJob> {
        yield_now().await;
        before.check_all().await?;
        let number = self.number;
        // DNS, the connection and TLS.
        if let Some(connecting) = self.world.sometimes(self.process, "slow connection", 30, 10) {
            sleep(connecting).await;
        }
        if self
            .world
            .sometimes(self.process, "no connection", 20, 1)
            .is_some()
        {
            return Err(network("submit the job: no connection").with_charge(Charge::No));
        }
        // The connection is open. What follows the check is one step here; in a process, a suspension between the two is
        // possible.
        let was_stopped = self.is_stopped.load(Ordering::Relaxed);
        before.check_all().await?;
        self.nothing_is_sent_after(was_stopped);
        let prompt = create.prompt.clone();
        if number == 0 {
            self.world.check(self.process, checks::budget_is_kept);
        }
        let ticket = self.world.lock(|state| {
            let (now, is_calm) = (state.now, state.is_calm);
            state.services[number].send(create, now, &mut state.rng, is_calm)
        });
        self.world
            .note(self.process, || format!("create of {prompt:?} leaves"));
        let left = Instant::now();
        let reply = loop {
            yield_now().await;
            if let Some(reply) = self.world.lock(|state| state.services[number].reply(ticket)) {
                break Some(reply);
            }
            if left.elapsed() >= CREATE_TIMEOUT {
                break None;
            }
            sleep(Duration::from_millis(200)).await;
        };
        self.world
            .note(self.process, || format!("create of {prompt:?}: {reply:?}"));
        match reply {
            Some(Reply::Accepted(id)) => Ok(AcceptedJob {
                id: JobId::parse(&id)?,
                poll_after: None,
            }),
            Some(Reply::Busy) => {
                Err(Error::new(ErrorKind::RateLimited, "submit the job: no capacity").with_charge(Charge::No))
            }
            Some(Reply::Refused) => Err(Error::new(
                ErrorKind::Moderated,
                "submit the job: moderation refused the request",
            )
            .with_charge(Charge::Unknown)),
            None => Err(Error::new(
                ErrorKind::SubmissionUnknown,
                "submit the job: sent, and no answer came",
            )
            .with_charge(Charge::Unknown)),
        }
    }

    async fn status(&self, job: &JobId) -> Result<PollReply, PollFailure> {
        yield_now().await;
        let failed = |error, kind| Err(PollFailure { error, kind });
        if let Some(hanging) = self.world.sometimes(self.process, "slow poll", 30, 40) {
            sleep(hanging).await;
        }
        if self.world.sometimes(self.process, "failed poll", 50, 1).is_some() {
            return failed(network("poll the job: http 503"), PollFailureKind::Transient);
        }
        if self
            .world
            .sometimes(self.process, "refused poll", 20, 1)
            .is_some()
        {
            return failed(
                Error::new(ErrorKind::Auth, "poll the job: http 403"),
                PollFailureKind::PossiblyPermanent,
            );
        }
        let unknown = || {
            let error = Error::new(
                ErrorKind::NotFound,
                "poll the job: the service does not know it (http 404)",
            );
            PollFailure {
                error: error.with_status(404),
                kind: PollFailureKind::UnknownJob,
            }
        };
        if self
            .world
            .sometimes(self.process, "poll with 404", 50, 1)
            .is_some()
        {
            return Err(unknown());
        }
        let status = self.world.lock(|state| {
            let now = state.now;
            state.services[self.number].poll(job.as_str(), now)
        });
        self.world
            .note(self.process, || format!("poll of {job}: {status:?}"));
        yield_now().await;
        match status {
            Status::Unknown => Err(unknown()),
            Status::Pending(progress) => Ok(PollReply::Pending {
                progress: Some(progress),
            }),
            Status::Done { link, price } => Ok(PollReply::Done(Box::new(self.finished(
                job.as_str(),
                link,
                price,
            )))),
            Status::Moderated => Ok(PollReply::Failed(
                Error::new(ErrorKind::Moderated, "moderation refused the clip").with_charge(Charge::Yes),
            )),
            Status::Failed => Ok(PollReply::Failed(
                Error::new(ErrorKind::JobFailed, "the service could not make the clip")
                    // The service reports the charge for half of the jobs.
                    .with_charge(if job.as_str().ends_with(['1', '3', '5', '7', '9']) {
                        Charge::No
                    } else {
                        Charge::Unknown
                    }),
            )),
        }
    }

    fn finished(&self, job: &str, link: u64, price: Option<u64>) -> FinishedJob {
        FinishedJob {
            url: Some(format!("https://clips.example/{}/{job}/{link}", self.number)),
            cost: price.map(UsdTicks::new),
            raw: Some(json!({ "job": job, "link": link, "price": price })),
            ..FinishedJob::default()
        }
    }

    async fn fetch(&self, url: &Url, sink: &mut dyn Sink) -> Result<(), DownloadError> {
        yield_now().await;
        let mut path = url.path_segments().into_iter().flatten();
        let mut next = || path.next().unwrap_or_default().to_owned();
        let (service, job, link) = (next(), next(), next());
        let number: usize = service.parse().unwrap_or(self.number);
        let found = self
            .world
            .lock(|state| state.services[number].download(&job, link.parse().unwrap_or_default(), state.now));
        let dead =
            || DownloadError::LinkExpired(Error::new(ErrorKind::JobExpired, "download the clip: http 410"));
        let Download::Whole(clip) = found else {
            self.world.count("link expired");
            return Err(dead());
        };
        if self.world.sometimes(self.process, "dead link", 50, 1).is_some() {
            return Err(dead());
        }
        let append = |error| DownloadError::Failed(error);
        if sink.position() > 0 {
            sink.restart().await.map_err(append)?;
        }
        let half = clip.len() / 2;
        sink.append(clip.slice(..half)).await.map_err(append)?;
        yield_now().await;
        if self
            .world
            .sometimes(self.process, "cut download", 40, 1)
            .is_some()
        {
            return Err(DownloadError::Failed(network("download the clip: cut off")));
        }
        let is_damaged = self
            .world
            .sometimes(self.process, "damaged download", 30, 1)
            .is_some();
        let end = if is_damaged { clip.len() - 3 } else { clip.len() };
        sink.append(clip.slice(half..end)).await.map_err(append)?;
        yield_now().await;
        Ok(())
    }

    /// Checks that a process sends no paid request after it was asked to stop.
    fn nothing_is_sent_after(&self, was_stopped: bool) {
        if was_stopped {
            self.world.check(self.process, |_, _| {
                Err("a paid request is sent after its process was asked to stop".to_owned())
            });
        }
    }

    async fn ask(&self, stop: &StopSignal) -> Result<ModelAnswer> {
        yield_now().await;
        let was_stopped = self.is_stopped.load(Ordering::Relaxed);
        let _sending = stop.begin_sending()?;
        self.nothing_is_sent_after(was_stopped);
        if self
            .world
            .sometimes(self.process, "unsent question", 50, 1)
            .is_some()
        {
            return Err(network("ask the model: no connection").with_charge(Charge::No));
        }
        self.world
            .lock(|state| state.services[self.number].questions += QUESTION);
        sleep(Duration::from_secs(3)).await;
        if self.world.sometimes(self.process, "lost answer", 50, 1).is_some() {
            return Err(network("ask the model: no answer").with_charge(Charge::Unknown));
        }
        let words = |name: &str| Value::from(name);
        let notes = json!({
            "shot": words("wide"), "camera": words("still"), "light": words("soft"), "palette": ["gray"],
            "subjects": ["a bay"], "motion": words("none"), "mood": words("calm"), "sound": words("none"),
            "prompt": words("a bay"),
        });
        Ok(ModelAnswer {
            text: Ok(notes.to_string()),
            model: None,
            usage: TokenUsage::default(),
            cost: Some(UsdTicks::new(QUESTION)),
            web_searches: 0,
        })
    }
}

fn create_of(submission: &Submission) -> Create {
    match &submission.content {
        SubmissionContent::Generate { checked, .. } => Create {
            prompt: checked.prompt.clone().unwrap_or_default(),
            // Lower than in the model table, to detect an estimate that is used as a price.
            price: checked
                .estimate
                .map_or(VIDEO, |most| most.ticks() - most.ticks() / 8),
        },
        SubmissionContent::Video { prompt, .. } => Create {
            prompt: prompt.clone(),
            price: VIDEO,
        },
    }
}

impl Provider for Reached {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn origin(&self) -> String {
        self.world
            .lock(|state| state.services[self.number].origin.to_owned())
    }

    fn submit<'a>(
        &'a self,
        submission: &'a Submission,
        before: BeforeSend<'a>,
    ) -> BoxFuture<'a, Result<AcceptedJob>> {
        Box::pin(self.create(create_of(submission), before))
    }

    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>> {
        Box::pin(self.status(job))
    }

    fn parse_saved_reply(&self, raw: &Value) -> Option<FinishedJob> {
        let finished = self.finished(raw["job"].as_str()?, raw["link"].as_u64()?, raw["price"].as_u64());
        Some(FinishedJob {
            raw: None,
            ..finished
        })
    }

    fn clip_url(&self, finished: &FinishedJob) -> Result<Option<Url>> {
        finished
            .url
            .as_deref()
            .map(|url| self.parse_clip_url(url))
            .transpose()
    }

    fn parse_clip_url(&self, url: &str) -> Result<Url> {
        Url::parse(url).map_err(|_| Error::invalid("read a URL: it is none"))
    }

    fn download<'a>(
        &'a self,
        url: &'a Url,
        sink: &'a mut dyn Sink,
        _: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> BoxFuture<'a, Result<(), DownloadError>> {
        Box::pin(self.fetch(url, sink))
    }

    fn visible_models(&self) -> BoxFuture<'_, Result<Vec<VisibleModel>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn upload<'a>(&'a self, _: &'a Upload) -> BoxFuture<'a, Result<String>> {
        Box::pin(async {
            yield_now().await;
            Ok("file-1".to_owned())
        })
    }

    fn delete_file<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn query_model<'a>(
        &'a self,
        _: &'a ModelQuery,
        stop: &'a StopSignal,
    ) -> BoxFuture<'a, Result<ModelAnswer>> {
        Box::pin(self.ask(stop))
    }

    fn pause(&self, _: Duration) {}
}

/// Returns a small clip that is two seconds long.
pub(super) fn template() -> Bytes {
    use std::process::Command;
    use std::sync::OnceLock;

    static CLIP: OnceLock<Bytes> = OnceLock::new();
    CLIP.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip.mp4");
        let made = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "color=gray:size=32x32:rate=2:duration=2",
            ])
            // This decoder opens quickly, which happens about thirty times per seed.
            .args(["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"])
            .arg(&clip)
            .status();
        assert!(made.unwrap().success(), "ffmpeg made no clip");
        std::fs::read(&clip).unwrap().into()
    })
    .clone()
}
