//! The arguments. Names are ima2-gen's where it has them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use reelkin::sandbox::Fault;

/// Make AI video with Grok Imagine. Nothing that is paid for is lost.
#[derive(Debug, Parser)]
#[command(
    name = "reelkin",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "The key is read from XAI_API_KEY. With --sandbox no key is needed and nothing costs anything.\n\
        Exit codes: 0 done, 1 failed, 2 bad arguments, 3 submission unknown, 4 moderated, 5 budget;\n\
        130, 143 and 129 after SIGINT, SIGTERM and SIGHUP."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The folder that keeps the clips, or the URL of a bucket (feature s3)
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "REELKIN_LIBRARY",
        default_value = "clips"
    )]
    pub(crate) library: PathBuf,
    /// Another place that speaks the service's protocol
    #[arg(long, global = true, value_name = "URL", conflicts_with = "sandbox")]
    pub(crate) base_url: Option<String>,
    /// Start the built-in server in this process and use it: no key, no cost
    #[arg(long, global = true)]
    pub(crate) sandbox: bool,
    /// One JSON object on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error; twice for more, three times for all
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// How much may be spent. Every process that uses the library adds to the same ledger.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// What one request may cost
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_REQUEST")]
    pub(crate) budget_request: Option<String>,
    /// What all requests of a day (UTC) may cost
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_DAY")]
    pub(crate) budget_day: Option<String>,
    /// What everything in the library may cost
    #[arg(long, global = true, value_name = "USD", env = "REELKIN_BUDGET_LIBRARY")]
    pub(crate) budget_library: Option<String>,
    /// Under a limit, send requests too whose price is not in the table
    #[arg(long, global = true)]
    pub(crate) unknown_prices: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new clip from words, pictures, voices
    Generate(Box<Generate>),
    /// Change a clip
    Edit(Edit),
    /// Add seconds at the end of a clip
    Extend(Extend),
    /// Go on where a clip ends
    Continue(Continue),
    /// Have a language model describe a clip
    Analyze(Analyze),
    /// Show the family of a clip
    Lineage(Lineage),
    /// Make several clips, each going on where the one before ends
    Chain(Chain),
    /// Write one frame of a clip as PNG or JPEG
    Frame(Frame),
    /// Say what is in a clip
    Probe(Probe),
    /// List the clips of the library, newest first
    Ls(Ls),
    /// Finish what was interrupted: all that is open, or the jobs that are named
    Recover(Recover),
    /// Say what became of a request that software cannot find out about
    Settle(Settle),
    /// Print what the models can do and cost
    Models(Models),
    /// Check key, service, libav and library
    Doctor,
    /// Serve the service's protocol on this machine, at no cost
    Sandbox(SandboxOptions),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// What the clip shows; may be left out where pictures say it
    pub(crate) prompt: Option<String>,
    /// A picture (file, https URL, `file_id` or data URL). One is the first frame, several are references
    #[arg(long = "ref", value_name = "FILE")]
    pub(crate) references: Vec<OsString>,
    /// Take a single --ref as a reference instead of the first frame
    #[arg(long, requires = "references", conflicts_with_all = ["last_frame", "keyframes"])]
    pub(crate) as_reference: bool,
    /// The first frame, beside references, a last frame or keyframes
    #[arg(long, value_name = "FILE")]
    pub(crate) first_frame: Option<OsString>,
    /// The last frame
    #[arg(long, value_name = "FILE", conflicts_with = "references")]
    pub(crate) last_frame: Option<OsString>,
    /// A frame at a time in whole milliseconds, as in 2.667=middle.png; up to four
    #[arg(long = "keyframe", value_name = "S=FILE", conflicts_with = "references")]
    pub(crate) keyframes: Vec<OsString>,
    /// A voice: a preset such as eve, or a custom voice id; up to three
    #[arg(long = "voice", value_name = "VOICE")]
    pub(crate) voices: Vec<String>,
    /// The model [default: grok-imagine-video]
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Length in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,
    /// 480p, 720p or 1080p [default: 480p]
    #[arg(long)]
    pub(crate) resolution: Option<String>,
    /// Width to height, as in 16:9; auto leaves it to the service
    #[arg(long, value_name = "W:H")]
    pub(crate) aspect_ratio: Option<String>,
    /// Make the clip silent (it costs the same)
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Your end user's id
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Keep the clip in the service's Files too, under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    /// Life of the stored file in seconds
    #[arg(long, value_name = "S", requires = "store", value_parser = seconds)]
    pub(crate) store_expires: Option<Duration>,
    /// Make a public link to the stored file
    #[arg(long, requires = "store")]
    pub(crate) public_url: bool,
    /// A signed URL where the service puts the clip (zero-retention teams)
    #[arg(long, value_name = "URL", requires = "fetch_url")]
    pub(crate) upload_url: Option<String>,
    /// The signed URL that gives it back
    #[arg(long, value_name = "URL", requires = "upload_url")]
    pub(crate) fetch_url: Option<String>,
    /// What to do when the model table speaks against the request
    #[arg(long, value_enum, default_value = "strict")]
    pub(crate) validation: Validation,
    /// A model table of your own
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// Make the clip one of a series: it is planned with the newest prompts of that topic
    #[arg(long, value_name = "TEXT")]
    pub(crate) topic: Option<String>,
    #[command(flatten)]
    pub(crate) planning: Planning,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// Whether a language model rewrites the prompt.
