//! Clips and pictures made to do harm.
//!
//! None takes more memory than is documented, keeps a caller past its deadline, or leads to another file.

#![cfg(all(feature = "cli", target_os = "linux"))]

use std::io::{Cursor, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reelkin::ErrorKind;
use reelkin::media::{self, FramePosition, Interrupt, MediaOptions, MediaSource};

use crate::support::clips::{Recipe, ffmpeg};
use crate::support::memory::peak_kib;

/// The bound that `MediaOptions` documents for its defaults.
const STATED_MIB: u64 = 3 << 10;
/// The documented 100 ms, plus the delay of two busy cores.
const RETURNS_WITHIN: Duration = Duration::from_millis(500);
/// Number of calls of which one has to return in time. A loaded machine may delay single calls. A caller that has
/// to wait for libav or for a reader is late in all of them.
const CALLS: usize = 10;

/// Returns the smallest delay of up to [`CALLS`] calls.
fn smallest_delay(mut call: impl FnMut() -> Duration) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..CALLS {
        best = best.min(call());
        if best < RETURNS_WITHIN {
            break;
        }
    }
    best
}

fn boxed(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, body].concat()
}

/// Writes a number into the first box of that name.
fn patch(mut clip: Vec<u8>, name: &[u8], at: usize, number: u32) -> Vec<u8> {
    let found = clip.windows(4).position(|four| four == name).unwrap();
    clip[found + 4 + at..][..4].copy_from_slice(&number.to_be_bytes());
    clip
}

fn plain() -> Vec<u8> {
    let recipe = Recipe::new(10, "-c:v libx264 -preset veryfast -bf 2 -movflags +faststart");
    std::fs::read(recipe.make()).unwrap()
}

fn in_fragments() -> Vec<u8> {
    let flags = "-c:v libx264 -preset veryfast -g 5 -movflags +frag_keyframe+empty_moov+default_base_moof";
    std::fs::read(Recipe::new(10, flags).make()).unwrap()
}

/// Returns the first box of that name, with its header.
fn cut_box<'a>(clip: &'a [u8], name: &[u8]) -> &'a [u8] {
    let at = clip.windows(4).position(|four| four == name).unwrap() - 4;
    let size = u32::from_be_bytes(clip[at..at + 4].try_into().unwrap());
    &clip[at..at + size as usize]
}

/// Returns the clip with a changed index.
fn with_index(clip: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let index = cut_box(clip, b"moov");
    let at = clip.windows(4).position(|four| four == b"moov").unwrap() - 4;
    let changed = boxed(b"moov", &change(&index[8..]));
    [&clip[..at], &changed, &clip[at + index.len()..]].concat()
}

/// Returns deflated zeros in the zlib format, 258 of them in each 13 bits.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (vec![0x78, 0x9c], 0_u64, 0);
    let mut put = |out: &mut Vec<u8>, value: u64, count: u32| {
        bits |= value << held;
        held += count;
        while held >= 8 {
            out.push((bits & 0xff) as u8);
            bits >>= 8;
            held -= 8;
        }
    };
    // The last block with fixed codes; a zero; then "258 bytes at distance one", with its code bits reversed.
    put(&mut out, 0b011, 3);
    put(&mut out, 0b0000_1100, 8);
    for _ in 0..mebibytes << 20 >> 8 {
        put(&mut out, 0b1010_0011, 8);
        put(&mut out, 0, 5);
    }
    put(&mut out, 0, 16);
    out
}

fn chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let named = [kind, body].concat();
    let crc = named.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    [
        &u32::try_from(body.len()).unwrap().to_be_bytes()[..],
        &named,
        &(!crc).to_be_bytes(),
    ]
    .concat()
}

fn png(width: u32, height: u32, extra: &[u8], pixels: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let parts = [
        chunk(b"IHDR", &header),
        extra.to_vec(),
        chunk(b"IDAT", pixels),
        chunk(b"IEND", &[]),
    ];
    [&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat()
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u64) | 1 << 56;
    [id, &size.to_be_bytes(), body].concat()
}

