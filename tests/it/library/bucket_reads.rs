//! Frames and probes of a clip in a bucket fetch only the parts they need.

#![cfg(feature = "cli")]

use std::future::IntoFuture as _;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};
use reelkin::library::Library;
use reelkin::media::{FramePosition, MediaOptions, MediaSource, nonblocking};
use reelkin::request::TransportChoice;
use reelkin::{EditRequest, ErrorKind, VideoClient};

use crate::support::bench::Bench;
use crate::support::clips::{self, Recipe};
use crate::support::counting_store::CountingStore;

/// Returns a clip of one minute and some 20 MB with its index at the end, the worst case for a reader.
pub(crate) fn long_clip() -> Bytes {
    let recipe = Recipe::new(
        1440,
        "-f lavfi -i anoisesrc=d=60:c=pink -c:v libx264 -preset ultrafast -g 48 \
         -x264-params nal-hrd=cbr:force-cfr=1 -b:v 3M -minrate 3M -maxrate 3M -bufsize 3M -c:a aac -b:a 128k",
    );
    let bytes = std::fs::read(recipe.make()).unwrap();
    assert!(bytes.len() > 15_000_000, "{}", bytes.len());
    bytes.into()
}

async fn stored(content: impl Into<PutPayload>) -> (Arc<CountingStore>, Library) {
    let store = Arc::new(CountingStore::default());
    let place = StorePath::from("team/long.mp4");
    store.inner.put(&place, content.into()).await.unwrap();
    let library = Library::on_store(Arc::clone(&store) as _, "team").unwrap();
    (store, library)
}

fn client_of(library: &Library) -> VideoClient {
    let builder = VideoClient::builder().api_key("none");
    builder.library_at(library.clone()).build().unwrap()
}

/// `--nocapture` prints the counts. The runtime of this test has one thread, and the reader must not block it.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "prints measurements with --nocapture")]
async fn frames_and_probes_of_a_long_clip_read_little_of_it() {
    let bytes = long_clip();
    let (store, library) = stored(bytes.clone()).await;
    let client = client_of(&library);
    let clip = library.clip("long").await.unwrap();
    let whole = bytes.len() as u64;
    store.take();

    for (position, number, most) in [
        (FramePosition::Last, 1439, 50),
        (FramePosition::First, 0, 50),
        (FramePosition::At(reelkin::secs(29)), 725, 50),
    ] {
        let frame = client.frame(&clip, position).await.unwrap();
        assert_eq!(clips::number(&frame), number);
        let (sent, gets) = store.take();
        println!("{position:?}: {sent} of {whole} bytes in {gets} requests");
        assert!(
            sent < whole / 20 && gets < most,
            "{position:?}: {sent} of {whole} bytes, {gets} requests"
        );
    }
    let reader = library.reader(&clip.id).await.unwrap();
    let source = MediaSource::reader("long", reader.clone());
    let probe = nonblocking::probe(source, MediaOptions::default()).await.unwrap();
    assert_eq!((probe.size, probe.video.frames), (whole, Some(1440)));
    let (sent, gets) = store.take();
    println!("probe: {sent} of {whole} bytes in {gets} requests");
    assert!(
        sent < whole / 50 && gets < 30,
        "{sent} of {whole} bytes, {gets} requests"
    );
    // A clone shares the fetched bytes.
    let source = MediaSource::reader("long", reader);
    nonblocking::probe(source, MediaOptions::default()).await.unwrap();
    assert_eq!(store.take(), (0, 0));
}

