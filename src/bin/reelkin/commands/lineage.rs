//! `reelkin lineage`: the family of a clip as a tree, as JSON, as a diagram and as a contact sheet.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reelkin::library::Verdict;
use reelkin::lineage::{Family, Member, MemberState};
use reelkin::media::{self, Frame, FramePosition, MediaOptions, MediaSource, SheetClip};
use reelkin::{ClipId, Library};
use serde_json::json;

use super::frame::{ImageFormat, write_image};
use crate::args::GlobalArgs;
use crate::inputs::bucket_source;
use crate::output::{self, CliError, CommandResult, ExitCode, MAX_WORD_CHARS, single_line};
use crate::session::block_on;

/// The quality of a JPEG contact sheet: the default of `reelkin frame`.
const SHEET_QUALITY: u8 = 90;
const MAX_NOTE_CHARS: usize = 500;
/// The maximum number of levels that the tree indents. A deeper clip has the number of omitted levels instead. Without
/// a maximum, the lines of a chain of 30,000 clips would add up to a gigabyte.
const MAX_LEVELS: usize = 24;

#[derive(Debug, Args)]
pub(crate) struct LineageArgs {
    /// A clip of the library: an id, a file name or a path
    clip: OsString,
    /// Print a Mermaid diagram
    #[arg(long, group = "form")]
    mermaid: bool,
    /// Print a Graphviz diagram
    #[arg(long, group = "form")]
    dot: bool,
    /// Compare the hash of every clip with its record
    #[arg(long)]
    verify: bool,
    /// Save the first and last frame of every clip as a contact sheet (.png or .jpg)
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

pub(crate) fn run(global: &GlobalArgs, args: &LineageArgs) -> CommandResult {
    let format = args
        .sheet
        .as_deref()
        .map(|file| ImageFormat::of_path("sheet", file))
        .transpose()?;
    let library = Library::open_to_read(&global.library)?;
    let clip = clip_name(&library, &args.clip)?;
    let (family, verdicts, sheet) = block_on(async {
        let clip = library.resolve(&clip).await?;
        let family = library.family(&clip).await?;
        let verdicts: Vec<Verdict> = if args.verify {
            library.verify_family(&family).collect().await
        } else {
            Vec::new()
        };
        let sheet = match format {
            Some(format) => Some(format.encode(&contact_sheet(&library, &family).await?, SHEET_QUALITY)?),
            None => None,
        };
        Ok((family, verdicts, sheet))
    })?;
    if let (Some(file), Some(sheet)) = (&args.sheet, &sheet) {
        write_image("sheet", file, sheet)?;
    }
    let faults: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.condition.is_fault())
        .collect();
    if global.json {
        let mut object = family.to_json();
        if args.verify {
            let checked = verdicts
                .iter()
                .map(|verdict| json!({ "id": verdict.id, "condition": verdict.condition.code() }));
            object["verified"] = checked.collect();
        }
        if let Some(file) = &args.sheet {
            object["sheet"] = output::path_json(file);
        }
        output::print_json(&object);
    } else if args.mermaid {
        output::print_line(family.to_mermaid().trim_end());
    } else if args.dot {
        output::print_line(family.to_graphviz().trim_end());
    } else {
        print_tree(&family);
        for fault in &faults {
            output::note(format_args!("{}: {}", fault.id, fault.condition.code()));
        }
        if args.verify && faults.is_empty() {
            output::note(format_args!(
                "verified {}: no differences from the records",
                output::count(verdicts.len() as u64, "clip")
            ));
        }
    }
    Ok(if faults.is_empty() {
        ExitCode::Success
    } else {
        ExitCode::Failure
    })
}

/// Returns the name by which the library finds a clip. A path that is not Unicode is replaced by its file name, if it is
/// in the library.
fn clip_name(library: &Library, text: &OsStr) -> CommandResult<String> {
    if let Some(text) = text.to_str() {
        return Ok(text.to_owned());
    }
    let path = Path::new(text).canonicalize().ok();
    let is_in_library = path.as_deref().and_then(Path::parent).is_some_and(|folder| {
        library
            .folder()
            .and_then(|library| library.canonicalize().ok())
            .is_some_and(|library| library == folder)
    });
    let name = path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
    match name {
        Some(name) if is_in_library => Ok(name.to_owned()),
        _ => Err(CliError::Usage(format!(
            "find clip {}: not in the library",
            Path::new(text).display()
        ))),
    }
}

