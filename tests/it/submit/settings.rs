//! Invalid limits and timeouts are refused when the client is built, before anything can be paid.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::{DownloadPolicy, ErrorKind, RateLimit, Timeouts, VideoClientBuilder, secs};

use crate::support::bench::{Bench, builder, request};

const YEAR: Duration = secs(365 * 86_400);

fn refused(word: &str, set: impl Fn(VideoClientBuilder) -> VideoClientBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("clips");
    let error = set(builder("http://127.0.0.1:9/v1", &library))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let line = error.to_string();
    assert!(
        line.contains(word) && line.contains("use ") && !line.contains('\n'),
        "{line}"
    );
    assert!(!library.exists(), "{line}");
}

#[test]
fn invalid_rates_timeouts_and_limits_are_refused() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused("requests_per_second", |builder| {
            builder.rate_limit(RateLimit::per_second(bad, 1.0))
        });
        refused("creates_per_second", |builder| {
            builder.rate_limit(RateLimit::per_second(1.0, bad))
        });
    }
    for bad in [Duration::ZERO, Duration::MAX, YEAR + secs(1)] {
        type Set = fn(&mut Timeouts, Duration);
        let fields: [(&str, Set); 3] = [
            ("connect", |timeouts, time| timeouts.connect = time),
            ("create", |timeouts, time| timeouts.create = time),
            ("read", |timeouts, time| timeouts.read = time),
        ];
        for (name, set) in fields {
            let mut timeouts = Timeouts::default();
            set(&mut timeouts, bad);
            refused(name, |builder| builder.timeouts(timeouts.clone()));
        }
        let mut downloads = DownloadPolicy::default();
        downloads.stall_timeout = bad;
        refused("stall_timeout", |builder| builder.download(downloads.clone()));
    }
    let mut downloads = DownloadPolicy::default();
    downloads.max_bytes = 0;
    refused("max_bytes", |builder| builder.download(downloads.clone()));
    let mut downloads = DownloadPolicy::default();
    downloads.min_bytes_per_second = u64::MAX;
    refused("min_bytes_per_second", |builder| {
        builder.download(downloads.clone())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_timeouts_work() {
    let bench = Bench::start(&[]).await;
    let mut timeouts = Timeouts::default();
    (timeouts.connect, timeouts.create, timeouts.read) = (YEAR, YEAR, YEAR);
    let mut downloads = DownloadPolicy::default();
    downloads.stall_timeout = YEAR;
    let builder = bench.builder().timeouts(timeouts).download(downloads);
    builder.build().unwrap().generate(request()).await.unwrap();
    assert_eq!(bench.clips().len(), 1);
}