fn matroska(body: &[u8]) -> Vec<u8> {
    let header = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"matroska"));
    [header, element(b"\x18\x53\x80\x67", body)].concat()
}

/// Makes files that request or contain far more data than a decoder should keep.
fn bombs(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut made = Vec::new();
    let mut put = |name: &'static str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        made.push((name, path));
    };
    let (plain, fragments) = (plain(), in_fragments());
    // A constant size and a huge number of samples without data: libav allocated 3.7 GB for this.
    let many = patch(patch(plain.clone(), b"stsz", 4, 1), b"stsz", 8, 0x0400_0000);
    put("samples.mp4", patch(many, b"stsc", 12, 0x0400_0000));
    put("sizes.mp4", patch(plain.clone(), b"stsz", 8, 0x0fff_ffff));
    put("orders.mp4", patch(plain.clone(), b"ctts", 4, 0x0fff_ffff));
    put("times.mp4", patch(plain.clone(), b"stts", 4, 0x0fff_ffff));
    put("offsets.mp4", patch(plain.clone(), b"stco", 4, 0x1fff_ffff));
    put(
        "runs.mp4",
        patch(patch(fragments.clone(), b"trun", 0, 1), b"trun", 4, 0x0300_0000),
    );
    let edits = [
        &[0, 0, 0, 0, 0, 3, 0xd0, 0x90][..],
        &b"\0\0\x10\0\0\0\0\0\0\x01\0\0".repeat(250_000),
    ]
    .concat();
    put(
        "edits.mp4",
        with_index(&plain, |index| {
            let track = cut_box(index, b"trak");
            let at = index.windows(4).position(|four| four == b"trak").unwrap() - 4;
            let more = boxed(b"edts", &boxed(b"elst", &edits));
            [&index[..at], &boxed(b"trak", &[&track[8..], &more].concat())].concat()
        }),
    );
    put(
        "tracks.mp4",
        with_index(&plain, |index| {
            [index, &cut_box(index, b"trak").repeat(5000)].concat()
        }),
    );
    let nested = (0..4000).fold(Vec::new(), |inner, _| boxed(b"udta", &inner));
    put(
        "nested.mp4",
        with_index(&plain, |index| [index, &nested].concat()),
    );
    let groups = b"\0\0\0\0sync\0\0\0\x01\x7f\xff\xff\xff\0\0\0\x01";
    put(
        "groups.mp4",
        with_index(&plain, |index| {
            let tables = cut_box(index, b"stbl");
            assert!(!tables.is_empty());
            [index, &boxed(b"trak", &boxed(b"sbgp", groups))].concat()
        }),
    );
    put(
        "tracks.mkv",
        matroska(&element(b"\x16\x54\xae\x6b", &b"\xae\x80".repeat(10 << 20))),
    );
    put(
        "chapters.mkv",
        matroska(&element(
            b"\x10\x43\xa7\x70",
            &element(b"\x45\xb9", &b"\xb6\x80".repeat(10 << 20)),
        )),
    );
    let profile = [&b"x\0\0"[..], &zeros(1024)].concat();
    put("profile.png", png(8, 8, &chunk(b"iCCP", &profile), &zeros(1)));
    put("text.png", png(8, 8, &chunk(b"zTXt", &profile), &zeros(1)));
    put("pixels.png", png(8192, 8192, &[], &zeros(300)));
    let picture = folder.join("small.jpg");
    ffmpeg(
        "-f lavfi -i testsrc=size=320x192 -frames:v 1 -c:v mjpeg",
        None,
        &picture,
        std::iter::empty(),
    );
    let small = std::fs::read(&picture).unwrap();
    let frame = small.windows(2).position(|two| two == b"\xff\xc0").unwrap();
    let mut large = small;
    large[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0xf0, 0x1f, 0xf0]);
    put("pixels.jpg", large);
    // Sparse files with a gigabyte of headers.
    for (name, head) in [
        (
            "metadata.mp4",
            with_index(&plain, |index| [index, &boxed(b"udta", &[])].concat()),
        ),
        ("attachments.mkv", matroska(&[])),
    ] {
        let path = folder.join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&head).unwrap();
        if name == "metadata.mp4" {
            file.write_all(b"\x40\0\0\x10meta\0\0\0\0").unwrap();
        } else {
            // The segment continues to the end. Three files of 240 MiB are attached.
            file.seek(SeekFrom::End(-8)).unwrap();
            file.write_all(b"\x01\xff\xff\xff\xff\xff\xff\xff").unwrap();
            file.write_all(b"\x19\x41\xa4\x69\x01\0\0\0\x2d\0\0\x36").unwrap();
            for _ in 0..3 {
                file.write_all(b"\x61\xa7\x01\0\0\0\x0f\0\0\x0a\x46\x5c\x01\0\0\0\x0f\0\0\0")
                    .unwrap();
                file.seek(SeekFrom::Current(0x0f00_0000)).unwrap();
            }
        }
        file.set_len(1 << 30).unwrap();
        made.push((name, path));
    }
    made
}

