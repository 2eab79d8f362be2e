//! `reelkin ls`.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use reelkin::library::{Entry, ListOptions};
use reelkin::{ClipId, Library, Spent, UsdTicks};
use serde_json::{Value, json};

use crate::args::{Global, Ls};
use crate::output::{self, ExitCode, Outcome, WORD};
use crate::session::block_on;
use crate::terminal::shown;

pub(crate) fn run(global: &Global, command: &Ls) -> Outcome {
    let library = Library::open_to_read(&global.library)?;
    if command.open {
        return open(global, &library);
    }
    let mut options = ListOptions {
        limit: usize::from(command.limit),
        ..ListOptions::default()
    };
    options.before = command.before.as_deref().map(ClipId::parse).transpose()?;
    let (page, spent) = block_on(async {
        let page = library.list(options).await?;
        let spent = if command.cost {
            Some((library.spent(today()..).await?, library.spent(..).await?))
        } else {
            None
        };
        Ok((page, spent))
    })?;
    if global.json {
        let clips: Vec<Value> = page.clips.iter().map(entry_json).collect();
        let mut object = json!({ "clips": clips, "next": page.next.as_ref().map(ClipId::as_str) });
        if let Some((today, all)) = &spent {
            object["spent"] = json!({ "today": today, "all": all });
        }
        output::print_json(&object);
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &page.clips {
        output::print_line(entry_line(entry));
    }
    if let Some(next) = &page.next {
        output::note(format_args!("more: reelkin ls --before {next}"));
    }
    if let Some((today, all)) = &spent {
        output::print_line(spent_line("today (UTC)", today));
        output::print_line(spent_line("in all", all));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first millisecond of the day in UTC.
fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = since.as_secs() / 86_400;
    days * 86_400_000
}

fn spent_line(when: &str, spent: &Spent) -> String {
    let mut line = format!("{when}: {} in {} requests", spent.total(), spent.requests);
    for (what, amount) in [("estimated", spent.estimated), ("reserved", spent.reserved)] {
        if amount > UsdTicks::ZERO {
            let _ = write!(line, ", {amount} of it {what}");
        }
    }
    if spent.unpriced > 0 {
        let _ = write!(line, ", and {} whose cost nobody knows", spent.unpriced);
    }
    line
}

/// What is open, from the journal alone: nothing is asked of the service.
fn open(global: &Global, library: &Library) -> Outcome {
    let (jobs, stuck, kept) = block_on(async {
        Ok((
            library.jobs().await?,
            library.stuck_jobs().await?,
            library.quarantined().await?,
        ))
    })?;
    if global.json {
        let jobs: Vec<Value> = jobs.iter().map(output::job_json).collect();
        let stuck: Vec<Value> = stuck.iter().map(output::stuck_json).collect();
        let kept: Vec<Value> = kept.iter().map(output::quarantined_json).collect();
        output::print_json(&json!({ "jobs": jobs, "stuck": stuck, "quarantined": kept }));
        return Ok(ExitCode::SUCCESS);
    }
    for record in &jobs {
        output::print_line(output::job_line(record));
    }
    for stuck in &stuck {
        output::print_line(output::stuck_line(stuck));
    }
    for kept in &kept {
        let is_open = jobs.iter().any(|record| record.id == kept.record);
        output::print_line(output::quarantined_line(kept));
        output::note(format_args!(
            "  {}",
            output::quarantine_hint(kept.record.as_str(), is_open)
        ));
    }
    if jobs.is_empty() && stuck.is_empty() && kept.is_empty() {
        output::note("nothing is open");
    }
    Ok(ExitCode::SUCCESS)
}

fn entry_json(entry: &Entry) -> Value {
    match &entry.clip {
        Ok(clip) => {
            let mut object = output::clip_json(clip, None);
            let record = clip.record.as_ref();
            object["created_at"] = json!(record.and_then(|record| record.created_at));
            object["prompt"] = json!(record.and_then(|record| record.prompt.as_deref()));
            object["model"] = json!(record.and_then(|record| record.model.as_deref()));
            object["video"] = json!(record.and_then(|record| record.video.as_ref()));
            object["video_continuity"] = json!(record.and_then(|record| record.video_continuity.as_ref()));
            object
        }
        Err(error) => json!({ "id": entry.id.as_str(), "error": output::error_json(error) }),
    }
}

fn entry_line(entry: &Entry) -> String {
    let clip = match &entry.clip {
        Ok(clip) => clip,
        Err(error) => return format!("{}  {}", entry.id, output::error_line(error)),
    };
    let Some(record) = &clip.record else {
        return format!("{}  no sidecar", entry.id);
    };
    let video = record.video.as_ref();
    let seconds = video
        .and_then(|video| video.duration)
        .map(|duration| format!("{} s", duration.as_f64()));
    let resolution = video
        .and_then(|video| video.resolution.as_deref())
        .map(|resolution| shown(resolution, WORD));
    let cost = output::cost(clip).map(|cost| cost.to_string());
    let prompt = record.prompt.as_deref().map(|prompt| output::short(prompt, 60));
    let fields = [seconds, resolution, cost, prompt];
    std::iter::once(entry.id.to_string())
        .chain(fields.into_iter().flatten())
        .collect::<Vec<_>>()
        .join("  ")
}
