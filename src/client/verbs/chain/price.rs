//! Estimates the cost of the remaining steps of a chain and checks them, before anything is paid.

use super::resolve::{HashedRequest, ResolvedChain, Step, is_sent};
use crate::client::VideoClient;
use crate::client::pipeline::clip_source::{ClipFacts, ClipSource};
use crate::client::verbs::continue_from::{estimate_by_last_frame, extension_fits, extension_request};
use crate::error::{Error, ErrorKind, Result};
use crate::library::ChainRecord;
use crate::money::UsdTicks;
use crate::request::{ChainRequest, ContinueRequest, ContinueStrategy, Estimate, MediaInput};

/// Checks the steps of a chain from `first` on, and estimates the cost of each. `previous` is what is known of the clip
/// that the first one continues.
///
/// # Errors
/// The reason why a step cannot be sent.
pub(crate) fn estimate_steps(
    client: &VideoClient,
    record: &ChainRecord,
    steps: &[Option<Step>],
    first: usize,
    mut previous: ClipFacts,
) -> Result<Vec<Estimate>> {
    let mut estimates = Vec::with_capacity(steps.len().saturating_sub(first));
    for (index, step) in steps.iter().enumerate().skip(first) {
        let estimate = estimate_step(client, known(step.as_ref())?, previous);
        let (estimate, facts) = estimate.map_err(|error| in_clip(record.number(index), error))?;
        estimates.push(estimate);
        previous = facts;
    }
    Ok(estimates)
}

/// Estimates the cost of the clips of a chain that were not sent yet.
pub(crate) async fn estimate(client: &VideoClient, request: ChainRequest) -> Result<Estimate> {
    let request = HashedRequest::new(client, request).await?;
    let recorded = match client.library().chain(&request.id).await {
        Ok(record) => Some(record),
        Err(error) if error.kind() == ErrorKind::NotFound && !request.names_existing() => None,
        Err(error) => return Err(error),
    };
    let ResolvedChain { record, start, steps } = request.merge(recorded)?;
    let mut first = record.unfinished().unwrap_or(record.steps.len());
    let from = clip_before(&record, first, start.as_ref());
    let mut previous = ClipFacts::default();
    if record.steps.get(first).is_some_and(is_sent) {
        // The clip of a step that was sent comes without another request, so nothing is checked.
        if let Some(step) = &steps[first] {
            previous = measure_clip(client, from.as_ref()).await.unwrap_or_default();
            previous = estimate_step(client, step, previous)
                .map_or_else(|_| ClipFacts::default(), |(_, facts)| facts);
        }
        first += 1;
    } else if let Some(Some(step)) = steps.get(first) {
        if from.is_none() && matches!(step, Step::Continue(_)) {
            return Err(unknown_start());
        }
        previous = measure_clip(client, from.as_ref()).await?;
    }
    Ok(Estimate::sum(estimate_steps(
        client, &record, &steps, first, previous,
    )?))
}

/// Returns the clip that a step continues, if there is one.
pub(crate) fn clip_before(
    record: &ChainRecord,
    index: usize,
    start: Option<&MediaInput>,
) -> Option<MediaInput> {
    match index.checked_sub(1) {
        Some(previous) => {
            let clip = record.steps[previous].clip.as_ref()?;
            Some(MediaInput::clip(clip.as_str()))
        }
        None => start.cloned(),
    }
}

/// Measures the clip that a step continues, as far as there is one that can be read on this machine.
pub(crate) async fn measure_clip(client: &VideoClient, clip: Option<&MediaInput>) -> Result<ClipFacts> {
    let Some(clip) = clip else {
        return Ok(ClipFacts::default());
    };
    let source = ClipSource::find(client, clip).await?;
    Ok(match source.local {
        // A clip that is not an MP4 is continued by its last frame, and then its length does not matter.
        Some(local) => local.measure(&source.name).await.unwrap_or_default(),
        None => ClipFacts::default(),
    })
}

/// Returns the request of a step.
///
/// # Errors
/// `InvalidRequest` if the record could not keep it.
pub(crate) fn known(step: Option<&Step>) -> Result<&Step> {
    step.ok_or_else(|| {
        Error::invalid(
            "continue the chain: only its request has the images or URLs of its first clip; give the same request again",
        )
    })
}

/// Returns the error for a chain that begins with a clip which only its request has.
pub(crate) fn unknown_start() -> Error {
    Error::invalid(
        "continue the chain: only its request has the clip it begins with; give the same request again",
    )
}

/// Estimates the cost of a step, and returns what will be known of its clip.
fn estimate_step(client: &VideoClient, step: &Step, previous: ClipFacts) -> Result<(Estimate, ClipFacts)> {
    let request = match step {
        Step::Generate(request) => return Ok(with_facts(client.check(request)?.to_estimate())),
        Step::Continue(request) => request,
    };
    let extends = match request.strategy {
        ContinueStrategy::Extend => true,
        ContinueStrategy::LastFrame => false,
        ContinueStrategy::Auto => previous
            .length
            .is_some_and(|length| extension_fits(client, request, length)),
    };
    if !extends {
        return Ok(with_facts(estimate_by_last_frame(client, request)?));
    }
    let (mut estimate, facts) = with_facts(estimate_extension(client, request, previous)?);
    if request.strategy == ContinueStrategy::Auto {
        // The strategy is chosen when the clip exists, so the more expensive one counts.
        let by_frame = estimate_by_last_frame(client, request)?;
        let costs = by_frame.cost.zip(estimate.cost);
        estimate.cost = costs.map(|(by_frame, extension)| by_frame.max(extension));
        (estimate.duration, estimate.resolution) = (None, None);
        estimate.warnings.extend(by_frame.warnings);
    }
    Ok((estimate, facts))
}

/// Returns an estimate together with what it says about the clip.
fn with_facts(estimate: Estimate) -> (Estimate, ClipFacts) {
    let facts = ClipFacts {
        length: estimate.duration,
        lines: estimate
            .resolution
            .as_ref()
            .map(|resolution| resolution.lines().unwrap_or(720)),
        audio: estimate.audio,
    };
    (estimate, facts)
}

fn estimate_extension(
    client: &VideoClient,
    request: &ContinueRequest,
    previous: ClipFacts,
) -> Result<Estimate> {
    let inner = &client.inner;
    let request = extension_request(&MediaInput::clip("the clip before"), request)?;
    let mut checked = request.check(&inner.models, &inner.defaults, inner.validation)?;
    if let Some(length) = previous.length {
        checked.check_input("the clip before", length)?;
    }
    Ok(checked.to_estimate(&inner.models, previous.length, previous.lines))
}

/// Checks that the remaining steps fit the budget of the chain, after the cost of the finished ones.
///
/// # Errors
/// `Budget` if they do not fit, or if a cost is unknown.
pub(crate) fn check_budget(record: &ChainRecord, first: usize, estimates: &[Estimate]) -> Result<()> {
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
    for (offset, estimate) in estimates.iter().enumerate() {
        remaining += estimate.cost.ok_or_else(|| {
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
        estimates.len()
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