#[derive(Debug, Args)]
pub(crate) struct Planning {
    /// Have a language model plan the prompt (the default for continue)
    #[arg(long, conflicts_with = "no_plan")]
    pub(crate) plan: bool,
    /// Send the words as they are (the default for all others)
    #[arg(long)]
    pub(crate) no_plan: bool,
    /// The language model that plans
    #[arg(long, value_name = "MODEL", conflicts_with = "no_plan")]
    pub(crate) planner_model: Option<String>,
    /// Let the planner search the web
    #[arg(long, conflicts_with = "no_plan")]
    pub(crate) web_search: bool,
    /// Send the words as they are when the planner fails; the record says so
    #[arg(long, conflicts_with = "no_plan")]
    pub(crate) own_words: bool,
}

/// What edit and extend share.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The clip: an id, a file name, a path, an https URL, a `file_id` or a data URL
    #[arg(long, value_name = "CLIP")]
    pub(crate) video: OsString,
    /// The model [default: grok-imagine-video, the only one that can]
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// How a local clip travels: inside the request, or through the service's Files
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) transport: Transport,
    /// Keep the clip in the service's Files too, under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) planning: Planning,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Transport {
    Auto,
    Inline,
    Upload,
    UploadAndKeep,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// What is to change
    pub(crate) prompt: String,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Your end user's id
    #[arg(long)]
    pub(crate) user: Option<String>,
    // The service ignores these three in silence; they are here to be refused with the reason.
    #[arg(long, hide = true)]
    pub(crate) duration: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) resolution: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) aspect_ratio: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// How the clip goes on
    pub(crate) prompt: String,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Whole seconds that are added, 2 to 10 [default: 6]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,
    // As for edit: here to be refused with the reason.
    #[arg(long, hide = true)]
    pub(crate) resolution: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) aspect_ratio: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Continue {
    /// How it goes on; may be left out
    pub(crate) prompt: Option<String>,
    /// The clip: an id, a file name or a path
    #[arg(long, value_name = "CLIP")]
    pub(crate) video: OsString,
    #[command(flatten)]
    pub(crate) onward: Onward,
    /// Length in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,
    /// 480p, 720p or 1080p [default: 720p]
    #[arg(long)]
    pub(crate) resolution: Option<String>,
    /// Only auto: the frame decides
    #[arg(long, value_name = "W:H")]
    pub(crate) aspect_ratio: Option<String>,
    /// Make the clip silent (it costs the same)
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Your end user's id
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Keep the clip in the service's Files too, under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) planning: Planning,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// The clip: an id, a file name or a path
    pub(crate) clip: OsString,
    /// How many frames are looked at, spread over the clip (2 to 32)
    #[arg(long, value_name = "N")]
    pub(crate) frames: Option<u32>,
    /// The language model; it must see pictures
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// How long it may take, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "180")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// A clip of the library: an id, a file name or a path in it
    pub(crate) clip: OsString,
    /// As Mermaid
    #[arg(long, group = "form")]
    pub(crate) mermaid: bool,
    /// As Graphviz
    #[arg(long, group = "form")]
    pub(crate) dot: bool,
    /// Hash every clip and compare it with its record
    #[arg(long)]
    pub(crate) verify: bool,
    /// Draw the first and last frames of the family to this file: .png or .jpg
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Option<PathBuf>,
}

/// The same call goes on with a chain that was broken off, and makes nothing when all clips are there.
#[derive(Debug, Args)]
pub(crate) struct Chain {
    /// What each clip shows, in order; with --resume, other words for all that is not sent yet
    #[arg(required_unless_present = "resume", value_name = "PROMPT")]
    pub(crate) prompts: Vec<String>,
    /// The clip to go on from: an id, a file name or a path. Without it the first prompt makes one
    #[arg(long, value_name = "CLIP")]
    pub(crate) video: Option<OsString>,
    /// Go on with a chain by its id
    #[arg(long, value_name = "ID", conflicts_with_all = ["video", "name"])]
    pub(crate) resume: Option<String>,
    /// The chain's id [default: a hash of what is asked]
    #[arg(long, value_name = "ID")]
    pub(crate) name: Option<String>,
    /// What all clips together may cost, in dollars
    #[arg(long, value_name = "USD")]
    pub(crate) budget: Option<String>,
    #[command(flatten)]
    pub(crate) onward: Onward,
    /// Length of each clip in whole seconds [default: 5]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,
    /// 480p, 720p or 1080p [default: 720p]
    #[arg(long)]
    pub(crate) resolution: Option<String>,
    /// Width to height of a first clip that is made, as in 16:9; the others have its
    #[arg(long, value_name = "W:H", conflicts_with_all = ["video", "resume"])]
    pub(crate) aspect_ratio: Option<String>,
    /// Make the clips silent (it costs the same)
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Your end user's id
    #[arg(long)]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) planning: Planning,
    /// How long to wait for each job, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "900")]
    pub(crate) timeout: Duration,
    /// Write copies of the clips into this folder
    #[arg(short = 'd', long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
}

