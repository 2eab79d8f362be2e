//! The verbs `edit` and `extend`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use crate::client::pipeline::clip_source::{ClipFacts, ClipSource};
use crate::client::pipeline::content_checks::MediaOrigin;
use crate::client::pipeline::planning;
use crate::client::pipeline::sidecar::{ClipDraft, SentSource};
use crate::client::pipeline::submit::{Reservation, ReservedJob, SubmissionObserver};
use crate::client::{JobHandle, VideoClient};
use crate::error::Result;
use crate::job::{self, JobEvent, Reporter};
use crate::library::{Clip, Parent};
use crate::provider::{Submission, VideoSubmission};
use crate::request::{
    CheckedVideo, EditRequest, ExtendRequest, MediaInput, PlanChoice, StorageOptions, TransportChoice,
    UploadTarget,
};
use crate::stop::StopSignal;
use crate::telemetry::{self, Verb};
use tempfile::TempPath;

/// A clip to be made from another; see [`VideoClient::edit`] and [`VideoClient::extend`]. Does nothing
/// until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct Transform {
    client: VideoClient,
    request: Request,
}

#[derive(Debug)]
enum Request {
    Edit(EditRequest),
    Extend(ExtendRequest),
}

/// What both requests have in common, taken apart.
struct Parts {
    video: MediaInput,
    transport: TransportChoice,
    plan: PlanChoice,
    user: Option<String>,
    storage: Option<StorageOptions>,
    output: Option<UploadTarget>,
}

impl VideoClient {
    /// Makes a changed copy of a clip. Await it for the clip, or [`start`](Transform::start) it for a
    /// handle.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate); before anything is paid also `InvalidRequest` for a clip that
    /// is longer than the service takes or no MP4, and `Network` when an upload failed.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on, and the clip is saved.
    ///
    /// # Cost
    /// The seconds that go in and the seconds that come out.
    pub fn edit(&self, request: EditRequest) -> Transform {
        Transform {
            client: self.clone(),
            request: Request::Edit(request),
        }
    }

    /// Adds seconds at the end of a clip. The result is the old part and the new one in one file, and its
    /// delivery report says where the one ends and the other begins, as measured.
    ///
    /// # Errors
    /// As for [`edit`](Self::edit).
    ///
    /// # Cancel safety
    /// As for [`edit`](Self::edit).
    ///
    /// # Cost
    /// The seconds that go in and the seconds that are added.
    pub fn extend(&self, request: ExtendRequest) -> Transform {
        Transform {
            client: self.clone(),
            request: Request::Extend(request),
        }
    }
}

impl Transform {
    /// Checks, reads, submits, and returns when the job has its id. The rest goes on by itself.
    ///
    /// # Errors
    /// Why there is no job; `SubmissionUnknown` when there may be one.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on, and the clip is saved.
    pub async fn start(self) -> Result<JobHandle> {
        let Self { client, request } = self;
        let verb = match &request {
            Request::Edit(_) => Verb::Edit,
            Request::Extend(_) => Verb::Extend,
        };
        let stop = client.stop_signal().clone();
        job::spawn(verb.span(), &stop, move |reporter| async move {
            reporter.emit(JobEvent::Planning);
            Box::pin(run(client, request, None, reporter)).await
        })
        .handle()
        .await
    }
}

impl IntoFuture for Transform {
    type Output = Result<Clip>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Clip>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.wait().await })
    }
}