/// Nothing is read between the tables of the fragments.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "prints measurements with --nocapture")]
async fn frames_and_probes_of_a_fragmented_clip_read_only_tables_and_samples() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole.mp4"), folder.path().join("parts.mp4"));
    std::fs::write(&whole, long_clip()).unwrap();
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&whole)
        .args(["-an", "-c", "copy", "-movflags", "frag_keyframe+empty_moov"])
        .arg(&parts)
        .status();
    assert!(made.unwrap().success());
    let bytes = std::fs::read(&parts).unwrap();
    let (store, library) = stored(bytes.clone()).await;
    let client = client_of(&library);
    let clip = library.clip("long").await.unwrap();
    let whole = bytes.len() as u64;
    store.take();

    for (position, number) in [
        (FramePosition::Last, 1439),
        (FramePosition::First, 0),
        (FramePosition::At(reelkin::secs(29)), 725),
    ] {
        let frame = client.frame(&clip, position).await.unwrap();
        assert_eq!(
            (clips::number(&frame), frame.number()),
            (number, Some(number as u64))
        );
        let (sent, gets) = store.take();
        println!("{position:?}: {sent} of {whole} bytes in {gets} requests");
        assert!(
            sent < whole / 10 && gets < 60,
            "{position:?}: {sent} of {whole} bytes, {gets} requests"
        );
    }
    let source = MediaSource::reader("long", library.reader(&clip.id).await.unwrap());
    let probe = nonblocking::probe(source, MediaOptions::default()).await.unwrap();
    assert_eq!((probe.size, probe.video.frames), (whole, Some(1440)));
    assert_eq!(probe.duration, Duration::from_millis(57_600));
    let (sent, gets) = store.take();
    println!("probe: {sent} of {whole} bytes in {gets} requests");
    assert!(
        sent < whole / 10 && gets < 60,
        "{sent} of {whole} bytes, {gets} requests"
    );
}

#[tokio::test]
async fn a_reader_returns_the_stored_bytes_in_any_order() {
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|at| (at / 7 % 251) as u8).collect();
    let (store, library) = stored(bytes.clone()).await;
    let mut reader = library.reader(&"long".parse().unwrap()).await.unwrap();
    store.take();
    let (reader, bytes) = tokio::task::spawn_blocking(move || {
        let mut at = 12_345_u64;
        for round in 0..300_usize {
            // In any order and of any length, also beyond the end.
            at = at
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407)
                % 3_100_000;
            let mut part = vec![0; round * 37];
            reader.seek(SeekFrom::Start(at)).unwrap();
            let mut have = 0;
            while let count @ 1.. = reader.read(&mut part[have..]).unwrap() {
                have += count;
            }
            let from = bytes.len().min(at as usize);
            assert_eq!(part[..have], bytes[from..bytes.len().min(from + part.len())]);
        }
        assert!(reader.seek(SeekFrom::End(-3_000_002)).is_err());
        assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), 3_000_000);
        assert_eq!(reader.seek(SeekFrom::Current(-3_000_000)).unwrap(), 0);
        (reader, bytes)
    })
    .await
    .unwrap();
    // Nothing is fetched twice, because everything fits into the cache.
    assert!(store.take().0 <= bytes.len() as u64);

    // Sequential reads use large requests.
    let mut fresh = library.reader(&"long".parse().unwrap()).await.unwrap();
    let all = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        fresh.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(all.await.unwrap(), bytes);
    let (sent, gets) = store.take();
    assert_eq!(sent, bytes.len() as u64);
    assert!(gets < 9, "{gets}");

    // Another clip under the same name is detected.
    let mut late = library.reader(&"long".parse().unwrap()).await.unwrap();
    let place = StorePath::from("team/long.mp4");
    store
        .inner
        .put(&place, vec![9_u8; 3_000_001].into())
        .await
        .unwrap();
    let error = tokio::task::spawn_blocking(move || late.read(&mut [0; 9]).unwrap_err());
    let error = error.await.unwrap().to_string();
    assert!(
        error.contains("it was replaced while it was being read"),
        "{error}"
    );

    // Nothing more is fetched once the runtime is gone.
    drop(reader);
    let store = Arc::clone(&store);
    let gone = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let library = Library::on_store(store as _, "team").unwrap();
        let mut reader = runtime
            .block_on(library.reader(&"long".parse().unwrap()))
            .unwrap();
        drop(runtime);
        reader.read(&mut [0; 9]).unwrap_err().kind()
    });
    assert_eq!(gone.join().unwrap(), std::io::ErrorKind::TimedOut);
}

/// An unanswered request is given up at the deadline of its call, not 20 s later.
#[tokio::test]
async fn a_store_that_does_not_answer_is_given_up_at_the_deadline() {
    let (store, library) = stored(vec![0; 3 << 20]).await;
    let client = client_of(&library);
    let clip = library.clip("long").await.unwrap();
    store.hangs.store(true, Ordering::Relaxed);
    let patient = MediaOptions::default();
    let hasty = MediaOptions::default().deadline(Duration::from_millis(200));

    let late = client.frame(&clip, FramePosition::Last).options(hasty).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    given_up(&store).await;

    // The same for a dropped future.
    let dropped = tokio::spawn(
        client
            .frame(&clip, FramePosition::Last)
            .options(patient)
            .into_future(),
    );
    while store.waiting.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    dropped.abort();
    given_up(&store).await;
}