/// Returns the peak memory of the program for a file, in MiB.
fn peak_mib(args: &[&str], folder: &Path) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reelkin"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let ended = loop {
        peak = peak_kib(&child).unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    // A signal would mean a failed assertion of libav, or no memory left.
    assert!(matches!(ended.code(), Some(0..=2)), "{args:?}: {ended}");
    peak >> 10
}

#[test]
#[expect(clippy::print_stdout, reason = "prints measurements with --nocapture")]
fn memory_stays_below_the_documented_bound() {
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in bombs(folder.path()) {
        let file = path.to_str().unwrap();
        let probe = peak_mib(&["probe", file], folder.path());
        let frame = peak_mib(&["frame", "--last", file, "-o", "out.png"], folder.path());
        println!("{name}: probe {probe} MiB, last frame {frame} MiB");
        // Refused tables must not have been allocated. Pictures need memory for their pixels.
        let most = if name.starts_with("pixels") {
            STATED_MIB
        } else {
            1024
        };
        assert!(probe.max(frame) < most, "{name}: {probe} and {frame} MiB");
    }
}

/// A clip with large frames and the maximum number of reference frames stays within the bound, or is refused.
#[test]
fn a_decoder_with_large_frames_stays_below_the_memory_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mp4");
    let args = "-f lavfi -i color=c=red:size=8192x4320:rate=25 -frames:v 8 -c:v libx264 -preset ultrafast \
                -x264-params ref=16:bframes=0:threads=2 -pix_fmt yuv444p10le";
    ffmpeg(args, None, &path, std::iter::empty());
    let file = path.to_str().unwrap();
    let most = peak_mib(&["frame", "--last", file, "-o", "out.png"], folder.path());
    assert!(most < STATED_MIB, "{most} MiB");
    assert!(most > 200, "it was decoded: {most} MiB");
}

/// The container declares one size. The bitstream has another one, which changes in the middle.
#[test]
fn sizes_in_the_bitstream_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let streams = [("64x64", "a.h264"), ("1280x720", "b.h264")].map(|(size, name)| {
        let path = folder.path().join(name);
        let source =
            format!("-f lavfi -i testsrc=size={size}:rate=25 -frames:v 5 -c:v libx264 -preset ultrafast");
        ffmpeg(&source, None, &path, std::iter::empty());
        std::fs::read(path).unwrap()
    });
    let joined = folder.path().join("joined.h264");
    std::fs::write(&joined, streams.concat()).unwrap();
    let path = folder.path().join("joined.mp4");
    ffmpeg("-c copy", Some(&joined), &path, std::iter::empty());
    let tight = MediaOptions::new().max_pixels(100 * 100);
    let error = media::frame(&path, FramePosition::Last, &tight);
    // The small part may be returned as damaged. The large one is never returned.
    assert!(
        error.as_ref().map_or(true, |frame| frame.width() == 64),
        "{error:?}"
    );
    let frame = media::frame(&path, FramePosition::Last, &MediaOptions::new()).unwrap();
    assert_eq!((frame.width(), frame.height()), (1280, 720));

    let large = std::fs::read(&path).unwrap();
    let lies = patch(patch(large, b"avc1", 24, 0x0010_0010), b"tkhd", 76, 0x0010_0000);
    let tight = MediaOptions::new().max_pixels(20 * 20);
    let error = media::frame(lies, FramePosition::First, &tight).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Media, "{error}");
}