/// A continuation that the service's own extension makes.
#[cfg(feature = "media")]
pub(crate) async fn run_extension(
    client: VideoClient,
    request: ExtendRequest,
    witness: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> Result<Clip> {
    Box::pin(run(client, Request::Extend(request), witness, reporter)).await
}

/// From the request to the clip in the library.
async fn run(
    client: VideoClient,
    request: Request,
    witness: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> Result<Clip> {
    // In a box of its own: what was read of the clip goes with it, before the job is waited for.
    let prepared = Box::pin(prepare(&client, request, witness, reporter.stop_signal())).await?;
    let Prepared {
        ticket,
        submission,
        brief,
        delete,
        fetched,
    } = prepared;
    let result = Box::pin(ticket.send(submission, fetched, brief, &reporter)).await;
    clean_up(&client, delete.as_deref(), &result).await;
    result
}

/// What is ready to be sent, and what has to be there until it is.
struct Prepared {
    ticket: ReservedJob,
    submission: Submission,
    brief: Box<ClipDraft>,
    /// A file at the service that is to be deleted when the job is over.
    delete: Option<String>,
    /// A file here that what is sent may be read from, removed with this.
    fetched: Option<TempPath>,
}

async fn prepare(
    client: &VideoClient,
    request: Request,
    witness: Option<Arc<dyn SubmissionObserver>>,
    stop: &StopSignal,
) -> Result<Prepared> {
    let inner = &client.inner;
    let (mut checked, parts) = check(client, request)?;
    telemetry::record_model(checked.model.as_str());
    let source = stop
        .run_before_send(ClipSource::find(client, &parts.video))
        .await?;
    let measured = match &source.local {
        Some(local) => stop.run_before_send(local.measure(&source.name)).await?,
        None => ClipFacts::default(),
    };
    if let Some(length) = measured.length {
        checked.check_input(&source.name, length)?;
    }
    // That a clip cannot be saved is better known before it is paid for.
    inner.library.writable().await?;
    client.warn_if_unverified();

    if let (Some(local), Some(_)) = (&source.local, checked.added_seconds) {
        stop.run_before_send(local.check_end(&source.name)).await?;
    }
    let estimate = measured
        .length
        .zip(measured.lines)
        .and_then(|(length, lines)| checked.estimate(&inner.models, length, lines));
    let parent = match &source.parent {
        Some(clip) => Some(inner.library.parent(clip).await?),
        None => None,
    };
    let lineage = parent.as_ref().map_or(&[][..], Parent::entries);
    let (local, name) = (source.local.as_ref(), source.name.as_str());
    let wanted = planning::PlanningRequest::video(&parts.plan, &checked, local, name, measured, lineage);
    let draft = Reservation {
        operation: if checked.added_seconds.is_some() {
            "extend"
        } else {
            "edit"
        },
        model: checked.model.clone(),
        estimate,
        witness,
    };
    let ticket = ReservedJob::reserve(client, draft, &wanted).await?;
    let (ticket, planned) = Box::pin(ticket.plan(wanted)).await?;
    // An edit has words, so its plan has some too.
    if let Some(prompt) = &planned.prompt {
        checked.prompt.clone_from(prompt);
    }
    let summary = source.summary.clone();
    let origin = source
        .parent
        .as_ref()
        .map(|clip| MediaOrigin::Clip(clip.id.to_string()));
    let local = source.local.clone();
    // In a box of its own, as all that is large.
    let sent = Box::pin(source.send(client, parts.transport));
    let sent = match stop.run_before_send(sent).await {
        Ok(sent) => sent,
        Err(error) => return Err(ticket.release(error).await),
    };
    let origin = origin.or_else(|| local?.origin(sent.record.sha256.as_deref()));
    let described = SentSource {
        parent,
        summary,
        measured,
        sent_record: sent.record,
        transport: sent.transport,
        warning: sent.warning,
        estimate,
    };
    let mut brief =
        ClipDraft::video(&checked, parts.output.as_ref(), described, &inner.models).planned(planned);
    if checked.added_seconds.is_some() {
        brief.measure.old_part = origin.zip(measured.length);
    }

    let submission = Submission::Video(Box::new(VideoSubmission {
        model: checked.model,
        prompt: checked.prompt,
        video: sent.media,
        added_seconds: checked.added_seconds,
        user: parts.user,
        storage: parts.storage,
        upload_url: parts.output.map(|target| target.upload_url),
    }));
    Ok(Prepared {
        ticket,
        submission,
        brief: Box::new(brief),
        delete: sent.delete,
        fetched: sent.fetched,
    })
}

fn check(client: &VideoClient, request: Request) -> Result<(CheckedVideo, Parts)> {
    let inner = &client.inner;
    Ok(match request {
        Request::Edit(request) => (
            request.check(&inner.models, &inner.defaults, inner.validation)?,
            Parts {
                video: request.video,
                transport: request.transport,
                plan: request.plan,
                user: request.user,
                storage: request.storage,
                output: request.output,
            },
        ),
        Request::Extend(request) => (
            request.check(&inner.models, &inner.defaults, inner.validation)?,
            Parts {
                video: request.video,
                transport: request.transport,
                plan: request.plan,
                user: None,
                storage: request.storage,
                output: request.output,
            },
        ),
    })
}

/// Takes the uploaded source away again, when the job is over for certain: one that goes on may still
/// need it, and then its life of a day ends it.
async fn clean_up(client: &VideoClient, file_id: Option<&str>, result: &Result<Clip>) {
    use crate::error::{ErrorKind, RetryAdvice};

    let Some(file_id) = file_id else { return };
    let over = match result {
        Ok(_) => true,
        Err(error) => {
            error.retry_advice() != RetryAdvice::Resume && error.kind() != ErrorKind::SubmissionUnknown
        }
    };
    if over && let Err(error) = client.inner.provider.delete_file(file_id).await {
        tracing::warn!(file_id, %error, "the uploaded source stays until it expires");
    }
}
