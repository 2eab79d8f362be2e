//! `reelkin lineage`: the family of a clip, as a tree, as JSON, as a diagram, as a contact sheet.

use std::collections::HashMap;
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

/// How many levels of the tree are drawn. A deeper clip shows this many innermost levels, after the number of those
/// left out: the indentation of a line of 30,000 generations would be a gigabyte.
const MAX_LEVELS: usize = 24;

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
    // Depth first with a stack of its own: the depth of a family has no limit.
    let mut open: Vec<Node> = family.roots().map(Node::root).collect();
    open.reverse();
    // For each level above the clip at hand: whether more clips follow on that level.
    let mut more = Vec::new();
    while let Some(node) = open.pop() {
        more.truncate(node.depth.saturating_sub(1));
        if node.depth > 0 {
            more.push(!node.is_last);
        }
        print_member(family, node.member, &prefix(&more));
        // A clip with several parents stands under the first one only.
        let mut children: Vec<Node> = family
            .children(&node.member.id)
            .filter(|child| {
                let first = family.parents(&child.id).next();
                first.is_none_or(|first| first.id == node.member.id)
            })
            .map(|member| Node {
                member,
                depth: node.depth + 1,
                is_last: false,
            })
            .collect();
        if let Some(last) = children.last_mut() {
            last.is_last = true;
        }
        open.extend(children.into_iter().rev());
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

/// A clip that is still to be printed.
struct Node<'a> {
    member: &'a Member,
    /// How many generations it is below its root.
    depth: usize,
    /// Whether it is the last child of its parent.
    is_last: bool,
}

impl<'a> Node<'a> {
    fn root(member: &'a Member) -> Self {
        Self {
            member,
            depth: 0,
            is_last: true,
        }
    }
}

/// What stands before a clip: its branch, by whether more clips follow on each of its levels.
fn prefix(more: &[bool]) -> String {
    let Some((own, above)) = more.split_last() else {
        return String::new();
    };
    let left_out = more.len().saturating_sub(MAX_LEVELS);
    let mut text = if left_out > 0 {
        format!("({left_out} more levels) ")
    } else {
        String::new()
    };
    for follows in above.iter().skip(left_out) {
        text.push_str(if *follows { "│  " } else { "   " });
    }
    text.push_str(if *own { "├─ " } else { "└─ " });
    text
}

fn print_member(family: &Family, member: &Member, prefix: &str) {
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
        "{prefix}{}  {how}{cost}{state}  {}{here}",
        member.id,
        output::short(prompt, 48)
    ));
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
    let mut places: HashMap<&str, usize> = HashMap::new();
    while let Some((member, frames)) = ends.try_next().await? {
        let Ok([first, last]) = <[Frame; 2]>::try_from(frames) else {
            continue;
        };
        let parent = family.parents(&member.id).next();
        let parent = parent.and_then(|parent| places.get(parent.id.as_str()).copied());
        places.insert(&member.id, clips.len());
        clips.push(SheetClip::new(first, last, parent));
    }
    Ok(media::contact_sheet(&clips)?)
}
