//! `reelkin chain`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reelkin::{
    ChainEvent, ChainOutcome, ChainRecord, ChainRequest, Clip, ContinueRequest, Drift, Error,
    GenerateRequest, Resolution, VideoClient, usd,
};
use serde_json::{Value, json};

use crate::args::{ContinueArgs, GlobalArgs, PlanningArgs, WaitArgs, aspect_ratio, seconds};
use crate::copies::{check_destination, copy_clip};
use crate::inputs::video_input;
use crate::output::{self, CliError, CommandResult, ExitCode, Progress};
use crate::session::{Session, wait_with_progress, with_session};

#[derive(Debug, Args)]
pub(crate) struct ChainArgs {
    /// What each clip shows, in order; with `--resume`, new prompts for the clips that were not submitted yet
    #[arg(required_unless_present = "resume", value_name = "PROMPT")]
    prompts: Vec<String>,
    /// The clip to continue: an id, a file name or a path [default: a new clip from the first prompt]
    #[arg(long, value_name = "CLIP")]
    video: Option<OsString>,
    /// Resume the chain with this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["video", "name"])]
    resume: Option<String>,
    /// The id of the chain [default: a hash of the request]
    #[arg(long, value_name = "ID")]
    name: Option<String>,
    /// Maximum cost of the whole chain, in dollars
    #[arg(long, value_name = "USD")]
    budget: Option<String>,
    #[command(flatten)]
    continuation: ContinueArgs,
    /// The duration of each clip in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    duration: Option<Duration>,
    /// The resolution: 480p, 720p or 1080p [default: 720p]
    #[arg(long)]
    resolution: Option<Resolution>,
    /// The ratio of width to height of a new first clip, such as 16:9; the other clips inherit it
    #[arg(long, value_name = "W:H", conflicts_with_all = ["video", "resume"])]
    aspect_ratio: Option<String>,
    /// Create the clips without sound, at the same price
    #[arg(long)]
    no_audio: bool,
    /// The id of your end user
    #[arg(long)]
    user: Option<String>,
    /// Maximum time to wait for each job, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "900")]
    timeout: Duration,
    /// Copy the clips into this folder
    #[arg(short = 'd', long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    planning: PlanningArgs,
}

pub(crate) fn run(global: &GlobalArgs, args: &ChainArgs) -> CommandResult {
    let request = request(args)?;
    let wait = WaitArgs {
        timeout: args.timeout,
        out: None,
        out_dir: args.out_dir.clone(),
    };
    check_destination(&wait, &global.library)?;
    let builder = VideoClient::builder();
    with_session(global, builder, Some(wait.timeout), async |session| {
        let chain = session.client.chain(request).start().await?;
        let mut last_clip = 0;
        let describe = move |event: ChainEvent| {
            if let ChainEvent::StepStarted { of, .. } = &event {
                last_clip = *of;
            }
            chain_progress(&event, last_clip)
        };
        Ok(match wait_with_progress(&chain, global.json, describe).await {
            Ok(outcome) => report_outcome(session, &outcome, &wait, global.json).await,
            Err(error) => report_interrupted(session, chain.id(), error, global.json).await,
        })
    })
}

fn request(args: &ChainArgs) -> CommandResult<ChainRequest> {
    let mut prompts = args.prompts.iter();
    let mut request = match (&args.resume, &args.video) {
        (Some(id), _) => ChainRequest::resume(id),
        (None, Some(clip)) => ChainRequest::from_clip(video_input(clip)?),
        (None, None) => {
            let Some(first) = prompts.next() else {
                return Err(CliError::Usage(
                    "create a chain: expected a prompt for each clip".to_owned(),
                ));
            };
            ChainRequest::generate(first_clip(args, first))
        }
    };
    for prompt in prompts {
        request = request.then(next_clip(args, prompt));
    }
    request.name.clone_from(&args.name);
    request.budget = args.budget.as_deref().map(usd).transpose()?;
    Ok(request)
}

fn first_clip(args: &ChainArgs, prompt: &str) -> GenerateRequest {
    let mut request = GenerateRequest::text(prompt);
    request.model.clone_from(&args.continuation.model);
    request.duration = args.duration;
    // The default of continued clips: all clips of a chain have the same resolution.
    request.resolution = Some(args.resolution.clone().unwrap_or(Resolution::P720));
    request.aspect_ratio = aspect_ratio(args.aspect_ratio.as_deref());
    request.audio = args.no_audio.then_some(false);
    request.user.clone_from(&args.user);
    request.plan = args.planning.to_choice();
    request
}

fn next_clip(args: &ChainArgs, prompt: &str) -> ContinueRequest {
    let mut request = args.continuation.to_request();
    request.prompt = Some(prompt.to_owned());
    request.duration = args.duration;
    request.resolution.clone_from(&args.resolution);
    request.audio = args.no_audio.then_some(false);
    request.user.clone_from(&args.user);
    request.plan = args.planning.to_choice();
    request
}

