//! A call ends at its deadline, at an interrupt, and when its future is dropped.

#![cfg(feature = "media")]

use std::time::Duration;

use reelkin::media::{self, FramePosition, Interrupt, MediaOptions, MediaSource};

use crate::media::clip_frames::{X264, frame};
use crate::support::clips::{Recipe, number};

#[test]
fn a_raised_interrupt_and_a_deadline_end_the_call() {
    let path = Recipe::new(60, X264).make();
    let interrupt = Interrupt::new();
    interrupt.raise();
    let error = media::frame(
        &path,
        FramePosition::Last,
        &MediaOptions::new().interrupt(interrupt),
    )
    .unwrap_err();
    assert_eq!(error.kind(), reelkin::ErrorKind::Stopped);
    let options = MediaOptions::new().deadline(Duration::ZERO);
    let error = media::frame(&path, FramePosition::Last, &options).unwrap_err();
    assert_eq!(error.kind(), reelkin::ErrorKind::Timeout);
}

#[tokio::test]
async fn the_async_functions_return_the_same_frame() {
    let path = Recipe::new(10, X264).make();
    let options = MediaOptions::new();
    let there = media::nonblocking::frame(&*path, FramePosition::Last, options.clone())
        .await
        .unwrap();
    assert_eq!(there.rgb(), frame(&path, FramePosition::Last).rgb());
    assert_eq!(
        media::nonblocking::probe(&*path, options)
            .await
            .unwrap()
            .video
            .frames,
        Some(10)
    );
}

/// A reader that raises the interrupt after a number of reads.
struct Raising(std::io::Cursor<Vec<u8>>, Interrupt, usize);

impl std::io::Read for Raising {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.2 == 0 {
            self.1.raise();
        }
        self.2 = self.2.saturating_sub(1);
        let short = buf.len().min(512);
        self.0.read(&mut buf[..short])
    }
}

impl std::io::Seek for Raising {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn an_interrupt_raised_while_reading_stops_at_any_point() {
    let bytes = std::fs::read(Recipe::new(60, X264).make()).unwrap();
    let mut finished = false;
    for reads in 0..400 {
        let interrupt = Interrupt::new();
        let reader = Raising(std::io::Cursor::new(bytes.clone()), interrupt.clone(), reads);
        let options = MediaOptions::new().interrupt(interrupt.clone());
        let result = media::frame(
            MediaSource::reader("slow clip", reader),
            FramePosition::Last,
            &options,
        );
        match result {
            Ok(last) => {
                assert!(!interrupt.is_raised());
                assert_eq!(number(&last), 59);
                finished = true;
                break;
            }
            Err(error) => assert_eq!(
                error.kind(),
                reelkin::ErrorKind::Stopped,
                "after {reads} reads: {error}"
            ),
        }
    }
    assert!(finished, "more than 400 reads of 512 bytes for a small clip");
}

/// The work runs until it notices that its future was dropped.
#[tokio::test]
async fn dropping_the_future_raises_the_interrupt() {
    let (seen, sees) = std::sync::mpsc::channel();
    let (started, starts) = std::sync::mpsc::channel();
    let own = Interrupt::new();
    let options = MediaOptions::new().interrupt(own.clone());
    let work = media::nonblocking::run(options, move |options| {
        started.send(()).unwrap();
        // Any call notices the interrupt. This one is repeated until it does.
        let clip = Recipe::new(10, X264).make();
        while media::probe(&clip, options).is_ok() {}
        seen.send(()).unwrap();
        Ok(())
    });
    let task = tokio::spawn(work);
    tokio::task::spawn_blocking(move || starts.recv())
        .await
        .unwrap()
        .unwrap();
    task.abort();
    let stopped = tokio::task::spawn_blocking(move || sees.recv_timeout(Duration::from_secs(30)))
        .await
        .unwrap();
    assert!(stopped.is_ok(), "the thread goes on for nobody");
    assert!(!own.is_raised(), "the caller's own flag is left alone");
}
