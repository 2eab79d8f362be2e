//! The verbs `edit` and `extend`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::record::{Brief, VideoSource};
use super::source::{Local, Measured, Source};
use super::ticket::Ticket;
use super::{JobHandle, VideoClient, plan, save};
use crate::error::Result;
use crate::job::{self, JobEvent, Reporter};
use crate::library::{Clip, Parent};
use crate::provider::{Submission, VideoSubmission};
use crate::request::{
    CheckedVideo, EditRequest, ExtendRequest, MediaInput, PlanChoice, StorageOptions, TransportChoice,
    UploadTarget,
};
use crate::telemetry::{self, Verb};

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
        job::spawn(verb.span(), move |reporter| async move {
            reporter.tell(JobEvent::Planning);
            Box::pin(run(client, request, Ticket::default(), reporter)).await
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
pub(super) async fn run_extension(
    client: VideoClient,
    request: ExtendRequest,
    ticket: Ticket,
    reporter: Reporter,
) -> Result<Clip> {
    Box::pin(run(client, Request::Extend(request), ticket, reporter)).await
}

/// From the request to the clip in the library.
async fn run(client: VideoClient, request: Request, mut ticket: Ticket, reporter: Reporter) -> Result<Clip> {
    let inner = &client.inner;
    let (mut checked, parts) = check(&client, request)?;
    telemetry::model(checked.model.as_str());
    let source = Source::find(&client, &parts.video).await?;
    let measured = match &source.local {
        Some(local) => local.measure(&source.name).await?,
        None => Measured::default(),
    };
    if let Some(length) = measured.length {
        checked.check_input(&source.name, length)?;
    }
    // That a clip cannot be saved is better known before it is paid for.
    inner.library.writable().await?;

    let old_part = match (&source.local, checked.added_seconds) {
        (Some(local), Some(_)) => last_frame(local, &source.name, measured).await?,
        _ => OldPart::default(),
    };
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
    let wanted = plan::Wanted::video(&parts.plan, &checked, local, name, measured, lineage);
    let planned = Box::pin(ticket.plan(&client, wanted)).await?;
    // An edit has words, so its plan has some too.
    if let Some(prompt) = &planned.prompt {
        checked.prompt.clone_from(prompt);
    }
    let summary = source.summary.clone();
    // What was sent before is not uploaded again.
    let transport = if ticket.is_known() {
        TransportChoice::Inline
    } else {
        parts.transport
    };
    let sent = source.send(&client, transport).await?;
    let described = VideoSource {
        parent,
        summary,
        measured,
        sent_record: sent.record,
        transport: sent.transport,
        warning: sent.warning,
        estimate,
    };
    let mut brief = Brief::video(&checked, parts.output.as_ref(), described, &inner.models).planned(planned);
    old_part.hold(&mut brief);

    let submission = Submission::Video(Box::new(VideoSubmission {
        model: checked.model,
        prompt: checked.prompt,
        video: sent.media,
        added_seconds: checked.added_seconds,
        user: parts.user,
        storage: parts.storage,
        upload_url: parts.output.map(|target| target.upload_url),
    }));
    let result = match ticket.submit(&client, &submission).await {
        Ok(id) => {
            reporter.submitted(&id, brief.model.clone());
            save::finish(&client, &reporter, &id, brief).await
        }
        Err(error) => Err(error),
    };
    clean_up(&client, sent.delete.as_deref(), &result).await;
    result
}

fn check(client: &VideoClient, request: Request) -> Result<(CheckedVideo, Parts)> {
    let inner = &client.inner;
    Ok(match request {
        Request::Edit(request) => {
            let checked = request.check(&inner.models, &inner.defaults, inner.validation)?;
            let EditRequest {
                video,
                transport,
                plan,
                user,
                storage,
                output,
                ..
            } = request;
            (
                checked,
                Parts {
                    video,
                    transport,
                    plan,
                    user,
                    storage,
                    output,
                },
            )
        }
        Request::Extend(request) => {
            let checked = request.check(&inner.models, &inner.defaults, inner.validation)?;
            let ExtendRequest {
                video,
                transport,
                plan,
                storage,
                output,
                ..
            } = request;
            (
                checked,
                Parts {
                    video,
                    transport,
                    plan,
                    user: None,
                    storage,
                    output,
                },
            )
        }
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

/// The end of the clip that is extended, to find it again in the result.
#[derive(Default)]
struct OldPart {
    #[cfg(feature = "media")]
    frame: Option<(crate::media::Frame, std::time::Duration)>,
}

impl OldPart {
    #[cfg(feature = "media")]
    fn hold(self, brief: &mut Brief) {
        brief.measure.old_part = self.frame;
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_self, reason = "the other variant holds it")]
    fn hold(self, _brief: &mut Brief) {}
}

#[cfg(feature = "media")]
async fn last_frame(local: &Local, name: &str, measured: Measured) -> Result<OldPart> {
    use crate::media::{FramePosition, MediaOptions, bridge};

    let frame = bridge::frame(local.media(name), FramePosition::Last, MediaOptions::default()).await?;
    Ok(OldPart {
        frame: measured.length.map(|length| (frame, length)),
    })
}

#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
async fn last_frame(_local: &Local, _name: &str, _measured: Measured) -> Result<OldPart> {
    Ok(OldPart::default())
}