/// What continue and chain share in the same words.
#[derive(Debug, Args)]
pub(crate) struct Onward {
    /// By the exact last frame, by the service's extension, or by whichever fits
    #[arg(long, value_enum, default_value = "last-frame")]
    pub(crate) strategy: Strategy,
    /// Start on the sharpest of so many last frames (2 to 48): for clips that end in a fade
    #[arg(long, value_name = "N")]
    pub(crate) sharpest: Option<u32>,
    /// The model [default: grok-imagine-video]
    #[arg(long)]
    pub(crate) model: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Strategy {
    LastFrame,
    Extend,
    Auto,
}

/// Options of everything that waits for a clip.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// How long to wait for the job, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "900")]
    pub(crate) timeout: Duration,
    /// Write a copy of the clip to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write a copy of the clip into this folder
    #[arg(short = 'd', long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) out_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Validation {
    Strict,
    Warn,
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct Frame {
    /// A clip: an id, a file name or a path
    pub(crate) clip: OsString,
    /// The last frame (the default)
    #[arg(long, group = "which")]
    pub(crate) last: bool,
    /// The first frame
    #[arg(long, group = "which")]
    pub(crate) first: bool,
    /// The frame that shows at this time, in seconds
    #[arg(long, value_name = "S", group = "which", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) position: Option<Duration>,
    /// The frame of this number, counted from 0
    #[arg(long, value_name = "N", group = "which")]
    pub(crate) number: Option<u64>,
    /// Where to write it: .png or .jpg [default: <clip>-<which>.png here]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Quality of a JPEG, 1 to 100
    #[arg(long, value_name = "Q", default_value = "90", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
    /// How long it may take, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "60")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// A clip: an id, a file name or a path
    pub(crate) clip: OsString,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// How many clips
    #[arg(long, short = 'n', value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Only clips older than this one: the next page
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
    /// Say what was spent, too: today (UTC), and in all
    #[arg(long)]
    pub(crate) cost: bool,
    /// List what is open instead: on its way, interrupted, or waiting for a person; and what is in quarantine
    #[arg(long, conflicts_with_all = ["before", "cost"])]
    pub(crate) open: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Ids of jobs, as errors and sidecars name them; without any, everything that is open in the library
    #[arg(value_name = "JOB_ID")]
    pub(crate) jobs: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Settle {
    /// The id of the record, as `reelkin recover` and `reelkin ls --open` show it
    #[arg(value_name = "RECORD")]
    pub(crate) record: String,
    #[command(flatten)]
    pub(crate) said: Said,
}

/// What a person found on the service's account page, or decides about what failed verification.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Said {
    /// There is no such job, and nothing was charged
    #[arg(long)]
    pub(crate) never_made: bool,
    /// So much was charged, and there is nothing to be had for it
    #[arg(long, value_name = "USD")]
    pub(crate) lost: Option<String>,
    /// The job has this id: the next recovery saves its clip
    #[arg(long, value_name = "JOB_ID")]
    pub(crate) job: Option<String>,
    /// Take what failed verification as the clip, unverified
    #[arg(long)]
    pub(crate) accept: bool,
    /// Remove what failed verification; the job stays as it is
    #[arg(long)]
    pub(crate) discard: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// A model table of your own
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
}

/// Serves until stopped. Prints one JSON line first, with `base_url` and `api_key`
#[derive(Debug, Args)]
#[command(after_help = faults_help())]
pub(crate) struct SandboxOptions {
    /// Where to listen; port 0 takes a free one. Another address than loopback opens it to the network
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Answer to this host name too, as from another container; may be given several times
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,
    /// The key that it wants [default: a random one]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// How long a job takes
    #[arg(long, value_name = "S", default_value = "2")]
    pub(crate) seconds_per_job: f64,
    /// Demand `output.upload_url`, as for a team with zero data retention
    #[arg(long)]
    pub(crate) zdr: bool,
    /// A fault, as described below; may be given several times
    #[arg(long = "fault", value_name = "SPEC", value_parser = fault)]
    pub(crate) faults: Vec<Fault>,
}

fn fault(text: &str) -> Result<Fault, String> {
    text.parse().map_err(|error: reelkin::Error| error.to_string())
}

fn faults_help() -> String {
    format!(
        "Faults (--fault SPEC, or POST a JSON list of the same strings to /sandbox/faults; DELETE clears):\n{}\n\
        GET /sandbox/state counts creates, polls and downloads; GET / shows the clips.",
        Fault::HELP
    )
}

/// The longest time that can be given: 365 days.
const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// Seconds, whole or not, as a person writes them.
fn seconds(text: &str) -> Result<Duration, String> {
    let bad = || "not a number of seconds; write it as in 6 or 2.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| bad())?;
    if seconds.is_finite() && seconds > MAX_SECONDS {
        return Err(format!("more than a year; give at most {MAX_SECONDS} seconds"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}
