//! The verb `chain`: several clips, each going on from the one before.

mod drift;
mod price;
mod resolve;
mod resume;
mod run;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde::Serialize;

use crate::client::VideoClient;
use crate::error::{Error, Result};
use crate::job::{self, Event, Handle, JobEvent, Sealed};
use crate::library::{Clip, Drift};
use crate::money::UsdTicks;
use crate::request::ChainRequest;
use crate::telemetry::Verb;

/// A chain on its way.
pub type ChainHandle = Handle<ChainOutcome, ChainEvent>;

/// What a chain made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ChainOutcome {
    /// The chain's id.
    pub id: String,
    /// The clips that it made, in order: clip 0 is the first of them when the chain began with a new clip.
    pub clips: Vec<Clip>,
    /// What they cost, with earlier tries that made no clip, as far as is known.
    pub cost: UsdTicks,
    /// For each of the clips, how far its last frame has gone from that of clip 0. `None` for clip 0, and
    /// where it could not be measured.
    pub drift: Vec<Option<Drift>>,
}

/// One thing that happened to a chain, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ChainEvent {
    /// A clip is begun, or its job is picked up again.
    StepStarted {
        /// The number of the clip. The clip that the chain begins with is 0.
        clip: u32,
        /// The number of the last one.
        of: u32,
        /// The job, where an earlier process has sent it.
        job_id: Option<String>,
    },
    /// Something happened to the job of a clip.
    Step {
        /// The number of the clip.
        clip: u32,
        /// What happened.
        job: JobEvent,
    },
    /// A clip is in the library.
    StepFinished {
        /// The number of the clip.
        clip: u32,
        /// The number of the last one.
        of: u32,
        /// Its id in the library.
        id: String,
        /// How far its last frame has gone from that of clip 0.
        drift: Option<Drift>,
        /// Whether it was there before this call.
        earlier: bool,
    },
}

impl Sealed for ChainEvent {}

impl Event for ChainEvent {
    type Id = String;

    fn is_droppable(&self) -> bool {
        matches!(self, Self::Step { job, .. } if job.is_droppable())
    }

    fn name(error: Error, _id: &String) -> Error {
        error
    }
}

/// Clips to be made; see [`VideoClient::chain`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct Chain {
    client: VideoClient,
    request: ChainRequest,
}

impl VideoClient {
    /// Makes several clips one after another, each going on where the one before ends. Await it for the
    /// clips, or [`start`](Chain::start) it for a handle with events.
    ///
    /// How far it is lies in the library, at `chains/<id>.json`. The same request, in any process, goes on
    /// at the first clip that is not there: a job that was sent is picked up, with all that is known of it,
    /// and not sent again. A clip whose colour, contrast or sharpness has gone far from clip 0 has a
    /// warning in its record ([`Drift`]).
    ///
    /// # Errors
    /// As for [`generate`](Self::generate) and [`continue_from`](Self::continue_from), for the clip at which
    /// the chain stopped. `Budget` before anything is paid, or between two clips when one cost more than was
    /// estimated. `Library` when another process is at work on the chain. A clip that ended in
    /// `SubmissionUnknown`, or whose job failed and may have been charged, stops its chain until a person settles its
    /// record ([`Library::settle`](crate::Library::settle)) or changes its step; one that moderation refused, or whose
    /// job failed three times at no charge, until its step is changed.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on through all clips.
    ///
    /// # Cost
    /// That of its clips. What is there already is not paid again.
    pub fn chain(&self, request: ChainRequest) -> Chain {
        Chain {
            client: self.clone(),
            request,
        }
    }
}

impl Chain {
    /// Returns as soon as the chain has its id and nobody else works on it. The rest goes on by itself, and
    /// is in [`wait`](Handle::wait), a budget that does not suffice included.
    ///
    /// # Errors
    /// `InvalidRequest` for steps that cannot be sent as they are, `NotFound` for a clip or a chain that
    /// does not exist, `Library` when another process is at work on the chain.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on through all clips.
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

impl IntoFuture for Chain {
    type Output = Result<ChainOutcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ChainOutcome>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.wait().await })
    }
}
