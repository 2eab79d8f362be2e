//! `reelkin lineage`: the family of a clip, as a tree, as JSON, as a diagram, as a contact sheet.

use std::ffi::OsStr;
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reelkin::library::Verdict;
use reelkin::lineage::{Family, Member, MemberState};
use reelkin::media::{self, Frame, FramePosition, MediaOptions, MediaSource, SheetClip};
use reelkin::{ClipId, Library, UsdTicks};
use serde_json::json;

use crate::args::{Global, Lineage};
use crate::frame::{encode, format_of, write_whole};
use crate::output::{self, ExitCode, Failure, Outcome, WORD};
use crate::session::{block_on, stored};
use crate::terminal::shown;

/// The quality of a sheet that is a JPEG, as of a frame by default.
const QUALITY: u8 = 90;
/// The longest note on a family that is shown.
const NOTE: usize = 500;

pub(crate) fn run(global: &Global, command: &Lineage) -> Outcome {
    // Before anything is read: a name that no picture can have.
    let format = command
        .sheet
        .as_deref()
        .map(|file| format_of("sheet", file))
        .transpose()?;
    let library = Library::open_to_read(&global.library)?;
    let clip = name_of(&library, &command.clip)?;
    let (family, verdicts, sheet) = block_on(async {
        let clip = library.resolve(&clip).await?;
        let family = library.family(&clip).await?;
        let verdicts: Vec<Verdict> = if command.verify {
            library.verify_family(&family).collect().await
        } else {
            Vec::new()
        };
        let sheet = match format {
            Some(format) => Some(encode(&sheet(&library, &family).await?, format, QUALITY)?),
            None => None,
        };
        Ok((family, verdicts, sheet))
    })?;
    if let (Some(file), Some(sheet)) = (&command.sheet, &sheet) {
        write_whole("sheet", file, sheet)?;
    }
    if global.json {
        let mut object = family.to_json();
        if command.verify {
            let checked = verdicts
                .iter()
                .map(|verdict| json!({ "id": verdict.id, "condition": verdict.condition.code() }));
            object["verified"] = checked.collect();
        }
        if let Some(file) = &command.sheet {
            object["sheet"] = output::path_json(file);
        }
        output::print_json(&object);
    } else if command.mermaid {
        output::print_line(family.to_mermaid().trim_end());
    } else if command.dot {
        output::print_line(family.to_graphviz().trim_end());
    } else {
        tree(&family);
        for verdict in verdicts.iter().filter(|verdict| verdict.condition.is_fault()) {
            output::note(format_args!("{}: {}", verdict.id, verdict.condition.code()));
        }
        if command.verify && !verdicts.iter().any(|verdict| verdict.condition.is_fault()) {
            output::note(format_args!("{} clips, all as recorded", verdicts.len()));
        }
    }
    let damaged = verdicts.iter().any(|verdict| verdict.condition.is_fault());
    Ok(if damaged {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Returns what names a clip to the library. For a path that is not Unicode that is its file name, which is, and only
/// when the path lies in the library.
fn name_of(library: &Library, text: &OsStr) -> Outcome<String> {
    if let Some(text) = text.to_str() {
        return Ok(text.to_owned());
    }
    let path = Path::new(text).canonicalize().ok();
    let is_there = path.as_deref().and_then(Path::parent).is_some_and(|folder| {
        library
            .folder()
            .and_then(|library| library.canonicalize().ok())
            .is_some_and(|library| library == folder)
    });
    let name = path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
    match name {
        Some(name) if is_there => Ok(name.to_owned()),
        _ => Err(Failure::Arguments(format!(
            "find clip {}: it does not lie in the library",
            Path::new(text).display()
        ))),
    }
}

fn tree(family: &Family) {
    let roots: Vec<&Member> = family.roots().collect();
    for root in roots {
        branch(family, root, "", "");
    }
    for note in family.notes() {
        output::note(shown(note, NOTE));
    }
    output::print_line(format_args!(
        "{} clips, {}",
        family.clips().count(),
        UsdTicks::new(family.cost_usd_ticks())
    ));
}

/// One clip and what comes from it. Depth is that of a family that people made, and `Family` has no
/// cycles.
fn branch(family: &Family, member: &Member, mark: &str, indent: &str) {
    let how = shown(member.operation.as_deref().unwrap_or("clip"), WORD);
    let state = match member.state {
        MemberState::Present => "",
        MemberState::NoSidecar => "  (no sidecar)",
        MemberState::SidecarUnreadable => "  (sidecar cannot be read)",
        MemberState::Missing => "  (missing)",
        _ => "  (?)",
    };
    let cost = member
        .cost_usd_ticks
        .map(|ticks| format!("  {}", UsdTicks::new(ticks)))
        .unwrap_or_default();
    let prompt = member
        .user_prompt
        .as_deref()
        .or(member.revised_prompt.as_deref())
        .unwrap_or_default();
    let here = if family.focus().id == member.id { "  <" } else { "" };
    output::print_line(format_args!(
        "{indent}{mark}{}  {how}{cost}{state}  {}{here}",
        member.id,
        output::short(prompt, 48)
    ));
    let children: Vec<&Member> = family.children(&member.id).collect();
    let inner = match mark {
        "" => String::new(),
        "└─ " => format!("{indent}   "),
        _ => format!("{indent}│  "),
    };
    for (index, child) in children.iter().enumerate() {
        // A clip with two parents stands under the first one only.
        if family
            .parents(&child.id)
            .next()
            .is_some_and(|first| first.id != member.id)
        {
            continue;
        }
        let mark = if index + 1 == children.len() {
            "└─ "
        } else {
            "├─ "
        };
        branch(family, child, mark, &inner);
    }
}

/// First and last frames of every clip that is there. As many clips are open at a time as there are cores.
async fn sheet(library: &Library, family: &Family) -> Outcome<Frame> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ends = family.clips().map(|member| async move {
        let source = match library.folder() {
            Some(folder) => MediaSource::from(folder.join(&member.file_name)),
            None => {
                let reader = library.reader(&ClipId::parse(&member.id)?).await?;
                stored(&member.file_name, &reader)
            }
        };
        let ends = vec![FramePosition::First, FramePosition::Last];
        let frames = media::bridge::frames(source, ends, MediaOptions::default()).await?;
        Ok::<_, Failure>((member, frames))
    });
    let mut ends = stream::iter(ends).buffered(cores);
    let mut clips: Vec<SheetClip> = Vec::new();
    let mut places: Vec<&str> = Vec::new();
    while let Some((member, frames)) = ends.try_next().await? {
        let Ok([first, last]) = <[Frame; 2]>::try_from(frames) else {
            continue;
        };
        let parent = family.parents(&member.id).next().map(|parent| parent.id.as_str());
        let parent = parent.and_then(|parent| places.iter().position(|place| *place == parent));
        clips.push(SheetClip::new(first, last, parent));
        places.push(&member.id);
    }
    Ok(media::contact_sheet(&clips)?)
}
