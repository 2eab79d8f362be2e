//! Estimates the cost of the remaining steps of a chain and checks them, before anything is paid.

use std::time::Duration;

use bytes::Bytes;

use super::resolve::Step;
use crate::client::VideoClient;
use crate::client::verbs::continue_from::{extension_fits, extension_request, last_frame_request};
use crate::error::{Error, ErrorKind, Result};
use crate::library::ChainRecord;
use crate::money::UsdTicks;
use crate::request::{ContinueRequest, ContinueStrategy, MediaInput};

/// Measured or expected length and height of a clip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClipShape {
    pub(crate) length: Duration,
    pub(crate) lines: u32,
}

/// Estimated cost of a step, and the expected shape of its clip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepEstimate {
    pub(crate) cost: Option<UsdTicks>,
    shape: Option<ClipShape>,
}

/// Checks the given steps and returns the estimated cost of each. `previous` is the clip that the first one continues.
///
/// # Errors
/// The reason why a step cannot be sent.
pub(crate) fn estimate_steps(
    client: &VideoClient,
    record: &ChainRecord,
    steps: &[(usize, &Step)],
    previous: Option<ClipShape>,
) -> Result<Vec<Option<UsdTicks>>> {
    let mut shape = previous;
    let mut costs = Vec::with_capacity(steps.len());
    for (index, step) in steps {
        let estimate = match step {
            Step::Generate(request) => client.estimate(request).map(|checked| StepEstimate {
                cost: checked.estimate,
                shape: Some(ClipShape {
                    length: Duration::from_secs(u64::from(checked.seconds)),
                    lines: checked.resolution.lines().unwrap_or(720),
                }),
            }),
            Step::Continue(request) => estimate_continuation(client, request, shape),
        };
        let estimate = estimate.map_err(|error| in_clip(record.number(*index), error))?;
        costs.push(estimate.cost);
        shape = estimate.shape;
    }
    Ok(costs)
}

fn estimate_continuation(
    client: &VideoClient,
    request: &ContinueRequest,
    previous: Option<ClipShape>,
) -> Result<StepEstimate> {
    match request.strategy {
        ContinueStrategy::Extend => estimate_extension(client, request, previous),
        ContinueStrategy::Auto
            if previous.is_some_and(|previous| extension_fits(client, request, previous.length)) =>
        {
            // The strategy is chosen when the clip exists, so the more expensive one counts.
            let by_frame = estimate_by_last_frame(client, request)?;
            let extension = estimate_extension(client, request, previous)?;
            let costs = by_frame.cost.zip(extension.cost);
            Ok(StepEstimate {
                cost: costs.map(|(by_frame, extension)| by_frame.max(extension)),
                ..extension
            })
        }
        ContinueStrategy::LastFrame | ContinueStrategy::Auto => estimate_by_last_frame(client, request),
    }
}

fn estimate_by_last_frame(client: &VideoClient, request: &ContinueRequest) -> Result<StepEstimate> {
    let checked = client.estimate(&last_frame_request(client, request, Bytes::new()))?;
    Ok(StepEstimate {
        cost: checked.estimate,
        shape: Some(ClipShape {
            length: Duration::from_secs(u64::from(checked.seconds)),
            lines: checked.resolution.lines().unwrap_or(720),
        }),
    })
}

fn estimate_extension(
    client: &VideoClient,
    request: &ContinueRequest,
    previous: Option<ClipShape>,
) -> Result<StepEstimate> {
    let inner = &client.inner;
    let request = extension_request(&MediaInput::clip("the clip before"), request)?;
    let mut checked = request.check(&inner.models, &inner.defaults, inner.validation)?;
    let Some(previous) = previous else {
        return Ok(StepEstimate {
            cost: None,
            shape: None,
        });
    };
    checked.check_input("the clip before", previous.length)?;
    let added = Duration::from_secs(checked.added_seconds.unwrap_or_default().into());
    Ok(StepEstimate {
        cost: checked.estimate(&inner.models, previous.length, previous.lines),
        shape: Some(ClipShape {
            length: previous.length.saturating_add(added),
            lines: previous.lines.min(720),
        }),
    })
}

/// Checks that the remaining steps fit the budget of the chain, after the cost of the finished ones.
///
/// # Errors
/// `Budget` if they do not fit, or if a cost is unknown.
pub(crate) fn check_budget(record: &ChainRecord, first: usize, costs: &[Option<UsdTicks>]) -> Result<()> {
    let Some(budget) = record.budget else {
        return Ok(());
    };
    let over_budget = |reason: String| {
        Error::new(
            ErrorKind::Budget,
            format!("check the budget of the chain: {reason}"),
        )
    };
    let spent: UsdTicks = record
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let cost = if index < first {
                step.cost.or(step.estimate).unwrap_or_default()
            } else {
                UsdTicks::ZERO
            };
            cost + step.lost
        })
        .sum();
    let mut remaining = UsdTicks::ZERO;
    for (offset, cost) in costs.iter().enumerate() {
        remaining += cost.ok_or_else(|| {
            over_budget(format!(
                "the model table has no price for clip {}; leave the budget out, or use a table that has the price",
                record.number(first + offset)
            ))
        })?;
    }
    if spent + remaining <= budget {
        return Ok(());
    }
    let already_spent = if spent == UsdTicks::ZERO {
        String::new()
    } else {
        format!("{spent} are spent, and ")
    };
    Err(over_budget(format!(
        "{already_spent}the {} remaining clips are estimated at {remaining}; the limit is {budget}",
        costs.len()
    )))
}

/// Adds the number of the clip to an error.
fn in_clip(number: usize, error: Error) -> Error {
    let guidance = error.guidance().map(str::to_owned);
    let wrapped = Error::new(error.kind(), format!("check clip {number} of the chain")).with_source(error);
    match guidance {
        Some(guidance) => wrapped.with_guidance(guidance),
        None => wrapped,
    }
}
