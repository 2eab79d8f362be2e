//! `reelkin chain`.

use std::path::PathBuf;

use futures_util::StreamExt as _;
use reelkin::{
    ChainEvent, ChainHandle, ChainOutcome, ChainRecord, ChainRequest, Clip, ContinueRequest, Drift, Error,
    GenerateRequest, Resolution, usd,
};
use serde_json::{Value, json};

use crate::args::{Chain, Global, Wait};
use crate::output::{self, ExitCode, Failure, Outcome};
use crate::session::{self, Session, Settings, check_destination, plan, until_over, with_session};
use crate::video::{continuation, ratio};

pub(crate) fn run(global: &Global, command: Chain) -> Outcome {
    let request = request(&command)?;
    let wait = Wait {
        timeout: command.timeout,
        out: None,
        out_dir: command.out_dir,
    };
    check_destination(&wait, &global.library)?;
    let settings = Settings {
        timeout: Some(wait.timeout),
        ..Settings::default()
    };
    with_session(global, settings, async |session| {
        let chain = session.client.chain(request).start().await?;
        Ok(match follow(&chain, global.json).await {
            Ok(made) => done(session, &made, &wait, global.json).await,
            Err(error) => stopped(session, chain.id(), error, global.json).await,
        })
    })
}

fn request(command: &Chain) -> Outcome<ChainRequest> {
    let mut prompts = command.prompts.iter();
    let mut request = match (&command.resume, &command.video) {
        (Some(id), _) => ChainRequest::resume(id),
        (None, Some(clip)) => ChainRequest::from_clip(session::video(clip)?),
        (None, None) => {
            let Some(first) = prompts.next() else {
                return Err(Failure::Arguments(
                    "make a chain: give a prompt for each clip".to_owned(),
                ));
            };
            ChainRequest::generate(first_clip(command, first))
        }
    };
    for prompt in prompts {
        request = request.then(step(command, prompt));
    }
    request.name.clone_from(&command.name);
    request.budget = command.budget.as_deref().map(usd).transpose()?;
    Ok(request)
}

/// The first clip has the size that the others have by default.
fn first_clip(command: &Chain, prompt: &str) -> GenerateRequest {
    let mut request = GenerateRequest::text(prompt);
    request.model = command.onward.model.as_deref().map(Into::into);
    request.duration = command.duration;
    let resolution = command.resolution.as_deref();
    request.resolution = Some(resolution.map_or(Resolution::P720, Into::into));
    request.aspect_ratio = ratio(command.aspect_ratio.as_deref());
    request.audio = command.no_audio.then_some(false);
    request.user.clone_from(&command.user);
    request.plan = plan(&command.planning);
    request
}

fn step(command: &Chain, prompt: &str) -> ContinueRequest {
    let mut request = continuation(&command.onward);
    request.prompt = Some(prompt.to_owned());
    request.duration = command.duration;
    request.resolution = command.resolution.as_deref().map(Into::into);
    request.audio = command.no_audio.then_some(false);
    request.user.clone_from(&command.user);
    request.plan = plan(&command.planning);
    request
}

/// Waits for a chain, with progress.
async fn follow(chain: &ChainHandle, as_json: bool) -> reelkin::Result<ChainOutcome> {
    let watched = chain.clone();
    let drawing = async move {
        if as_json {
            return;
        }
        let mut last = 0;
        let lines = watched.events().map(move |event| {
            if let ChainEvent::StepStarted { of, .. } = &event {
                last = *of;
            }
            describe(&event, last)
        });
        output::draw(lines).await;
    };
    until_over(chain, drawing).await
}