/// A codec tag that reverses the rows. The bindings would read beyond the frame.
#[test]
fn rows_from_the_bottom_up_are_refused() {
    let clip = std::fs::read(Recipe::new(5, "-c:v mpeg4 -q:v 3").make()).unwrap();
    let error = |tag: &[u8]| {
        let mut clip = clip.clone();
        let at = clip.windows(4).position(|four| four == b"mp4v").unwrap();
        clip[at..at + 4].copy_from_slice(tag);
        media::frame(clip, FramePosition::Last, &MediaOptions::new())
    };
    for tag in [b"GEOV", b"GEOX"] {
        let line = error(tag).unwrap_err().to_string();
        assert!(line.contains("bottom up"), "{line}");
    }
    error(b"mp4v").unwrap();
}

/// Samples of ten bits are stored in sixteen, and a damaged frame may have values of more than ten bits.
#[test]
fn samples_beyond_their_depth_do_not_panic() {
    for name in ["regression-depth-1", "regression-depth-2"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus/clip")
            .join(name);
        let options = MediaOptions::new().deadline(Duration::from_secs(20));
        for position in [
            FramePosition::Last,
            FramePosition::First,
            FramePosition::Number(2),
        ] {
            // A panic would fail the test. Whether there is a frame depends on the version of libav.
            let _ = media::frame(&path, position, &options);
        }
    }
}

/// Returns how long after the deadline the call returned.
fn overrun(source: impl Into<MediaSource>, position: FramePosition, deadline: Duration) -> Duration {
    let options = MediaOptions::new().deadline(deadline);
    let start = Instant::now();
    let ended = media::frame(source, position, &options);
    let took = start.elapsed();
    if let Err(error) = &ended {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    took.saturating_sub(deadline)
}

/// Makes a noisy clip of which one frame takes a second or more to decode.
fn slow_clip(codec: &str, ending: &'static str) -> PathBuf {
    let args = format!("-t 0.16 -vf scale=4096:2160:flags=neighbor,noise=alls=100 {codec}");
    Recipe::new(4, &args).ending(ending).make()
}

#[test]
#[expect(clippy::print_stdout, reason = "prints measurements with --nocapture")]
fn a_busy_decoder_returns_at_the_deadline() {
    let codecs = [
        ("-c:v libx264 -preset ultrafast -coder 1 -qp 2", "mp4"),
        ("-c:v mjpeg -q:v 2 -color_range pc -strict unofficial", "mov"),
        ("-c:v png", "mkv"),
    ];
    for (codec, ending) in codecs {
        let path = slow_clip(codec, ending);
        for deadline in [20, 150, 400].map(Duration::from_millis) {
            let late = smallest_delay(|| overrun(&path, FramePosition::Last, deadline));
            println!("{codec}: deadline {deadline:?}, back after {late:?} more");
            assert!(late < RETURNS_WITHIN, "{codec}: {late:?} after {deadline:?}");
        }
    }
}

/// A reader that returns the start of a clip and then blocks.
struct Stuck {
    inner: Cursor<Vec<u8>>,
    reads: usize,
    release: std::sync::mpsc::Receiver<()>,
}

impl Read for Stuck {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        if self.reads > 1 {
            // Blocks until the test is over.
            let _ = self.release.recv();
        }
        self.inner.read(buf)
    }
}

impl Seek for Stuck {
    fn seek(&mut self, pos: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(pos)
    }
}

