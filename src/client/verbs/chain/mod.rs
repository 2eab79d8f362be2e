//! The verb `chain`: several clips, each of which continues the one before it.

mod drift;
mod price;
mod resolve;
mod resume;
mod run;

pub(super) use price::estimate;

use serde::Serialize;

use crate::client::VideoClient;
use crate::error::{Error, Result};
use crate::ids::{ClipId, JobId};
use crate::job::{self, JobEvent, Sealed, WorkEvent, WorkHandle};
use crate::library::{Clip, Drift};
use crate::money::UsdTicks;
use crate::request::ChainRequest;
use crate::telemetry::Verb;

/// A handle to a running chain.
pub type ChainHandle = WorkHandle<ChainOutcome, ChainEvent>;

/// The result of a chain.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ChainOutcome {
    /// The id of the chain.
    pub id: String,
    /// The clips that the chain made, in order. The first one is clip 0 if the chain began with a new clip, and clip 1
    /// otherwise.
    pub clips: Vec<Clip>,
    /// The cost of the clips and of attempts that made no clip, as far as it is known.
    pub cost: UsdTicks,
    /// The drift of each clip: how much its last frame differs from the last frame of clip 0. `None` for clip 0 and
    /// for a clip that could not be measured.
    pub drift: Vec<Option<Drift>>,
}

/// An event of a chain. A chain emits its events in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ChainEvent {
    /// A clip was started, or its job was resumed.
    StepStarted {
        /// The number of the clip. The first clip of the chain is 0.
        clip: u32,
        /// The number of the last clip.
        of: u32,
        /// The id of the job, if an earlier call sent the request.
        job_id: Option<JobId>,
    },
    /// The job of a clip emitted an event.
    Step {
        /// The number of the clip.
        clip: u32,
        /// The event of the job.
        job: JobEvent,
    },
    /// A clip was saved in the library, by this call or an earlier one.
    StepFinished {
        /// The number of the clip.
        clip: u32,
        /// The number of the last clip.
        of: u32,
        /// The id of the clip in the library.
        id: ClipId,
        /// How much the last frame of the clip differs from the last frame of clip 0, if it was measured.
        drift: Option<Drift>,
        /// Whether the clip existed before this call.
        earlier: bool,
    },
}

impl Sealed for ChainEvent {}

impl WorkEvent for ChainEvent {
    type Id = String;

    fn is_droppable(&self) -> bool {
        matches!(self, Self::Step { job, .. } if job.is_droppable())
    }

    fn add_id(error: Error, _id: &String) -> Error {
        error
    }
}

/// A chain of clips to make; see [`VideoClient::chain`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct Chain {
    client: VideoClient,
    request: ChainRequest,
}

impl VideoClient {
    /// Makes several clips, each of which continues the one before it. Awaiting the [`Chain`] returns the clips; its
    /// method [`start`](Chain::start) returns a handle with events.
    ///
    /// The progress is saved in the library at `chains/<id>.json`. The same request, in any process, continues at the
    /// first missing clip. A job that was sent is resumed and not sent again. A clip whose color, contrast or
    /// sharpness differs much from clip 0 gets a warning in its sidecar ([`Drift`]).
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate) and [`continue_from`](Self::continue_from), for the clip at which the
    /// chain stopped. `Budget` if the remaining clips exceed a budget, either before anything is paid or between two
    /// clips, after a clip that cost more than its estimate.
    /// `Library` if another process is working on the chain.
    ///
    /// Some failures stop the chain until a person acts. After `SubmissionUnknown`, or a failed job that may have been
    /// charged, settle the record of the clip ([`Library::settle`](crate::Library::settle)) or change its step. After a
    /// refusal by moderation, or three failures at no charge, change its step.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues through all clips.
    ///
    /// # Cost
    /// The cost of the new clips. Existing clips are not paid for again.
    pub fn chain(&self, request: ChainRequest) -> Chain {
        Chain {
            client: self.clone(),
            request,
        }
    }
}

impl Chain {
    /// Starts the chain, and returns when the chain has an id and, in a folder, is locked against other processes. In a
    /// bucket, another process is detected when the progress is saved. The work continues in the background, and
    /// [`wait`](WorkHandle::wait) returns its result, which may be a `Budget` error.
    ///
    /// # Errors
    /// `InvalidRequest` for steps that cannot be sent, `NotFound` for a clip or a chain that does not exist, `Library`
    /// if another process is working on the chain.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues through all clips.
    pub async fn start(self) -> Result<ChainHandle> {
        let Self { client, request } = self;
        let stop = client.stop_signal().clone();
        job::spawn(Verb::Chain.span(), &stop, move |reporter| {
            run::run(client, request, reporter)
        })
        .handle()
        .await
    }
}

awaits_handle!(Chain => ChainOutcome);