/// Describes an event. `last_clip` is the number of the last clip of the chain.
fn chain_progress(event: &ChainEvent, last_clip: u32) -> Option<Progress> {
    let message = match event {
        ChainEvent::StepStarted {
            clip,
            of,
            job_id: Some(job),
        } => format!("{clip}/{of} resuming job {job}"),
        ChainEvent::StepStarted { clip, of, .. } => format!("{clip}/{of} started"),
        ChainEvent::Step { clip, job } => {
            let (message, percent) = output::job_progress(job)?;
            return Some((format!("{clip}/{last_clip} {message}"), percent));
        }
        ChainEvent::StepFinished {
            clip, of, id, drift, ..
        } => {
            let drift = drift.map(|drift| format!(": {}", drift_line(&drift)));
            format!("{clip}/{of} saved {id}{}", drift.unwrap_or_default())
        }
        _ => return None,
    };
    Some((message, None))
}

fn drift_line(drift: &Drift) -> String {
    format!(
        "drift from clip 0: color {:.1}, contrast x{:.2}, sharpness x{:.2}",
        drift.color_delta, drift.contrast_ratio, drift.sharpness_ratio
    )
}

/// Prints a finished chain. A failed copy does not hide the clips.
async fn report_outcome(
    session: &Session,
    outcome: &ChainOutcome,
    wait: &WaitArgs,
    as_json: bool,
) -> ExitCode {
    let mut copy_error = None;
    let mut copies: Vec<Option<PathBuf>> = Vec::new();
    for clip in &outcome.clips {
        copies.push(match copy_clip(session.client.library(), clip, wait).await {
            Ok(copy) => copy,
            Err(error) => {
                copy_error = Some(error);
                None
            }
        });
    }
    let clips = outcome.clips.iter().zip(&copies);
    if as_json {
        let clips: Vec<Value> = clips
            .map(|(clip, copy)| output::clip_json(clip, copy.as_deref()))
            .collect();
        let mut object = json!({
            "chain": outcome.id,
            "clips": clips,
            "cost_usd_ticks": outcome.cost.ticks(),
            "drift": outcome.drift,
        });
        if let Some(error) = &copy_error {
            object["error"] = output::copy_error_json(error);
        }
        output::print_json(&object);
    } else {
        for ((clip, copy), drift) in clips.zip(&outcome.drift) {
            output::print_clip(clip, copy.as_deref());
            if let Some(drift) = drift {
                output::print_line(format_args!("  {}", drift_line(drift)));
            }
        }
        output::print_line(format_args!("chain {}  {}", outcome.id, outcome.cost));
        if let Some(error) = &copy_error {
            output::note(format_args!("reelkin: {}", output::error_line(error)));
        }
    }
    match copy_error {
        Some(_) => ExitCode::Failure,
        None => ExitCode::Success,
    }
}

/// Prints why a chain stopped, the clips that it has, and how to resume it.
async fn report_interrupted(session: &Session, id: &str, error: Error, as_json: bool) -> ExitCode {
    let library = session.client.library();
    // A chain that was rejected before its first request has no record and cannot be resumed.
    let record = library.chain(id).await.ok();
    let mut clips: Vec<Clip> = Vec::new();
    for step in record.iter().flat_map(|record| &record.steps) {
        if let Some(name) = &step.clip
            && let Ok(clip) = library.clip(name).await
        {
            clips.push(clip);
        }
    }
    let error = CliError::Library(error);
    if as_json {
        output::print_json(&interrupted_json(id, record.as_ref(), &clips, &error));
        return error.exit_code();
    }
    for clip in &clips {
        output::print_clip(clip, None);
    }
    let code = error.report(false);
    if let Some(record) = record {
        output::note(format_args!(
            "  chain {id}: {} of {} clips done, {} spent; to resume it, run: reelkin chain --resume {id}",
            clips.len(),
            record.steps.len(),
            record.cost()
        ));
    }
    code
}

fn interrupted_json(id: &str, record: Option<&ChainRecord>, clips: &[Clip], error: &CliError) -> Value {
    let clips: Vec<Value> = clips.iter().map(|clip| output::clip_json(clip, None)).collect();
    let mut object = json!({ "error": error.to_json(), "chain": id, "clips": clips });
    if let Some(record) = record {
        let steps = record.steps.iter();
        object["steps"] = steps
            .clone()
            .map(|step| json!({ "state": step.state, "clip": step.clip, "job_id": step.job_id }))
            .collect();
        object["drift"] = steps
            .filter(|step| step.clip.is_some())
            .map(|step| json!(step.drift))
            .collect();
        object["cost_usd_ticks"] = record.cost().ticks().into();
    }
    object["resumable"] = record.is_some().into();
    object
}