fn stuck(clip: &[u8]) -> (std::sync::mpsc::Sender<()>, MediaSource) {
    let (sender, release) = std::sync::mpsc::channel();
    let reader = Stuck {
        inner: Cursor::new(clip.to_vec()),
        reads: 0,
        release,
    };
    (sender, MediaSource::reader("stuck", reader))
}

#[test]
fn a_blocking_reader_returns_at_the_deadline_or_an_interrupt() {
    let clip = plain();
    let late = smallest_delay(|| {
        let (_held, source) = stuck(&clip);
        overrun(source, FramePosition::First, Duration::from_millis(100))
    });
    assert!(late < RETURNS_WITHIN, "{late:?}");

    let late = smallest_delay(|| {
        let (_held, source) = stuck(&clip);
        let interrupt = Interrupt::new();
        let options = MediaOptions::new().interrupt(interrupt.clone());
        let waiting = std::thread::spawn(move || media::probe(source, &options));
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        interrupt.raise();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        start.elapsed()
    });
    assert!(late < RETURNS_WITHIN, "{late:?}");
}

#[tokio::test]
async fn an_async_call_returns_at_the_deadline() {
    let clip = plain();
    let deadline = Duration::from_millis(100);
    let mut best = Duration::MAX;
    for _ in 0..CALLS {
        let (_held, source) = stuck(&clip);
        let options = MediaOptions::new().deadline(deadline);
        let start = Instant::now();
        let error = media::nonblocking::frame(source, FramePosition::First, options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        best = best.min(start.elapsed().saturating_sub(deadline));
        if best < RETURNS_WITHIN {
            break;
        }
    }
    assert!(best < RETURNS_WITHIN, "{best:?}");
}

/// A clip whose samples are in another file, as `QuickTime` allows.
#[test]
fn a_reference_to_another_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.mov");
    let source = "-f lavfi -i testsrc=size=64x64:rate=25 -frames:v 5 -c:v libx264 -preset ultrafast";
    ffmpeg(source, None, &whole, std::iter::empty());
    let bytes = std::fs::read(&whole).unwrap();
    for target in [
        "/etc/passwd",
        whole.to_str().unwrap(),
        "whole.mov",
        "../whole.mov",
    ] {
        let mut alias = vec![0; 150];
        for (kind, text) in [(2_u16, target), (18, target)] {
            alias.extend(kind.to_be_bytes());
            alias.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            alias.extend(text.as_bytes());
            alias.resize(alias.len().next_multiple_of(2), 0);
        }
        alias.extend([0xff, 0xff, 0, 0]);
        // The flag 0 means that the data is in another file.
        let entry = boxed(b"alis", &[&[0; 4], &alias[..]].concat());
        let reference = boxed(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
        let clip = with_index(&bytes, |index| {
            let at = index.windows(4).position(|four| four == b"dinf").unwrap() - 4;
            let old = cut_box(index, b"dinf").len();
            let new = boxed(b"dinf", &reference);
            let grown = u32::try_from(new.len() - old).unwrap();
            let mut index = [&index[..at], &new, &index[at + old..]].concat();
            // The enclosing boxes grow as well.
            for holder in [b"minf", b"mdia", b"trak"] {
                let at = index.windows(4).position(|four| four == holder).unwrap() - 4;
                let size = u32::from_be_bytes(index[at..at + 4].try_into().unwrap()) + grown;
                index[at..at + 4].copy_from_slice(&size.to_be_bytes());
            }
            index
        });
        // The clip has no samples of its own, so a frame could only come from another file.
        let at = clip.windows(4).position(|four| four == b"mdat").unwrap();
        let mut empty = clip;
        let end = empty.len().min(at + 4 + cut_box(&bytes, b"mdat").len() - 8);
        empty[at + 4..end].fill(0);
        let path = folder.path().join("refers.mov");
        std::fs::write(&path, &empty).unwrap();
        for source in [MediaSource::from(&path), MediaSource::from(empty.clone())] {
            let frame = media::frame(source, FramePosition::First, &MediaOptions::new());
            assert!(frame.is_err(), "{target}: {frame:?}");
        }
    }
}
