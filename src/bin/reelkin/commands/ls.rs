//! `reelkin ls`.

use std::fmt::Write as _;
use std::time::SystemTime;

use clap::Args;
use reelkin::library::{Entry, ListOptions};
use reelkin::{ClipId, Library, Spent, Timestamp, UsdTicks};
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::output::{self, CommandResult, ExitCode, MAX_WORD_CHARS, single_line};
use crate::session::block_on;

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Maximum number of clips to list
    #[arg(long, short = 'n', value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// List only clips older than this one, to get the next page
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Also show the total cost, of today (UTC) and of the library
    #[arg(long)]
    cost: bool,
    /// List open jobs instead: running, interrupted, to be settled, or with a clip in quarantine
    #[arg(long, conflicts_with_all = ["before", "cost"])]
    open: bool,
}

pub(crate) fn run(global: &GlobalArgs, args: &LsArgs) -> CommandResult {
    let library = Library::open_to_read(&global.library)?;
    if args.open {
        return list_open(global, &library);
    }
    let options = ListOptions {
        limit: usize::from(args.limit),
        before: args.before.as_deref().map(ClipId::parse).transpose()?,
    };
    let (page, spent) = block_on(async {
        let page = library.list(options).await?;
        let spent = if args.cost {
            Some((library.spent(start_of_today()..).await?, library.spent(..).await?))
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
        return Ok(ExitCode::Success);
    }
    for entry in &page.clips {
        output::print_line(entry_line(entry));
    }
    if let Some(next) = &page.next {
        output::note(format_args!("for the next page, run: reelkin ls --before {next}"));
    }
    if let Some((today, all)) = &spent {
        output::print_line(spent_line("today (UTC)", today));
        output::print_line(spent_line("total", all));
    }
    Ok(ExitCode::Success)
}

/// Returns the start of the current day in UTC.
fn start_of_today() -> Timestamp {
    let now = Timestamp::from(SystemTime::now()).as_millis();
    Timestamp::from_millis(now - now % 86_400_000)
}

fn spent_line(when: &str, spent: &Spent) -> String {
    let requests = output::count(spent.requests, "request");
    let mut line = format!("{when}: {} in {requests}", spent.total());
    for (what, amount) in [("estimated", spent.estimated), ("reserved", spent.reserved)] {
        if amount > UsdTicks::ZERO {
            let _ = write!(line, ", of which {amount} {what}");
        }
    }
    if spent.unpriced > 0 {
        let _ = write!(line, ", and {} of unknown cost", spent.unpriced);
    }
    line
}

/// Lists open jobs from the journal, without requests to the service.
fn list_open(global: &GlobalArgs, library: &Library) -> CommandResult {
    let (jobs, stuck, quarantined) = block_on(async {
        Ok((
            library.jobs().await?,
            library.stuck_jobs().await?,
            library.quarantined().await?,
        ))
    })?;
    if global.json {
        let jobs: Vec<Value> = jobs.iter().map(output::job_json).collect();
        let stuck: Vec<Value> = stuck.iter().map(output::stuck_json).collect();
        let quarantined: Vec<Value> = quarantined.iter().map(output::quarantined_json).collect();
        output::print_json(&json!({ "jobs": jobs, "stuck": stuck, "quarantined": quarantined }));
        return Ok(ExitCode::Success);
    }
    for record in &jobs {
        output::print_line(output::job_line(record));
    }
    for stuck in &stuck {
        output::print_line(output::stuck_line(stuck));
    }
    for clip in &quarantined {
        let is_open = jobs.iter().any(|record| record.id == clip.record_id);
        output::print_line(output::quarantined_line(clip));
        output::note(format_args!(
            "  {}",
            output::quarantine_hint(clip.record_id.as_str(), is_open)
        ));
    }
    if jobs.is_empty() && stuck.is_empty() && quarantined.is_empty() {
        output::note("no open jobs");
    }
    Ok(ExitCode::Success)
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
        .map(|resolution| single_line(resolution, MAX_WORD_CHARS));
    let cost = clip.cost().map(|cost| cost.to_string());
    let prompt = record
        .prompt
        .as_deref()
        .map(|prompt| output::short_prompt(prompt, 60));
    let fields = [seconds, resolution, cost, prompt];
    std::iter::once(entry.id.to_string())
        .chain(fields.into_iter().flatten())
        .collect::<Vec<_>>()
        .join("  ")
}
