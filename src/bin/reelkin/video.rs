//! `reelkin edit`, `reelkin extend` and `reelkin continue`.

use reelkin::{
    AspectRatio, ContinueRequest, ContinueStrategy, EditRequest, ExtendRequest, FrameChoice, JobHandle,
    StorageOptions, TransportChoice, VideoClient,
};

use crate::args::{Continue, Edit, Extend, Global, Onward, Strategy, Transport, Wait};
use crate::output::{Failure, Outcome};
use crate::session::{self, Settings, check_destination, plan};

pub(crate) fn edit(global: &Global, command: Edit) -> Outcome {
    let Edit {
        prompt,
        source,
        user,
        duration,
        resolution,
        aspect_ratio,
    } = command;
    refuse_ignored(
        "edit",
        &[
            ("duration", &duration),
            ("resolution", &resolution),
            ("aspect-ratio", &aspect_ratio),
        ],
    )?;
    let mut request =
        EditRequest::new(session::video(&source.video)?, prompt).transport(transport(source.transport));
    request.model = source.model.as_deref().map(Into::into);
    request.storage = source.store.as_deref().map(StorageOptions::new);
    request.user = user;
    request.plan = plan(&source.planning);
    run(global, &source.wait, |client| async move {
        client.edit(request).start().await
    })
}

pub(crate) fn extend(global: &Global, command: Extend) -> Outcome {
    let Extend {
        prompt,
        source,
        duration,
        resolution,
        aspect_ratio,
    } = command;
    refuse_ignored(
        "extend",
        &[("resolution", &resolution), ("aspect-ratio", &aspect_ratio)],
    )?;
    let mut request =
        ExtendRequest::new(session::video(&source.video)?, prompt).transport(transport(source.transport));
    request.model = source.model.as_deref().map(Into::into);
    request.storage = source.store.as_deref().map(StorageOptions::new);
    request.duration = duration;
    request.plan = plan(&source.planning);
    run(global, &source.wait, |client| async move {
        client.extend(request).start().await
    })
}

pub(crate) fn continue_from(global: &Global, command: &Continue) -> Outcome {
    let from = session::video(&command.video)?;
    let mut request = continuation(&command.onward);
    request.prompt.clone_from(&command.prompt);
    request.duration = command.duration;
    request.resolution = command.resolution.as_deref().map(Into::into);
    request.aspect_ratio = ratio(command.aspect_ratio.as_deref());
    request.audio = command.no_audio.then_some(false);
    request.user.clone_from(&command.user);
    request.storage = command.store.as_deref().map(StorageOptions::new);
    request.plan = plan(&command.planning);
    run(global, &command.wait, |client| async move {
        client.continue_from(from, request).start().await
    })
}

pub(crate) fn continuation(onward: &Onward) -> ContinueRequest {
    let mut request = ContinueRequest::new("").strategy(match onward.strategy {
        Strategy::LastFrame => ContinueStrategy::LastFrame,
        Strategy::Extend => ContinueStrategy::Extend,
        Strategy::Auto => ContinueStrategy::Auto,
    });
    request.frame = onward
        .sharpest
        .map_or(FrameChoice::Last, FrameChoice::SharpestOfLast);
    request.model = onward.model.as_deref().map(Into::into);
    request
}

/// `auto` is ima2's word for leaving the ratio to the service.
pub(crate) fn ratio(text: Option<&str>) -> Option<AspectRatio> {
    text.filter(|ratio| *ratio != "auto").map(Into::into)
}

/// Options that the service would take and ignore.
fn refuse_ignored(verb: &str, options: &[(&str, &Option<String>)]) -> Outcome<()> {
    match options.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(Failure::Arguments(format!(
            "--{name} is not for {verb}: the result has the {name} of the clip, and the service would ignore another; leave it out"
        ))),
        None => Ok(()),
    }
}

fn run<F, W>(global: &Global, wait: &Wait, start: F) -> Outcome
where
    F: FnOnce(VideoClient) -> W,
    W: Future<Output = reelkin::Result<JobHandle>>,
{
    check_destination(wait, &global.library)?;
    let settings = Settings {
        timeout: Some(wait.timeout),
        ..Settings::default()
    };
    session::make(global, wait, settings, start)
}

pub(crate) const fn transport(choice: Transport) -> TransportChoice {
    match choice {
        Transport::Auto => TransportChoice::Auto,
        Transport::Inline => TransportChoice::Inline,
        Transport::Upload => TransportChoice::Upload,
        Transport::UploadAndKeep => TransportChoice::UploadAndKeep,
    }
}