/// Waits until no request is in flight, for half the time after which a reader gives up by itself.
async fn given_up(store: &CountingStore) {
    for _ in 0..1000 {
        if store.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store is still being waited for");
}

#[tokio::test]
async fn a_store_that_overwrites_despite_conditions_is_refused() {
    let store = Arc::new(CountingStore::default());
    store.ignores_conditions.store(true, Ordering::Relaxed);
    let library = Library::on_store(Arc::clone(&store) as _, "team").unwrap();
    let error = library.writable().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library);
    assert!(
        error
            .to_string()
            .contains("the store cannot write on the condition that nothing is overwritten"),
        "{error}"
    );
    assert_eq!(
        store
            .inner
            .list_with_delimiter(None)
            .await
            .unwrap()
            .common_prefixes,
        []
    );
}

/// The journal of paid requests is safe only if the store refuses an update of an older version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_ignores_versions_is_refused_before_anything_is_paid() {
    let store = Arc::new(CountingStore::default());
    store.ignores_versions.store(true, Ordering::Relaxed);
    let library = Library::on_store(Arc::clone(&store) as _, "team").unwrap();
    let bench = Bench::start(&[]).await;
    let client = bench.builder().library_at(library.clone()).build().unwrap();
    let error = client
        .generate(crate::support::bench::request())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library);
    assert_eq!(
        error.to_string(),
        "write to library metered/team: the store cannot update on the condition that the object has not changed since it was read"
    );
    assert_eq!(bench.state().create_requests, 0);
    // A question costs money as well.
    let clip = crate::support::bench::real_clip().await;
    let error = client
        .analyze(reelkin::MediaInput::bytes("clip.mp4", clip))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), bench.state().answers),
        (ErrorKind::Library, 0),
        "{error}"
    );
    let left = store.inner.list_with_delimiter(None).await.unwrap();
    assert_eq!(left.common_prefixes, []);
    store.ignores_versions.store(false, Ordering::Relaxed);
    library.writable().await.unwrap();
}

/// The clip is eight seconds long and larger than the limit of inline media.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_clip_in_a_bucket_is_sent_whole() {
    let recipe = Recipe::new(
        192,
        "-c:v libx264 -preset ultrafast -g 48 -x264-params nal-hrd=cbr:force-cfr=1 \
         -b:v 12M -minrate 12M -maxrate 12M -bufsize 12M",
    );
    let bytes = std::fs::read(recipe.make()).unwrap();
    let size = bytes.len() as u64;
    assert!(size > 9 << 20, "{size}");
    let (_, library) = stored(bytes).await;
    let bench = Bench::start(&[]).await;
    let client = bench.builder().library_at(library.clone()).build().unwrap();
    let clip = library.clip("long").await.unwrap();
    for transport in [TransportChoice::Inline, TransportChoice::Upload] {
        let mut request = EditRequest::new(&clip, "make it night");
        request.transport = transport;
        let night = client.edit(request).await.unwrap();
        let ours = night.record.unwrap().reelkin.unwrap();
        let parent = &ours.parents.unwrap()[0];
        assert_eq!(parent.bytes, Some(size));
    }
    assert_eq!(bench.state().creates, 2);
}

#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_sends_little_of_a_long_clip() {
    let s3 = crate::support::s3::S3::start();
    let bytes = long_clip();
    let place = StorePath::from("team/long.mp4");
    s3.store().put(&place, bytes.clone().into()).await.unwrap();
    let client = VideoClient::builder()
        .api_key("none")
        .library_at(s3.library())
        .build()
        .unwrap();
    let clip = client.library().clip("long").await.unwrap();
    s3.tally();
    let frame = client.frame(&clip, FramePosition::Last).await.unwrap();
    assert_eq!(clips::number(&frame), 1439);
    let tally = s3.tally();
    let sent = tally["sent"].as_u64().unwrap();
    assert!(sent > 0 && sent < bytes.len() as u64 / 20, "{tally}");
    let reader = client.library().reader(&clip.id).await.unwrap();
    let shown = format!("{0:?} {0} {reader:?} {client:?}", client.library());
    for secret in [crate::support::s3::SECRET, crate::support::s3::KEY_ID] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
