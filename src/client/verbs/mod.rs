//! The verbs. Each file has the named future of its verb and runs the steps of the verb in order.
//!
//! Each verb checks its request, reads its inputs, and passes both to the pipeline.

/// Makes a named future awaitable: it starts the work and waits for its result.
macro_rules! awaits_handle {
    ($future:ident => $output:ident) => {
        impl std::future::IntoFuture for $future {
            type Output = Result<$output>;
            type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(async move { self.start().await?.wait().await })
            }
        }
    };
}

mod analyze;
#[cfg(feature = "media")]
pub(super) mod chain;
#[cfg(feature = "media")]
pub(super) mod continue_from;
#[cfg(feature = "media")]
mod frame;
pub(super) mod generate;
pub(super) mod transform;

pub use self::analyze::Analyze;
#[cfg(feature = "media")]
pub use self::chain::{Chain, ChainEvent, ChainHandle, ChainOutcome};
#[cfg(feature = "media")]
pub use self::continue_from::ContinueFrom;
#[cfg(feature = "media")]
pub use self::frame::ExtractFrame;
pub use self::generate::Generate;
pub use self::transform::{EditClip, ExtendClip};

use super::VideoClient;
use crate::error::Result;
use crate::request::{Estimate, VideoRequest};

/// Estimates the cost of a request.
pub(super) async fn estimate(client: &VideoClient, request: VideoRequest) -> Result<Estimate> {
    match request {
        VideoRequest::Generate { request } => Ok(client.check(&request)?.to_estimate()),
        VideoRequest::Edit { request } => Box::pin(client.edit(request).estimate()).await,
        VideoRequest::Extend { request } => Box::pin(client.extend(request).estimate()).await,
        #[cfg(feature = "media")]
        VideoRequest::Continue { clip, request } => {
            Box::pin(continue_from::estimate(client, &clip, &request)).await
        }
        #[cfg(feature = "media")]
        VideoRequest::Chain { request } => Box::pin(chain::estimate(client, request)).await,
    }
}
