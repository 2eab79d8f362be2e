//! The estimate of a request, and the requests that can be estimated.

use std::time::Duration;

#[cfg(feature = "media")]
use super::{ChainRequest, ContinueRequest, MediaInput};
use super::{EditRequest, ExtendRequest, GenerateRequest};
use crate::model::{AspectRatio, Resolution, VideoModel};
use crate::money::UsdTicks;

/// A request of any verb that makes clips.
///
/// Requests and references to requests convert into it. A continuation is a pair of the clip and the request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum VideoRequest {
    /// A request for [`VideoClient::generate`](crate::VideoClient::generate).
    Generate {
        /// The request.
        request: GenerateRequest,
    },
    /// A request for [`VideoClient::edit`](crate::VideoClient::edit).
    Edit {
        /// The request.
        request: EditRequest,
    },
    /// A request for [`VideoClient::extend`](crate::VideoClient::extend).
    Extend {
        /// The request.
        request: ExtendRequest,
    },
    /// A request for [`VideoClient::continue_from`](crate::VideoClient::continue_from).
    #[cfg(feature = "media")]
    Continue {
        /// The clip to continue.
        clip: MediaInput,
        /// The request.
        request: ContinueRequest,
    },
    /// A request for [`VideoClient::chain`](crate::VideoClient::chain).
    #[cfg(feature = "media")]
    Chain {
        /// The request.
        request: ChainRequest,
    },
}

/// Implements the conversion of a request, or of a reference to one, to [`VideoRequest`].
macro_rules! variants {
    ($($variant:ident($request:ty)),+) => {$(
        impl From<$request> for VideoRequest {
            fn from(request: $request) -> Self {
                Self::$variant { request }
            }
        }

        impl From<&$request> for VideoRequest {
            fn from(request: &$request) -> Self {
                request.clone().into()
            }
        }
    )+};
}

variants!(
    Generate(GenerateRequest),
    Edit(EditRequest),
    Extend(ExtendRequest)
);
#[cfg(feature = "media")]
variants!(Chain(ChainRequest));

#[cfg(feature = "media")]
impl<M: Into<MediaInput>> From<(M, &ContinueRequest)> for VideoRequest {
    fn from((clip, request): (M, &ContinueRequest)) -> Self {
        (clip, request.clone()).into()
    }
}

#[cfg(feature = "media")]
impl<M: Into<MediaInput>> From<(M, ContinueRequest)> for VideoRequest {
    fn from((clip, request): (M, ContinueRequest)) -> Self {
        Self::Continue {
            clip: clip.into(),
            request,
        }
    }
}

/// What a request would make, and its estimated cost.
///
/// A property of the clip is `None` if it is not known before the clip is made, or differs between the clips of a chain.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Estimate {
    /// The estimated cost without the planning of prompts. For a step of a chain with the strategy
    /// [`Auto`](crate::ContinueStrategy::Auto) it is that of the more expensive way. `None` if the model table has no
    /// price, or if the price depends on a clip that cannot be measured: one that is given by a URL or an id of the
    /// Files API, or any clip without the feature `media`.
    pub cost: Option<UsdTicks>,
    /// The number of clips that would be made. A chain counts those that were not sent yet.
    pub clips: u32,
    /// The model.
    pub model: Option<VideoModel>,
    /// The length of the new clip, including the clip that an extension is added to; for a chain the sum of all lengths.
    pub duration: Option<Duration>,
    /// The resolution.
    pub resolution: Option<Resolution>,
    /// Width to height. `None` also if the start image, the source clip or the service determines it.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound.
    pub audio: Option<bool>,
    /// Violations of the model table that the client's [`Validation`](crate::model::Validation) permits, and what the
    /// table does not cover.
    pub warnings: Vec<String>,
}

#[cfg(feature = "media")]
impl Estimate {
    /// Returns the sum of the estimates of several clips.
    pub(crate) fn sum(estimates: impl IntoIterator<Item = Self>) -> Self {
        let mut estimates = estimates.into_iter();
        let Some(mut sum) = estimates.next() else {
            return Self {
                cost: Some(UsdTicks::ZERO),
                duration: Some(Duration::ZERO),
                ..Self::default()
            };
        };
        for estimate in estimates {
            sum.cost = sum.cost.zip(estimate.cost).map(|(sum, cost)| sum + cost);
            sum.clips += estimate.clips;
            sum.model = common(sum.model, estimate.model.as_ref());
            sum.duration = sum
                .duration
                .zip(estimate.duration)
                .map(|(sum, duration)| sum.saturating_add(duration));
            sum.resolution = common(sum.resolution, estimate.resolution.as_ref());
            sum.aspect_ratio = common(sum.aspect_ratio, estimate.aspect_ratio.as_ref());
            sum.audio = common(sum.audio, estimate.audio.as_ref());
            sum.warnings.extend(estimate.warnings);
        }
        sum
    }
}

/// Returns a property that two clips have in common.
#[cfg(feature = "media")]
fn common<T: PartialEq>(one: Option<T>, other: Option<&T>) -> Option<T> {
    one.filter(|one| other == Some(one))
}
