//! Progress of running work: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reelkin::JobEvent;

use super::{MAX_WORD_CHARS, note, single_line};

/// A message and the percentage that is done, if known.
pub(crate) type Progress = (String, Option<u64>);

/// Draws progress until the stream ends.
pub(crate) async fn draw(mut updates: impl Stream<Item = Progress> + Unpin) {
    let is_terminal = io::stderr().is_terminal();
    let target = if is_terminal {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(100), target);
    // The template is a constant and valid. If it were not, the default style would be used.
    if let Ok(style) = ProgressStyle::with_template("{msg:22} [{bar:32}] {pos:>3}% {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut last_line = String::new();
    while let Some((message, percent)) = updates.next().await {
        let message = single_line(&message, 2 * MAX_WORD_CHARS);
        bar.set_message(message.clone());
        if let Some(percent) = percent {
            bar.set_position(percent);
        }
        if !is_terminal {
            // Steps of 10% keep logs short.
            let line = match percent {
                Some(percent) => format!("{message} {}%", percent / 10 * 10),
                None => message,
            };
            if line != last_line {
                note(&line);
                last_line = line;
            }
        }
    }
    bar.finish_and_clear();
}

/// Describes an event of a job. Returns `None` for unknown events.
pub(crate) fn job_progress(event: &JobEvent) -> Option<Progress> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the fraction is clamped to 0..=1"
    )]
    let percent = |fraction: f64| (fraction.clamp(0.0, 1.0) * 100.0) as u64;
    Some(match event {
        JobEvent::Planning => ("planning".to_owned(), None),
        JobEvent::Submitted { job_id, .. } => (format!("job {job_id}"), None),
        JobEvent::Progress {
            fraction, stalled, ..
        } => {
            let message = if *stalled {
                "rendering (stalled)"
            } else {
                "rendering"
            };
            (message.to_owned(), fraction.map(percent))
        }
        JobEvent::Downloading { received, total } => {
            let share = total
                .filter(|total| *total > 0)
                .map(|total| received * 100 / total);
            ("downloading".to_owned(), share)
        }
        JobEvent::Saved { clip, .. } => (format!("saved {clip}"), Some(100)),
        _ => return None,
    })
}
