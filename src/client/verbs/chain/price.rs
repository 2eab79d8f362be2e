//! What the rest of a chain will cost, and whether it can be sent at all: before anything is paid.

use std::time::Duration;

use bytes::Bytes;

use super::resolve::Step;
use crate::client::VideoClient;
use crate::client::verbs::continue_from::{by_last_frame, extension, extension_fits};
use crate::error::{Error, ErrorKind, Result};
use crate::library::ChainRecord;
use crate::money::UsdTicks;
use crate::request::{ContinueRequest, ContinueStrategy, MediaInput};

/// Length and height of a clip, measured or to be expected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClipShape {
    pub(crate) length: Duration,
    pub(crate) lines: u32,
}

/// What a step will cost, and the clip that comes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepEstimate {
    pub(crate) cost: Option<UsdTicks>,
    shape: Option<ClipShape>,
}

/// Checks the steps from one on, and says what each will cost. `before` is the clip that they go on from.
pub(crate) fn steps(
    client: &VideoClient,
    record: &ChainRecord,
    steps: &[(usize, &Step)],
    before: Option<ClipShape>,
) -> Result<Vec<Option<UsdTicks>>> {
    let mut shape = before;
    let mut costs = Vec::with_capacity(steps.len());
    for (index, step) in steps {
        let expected = match step {
            Step::Generate(request) => client.estimate(request).map(|checked| StepEstimate {
                cost: checked.estimate,
                shape: Some(ClipShape {
                    length: Duration::from_secs(u64::from(checked.seconds)),
                    lines: checked.resolution.lines().unwrap_or(720),
                }),
            }),
            Step::Continue(request) => continuation(client, request, shape),
        };
        let expected = expected.map_err(|error| at(record.number(*index), error))?;
        costs.push(expected.cost);
        shape = expected.shape;
    }
    Ok(costs)
}

fn continuation(
    client: &VideoClient,
    request: &ContinueRequest,
    before: Option<ClipShape>,
) -> Result<StepEstimate> {
    match request.strategy {
        ContinueStrategy::Extend => longer_clip(client, request, before),
        ContinueStrategy::Auto
            if before.is_some_and(|before| extension_fits(client, request, before.length)) =>
        {
            // Which it will be shows with the clip itself: the dearer one is taken.
            let (new, longer) = (new_clip(client, request)?, longer_clip(client, request, before)?);
            Ok(StepEstimate {
                cost: new.cost.zip(longer.cost).map(|(new, longer)| new.max(longer)),
                ..longer
            })
        }
        ContinueStrategy::LastFrame | ContinueStrategy::Auto => new_clip(client, request),
    }
}

fn new_clip(client: &VideoClient, request: &ContinueRequest) -> Result<StepEstimate> {
    let checked = client.estimate(&by_last_frame(client, request, Bytes::new()))?;
    Ok(StepEstimate {
        cost: checked.estimate,
        shape: Some(ClipShape {
            length: Duration::from_secs(u64::from(checked.seconds)),
            lines: checked.resolution.lines().unwrap_or(720),
        }),
    })
}

fn longer_clip(
    client: &VideoClient,
    request: &ContinueRequest,
    before: Option<ClipShape>,
) -> Result<StepEstimate> {
    let inner = &client.inner;
    let request = extension(&MediaInput::clip("the clip before"), request)?;
    let mut checked = request.check(&inner.models, &inner.defaults, inner.validation)?;
    let Some(before) = before else {
        return Ok(StepEstimate {
            cost: None,
            shape: None,
        });
    };
    checked.check_input("the clip before", before.length)?;
    let added = Duration::from_secs(checked.added_seconds.unwrap_or_default().into());
    Ok(StepEstimate {
        cost: checked.estimate(&inner.models, before.length, before.lines),
        shape: Some(ClipShape {
            length: before.length.saturating_add(added),
            lines: before.lines.min(720),
        }),
    })
}

/// Whether the rest fits the budget, with what the finished steps did cost.
pub(crate) fn check_budget(record: &ChainRecord, first: usize, costs: &[Option<UsdTicks>]) -> Result<()> {
    let Some(budget) = record.budget else {
        return Ok(());
    };
    let refuse = |why: String| {
        Error::new(
            ErrorKind::Budget,
            format!("keep to the budget of the chain: {why}"),
        )
    };
    let spent: UsdTicks = record
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let made = if index < first {
                step.cost.or(step.estimate).unwrap_or_default()
            } else {
                UsdTicks::ZERO
            };
            made + step.lost
        })
        .sum();
    let mut rest = UsdTicks::ZERO;
    for (offset, cost) in costs.iter().enumerate() {
        rest += cost.ok_or_else(|| {
            refuse(format!(
                "the table has no price for clip {}; leave the budget out, or give a table that has it",
                record.number(first + offset)
            ))
        })?;
    }
    if spent + rest <= budget {
        return Ok(());
    }
    let before = if spent == UsdTicks::ZERO {
        String::new()
    } else {
        format!("{spent} are spent, and ")
    };
    Err(refuse(format!(
        "{before}the {} clips to be made are estimated at {rest}; the limit is {budget}",
        costs.len()
    )))
}

fn at(number: usize, error: Error) -> Error {
    let guidance = error.guidance().map(str::to_owned);
    let told = Error::new(error.kind(), format!("check clip {number} of the chain")).with_source(error);
    match guidance {
        Some(guidance) => told.with_guidance(guidance),
        None => told,
    }
}