fn print_tree(family: &Family) {
    // Depth first, with an explicit stack because a family can be arbitrarily deep.
    // Each clip with the number of generations from its root, and whether it is the last child of its parent.
    let mut open: Vec<(&Member, usize, bool)> = family.roots().map(|root| (root, 0, true)).collect();
    open.reverse();
    // For each level of the current clip, whether more siblings follow.
    let mut more = Vec::new();
    while let Some((member, depth, is_last)) = open.pop() {
        more.truncate(depth.saturating_sub(1));
        if depth > 0 {
            more.push(!is_last);
        }
        print_member(family, member, &prefix(&more));
        // A clip with several parents is printed below the first one only.
        let mut children: Vec<_> = family
            .children(&member.id)
            .filter(|child| {
                let first = family.parents(&child.id).next();
                first.is_none_or(|first| first.id == member.id)
            })
            .map(|child| (child, depth + 1, false))
            .collect();
        if let Some(last) = children.last_mut() {
            last.2 = true;
        }
        open.extend(children.into_iter().rev());
    }
    for note in family.notes() {
        output::note(single_line(note, MAX_NOTE_CHARS));
    }
    output::print_line(format_args!(
        "{}, {}",
        output::count(family.clips().count() as u64, "clip"),
        family.cost()
    ));
}

/// Returns the branch in front of a clip. `more` tells for each of its levels whether more siblings follow.
fn prefix(more: &[bool]) -> String {
    let Some((own, above)) = more.split_last() else {
        return String::new();
    };
    let omitted = more.len().saturating_sub(MAX_LEVELS);
    let mut text = if omitted > 0 {
        format!("({omitted} more levels) ")
    } else {
        String::new()
    };
    for follows in above.iter().skip(omitted) {
        text.push_str(if *follows { "│  " } else { "   " });
    }
    text.push_str(if *own { "├─ " } else { "└─ " });
    text
}

fn print_member(family: &Family, member: &Member, prefix: &str) {
    let operation = single_line(member.operation.as_deref().unwrap_or("clip"), MAX_WORD_CHARS);
    let state = match member.state {
        MemberState::Present => "",
        MemberState::NoSidecar => "  (no sidecar)",
        MemberState::SidecarUnreadable => "  (unreadable sidecar)",
        MemberState::Missing => "  (missing)",
        _ => "  (unknown state)",
    };
    let cost = member.cost.map(|cost| format!("  {cost}")).unwrap_or_default();
    let prompt = member
        .user_prompt
        .as_deref()
        .or(member.revised_prompt.as_deref())
        .unwrap_or_default();
    let marker = if family.focus().id == member.id { "  <" } else { "" };
    output::print_line(format_args!(
        "{prefix}{}  {operation}{cost}{state}  {}{marker}",
        member.id,
        output::short_prompt(prompt, 48)
    ));
}

/// Draws the first and last frame of every clip that exists. Decodes one clip per core at a time.
async fn contact_sheet(library: &Library, family: &Family) -> CommandResult<Frame> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ends = family.clips().map(|member| async move {
        let source = match library.folder() {
            Some(folder) => MediaSource::from(folder.join(&member.file_name)),
            None => {
                let reader = library.reader(&ClipId::parse(&member.id)?).await?;
                bucket_source(&member.file_name, &reader)
            }
        };
        let ends = vec![FramePosition::First, FramePosition::Last];
        let frames = media::nonblocking::frames(source, ends, MediaOptions::default()).await?;
        Ok::<_, CliError>((member, frames))
    });
    let mut ends = stream::iter(ends).buffered(cores);
    let mut clips: Vec<SheetClip> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    while let Some((member, frames)) = ends.try_next().await? {
        let Ok([first, last]) = <[Frame; 2]>::try_from(frames) else {
            continue;
        };
        let parent = family.parents(&member.id).next();
        let parent = parent.and_then(|parent| positions.get(parent.id.as_str()).copied());
        positions.insert(&member.id, clips.len());
        clips.push(SheetClip::new(first, last, parent));
    }
    Ok(media::contact_sheet(&clips)?)
}