fn describe(event: &ChainEvent, last: u32) -> (String, Option<u64>) {
    match event {
        ChainEvent::StepStarted {
            clip,
            of,
            job_id: Some(job),
        } => (format!("{clip}/{of} picked up: job {job}"), None),
        ChainEvent::StepStarted { clip, of, .. } => (format!("{clip}/{of} begun"), None),
        ChainEvent::Step { clip, job } => {
            let (message, percent) = output::describe(job);
            (format!("{clip}/{last} {message}"), percent)
        }
        ChainEvent::StepFinished {
            clip, of, id, drift, ..
        } => {
            let drift = drift
                .map(|drift| format!(": {}", words(&drift)))
                .unwrap_or_default();
            (format!("{clip}/{of} is {id}{drift}"), None)
        }
        _ => (String::new(), None),
    }
}

fn words(drift: &Drift) -> String {
    format!(
        "drift from clip 0: colour {:.1}, contrast x{:.2}, sharpness x{:.2}",
        drift.colour_delta, drift.contrast_ratio, drift.sharpness_ratio
    )
}

/// Prints what a chain made. A copy that failed is a failure of clips that are paid for and there.
async fn done(session: &Session, made: &ChainOutcome, wait: &Wait, as_json: bool) -> ExitCode {
    let mut failed = None;
    let mut copies: Vec<Option<PathBuf>> = Vec::new();
    for clip in &made.clips {
        copies.push(match session.copy(clip, wait).await {
            Ok(copy) => copy,
            Err(error) => {
                failed = Some(error);
                None
            }
        });
    }
    let clips = made.clips.iter().zip(&copies);
    if as_json {
        let clips: Vec<Value> = clips
            .map(|(clip, copy)| output::clip_json(clip, copy.as_deref()))
            .collect();
        let mut object = json!({
            "chain": made.id,
            "clips": clips,
            "cost_usd_ticks": made.cost.ticks(),
            "drift": made.drift,
        });
        if let Some(error) = &failed {
            object["error"] = copy_error(error);
        }
        output::print_json(&object);
    } else {
        for ((clip, copy), drift) in clips.zip(&made.drift) {
            output::print_clip(clip, copy.as_deref());
            if let Some(drift) = drift {
                output::print_line(format_args!("  {}", words(drift)));
            }
        }
        output::print_line(format_args!("chain {}  {}", made.id, made.cost));
        if let Some(error) = &failed {
            output::note(format_args!("reelkin: {}", output::error_line(error)));
        }
    }
    match failed {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn copy_error(error: &Error) -> Value {
    let mut told = output::error_json(error);
    told["may_have_been_charged"] = "yes".into();
    told["retry_advice"] = "resume".into();
    told
}

/// Says where a chain stopped, what is done, and how to go on.
async fn stopped(session: &Session, id: &str, error: Error, as_json: bool) -> ExitCode {
    let library = session.client.library();
    // Refused before anything was sent, it has no record: then there is nothing to resume.
    let record = library.chain(id).await.ok();
    let mut clips: Vec<Clip> = Vec::new();
    for step in record.iter().flat_map(|record| &record.steps) {
        if let Some(name) = &step.clip
            && let Ok(clip) = library.clip(name).await
        {
            clips.push(clip);
        }
    }
    let failure = Failure::Crate(error);
    if as_json {
        if let Failure::Crate(error) = &failure {
            output::print_json(&stopped_json(id, record.as_ref(), &clips, error));
        }
        return output::code_of(&failure);
    }
    for clip in &clips {
        output::print_clip(clip, None);
    }
    let code = output::failure(&failure, false);
    if let Some(record) = record {
        output::note(format_args!(
            "  chain {id}: {} of {} clips are there, {} spent; go on with: reelkin chain --resume {id}",
            clips.len(),
            record.steps.len(),
            record.cost()
        ));
    }
    code
}

fn stopped_json(id: &str, record: Option<&ChainRecord>, clips: &[Clip], error: &Error) -> Value {
    let told: Vec<Value> = clips.iter().map(|clip| output::clip_json(clip, None)).collect();
    let mut object = json!({ "error": output::error_json(error), "chain": id, "clips": told });
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
