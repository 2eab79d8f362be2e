//! A hostile server of clips: it compresses, sends wrong lengths, or never ends.
//!
//! Each time the client gives up soon, keeps little, and saves no truncated clip.

#![cfg(feature = "cli")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reelkin::{Clip, Error, ErrorKind, secs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::bench::{
    MAX_WAIT, builder, clips_in, ms, polls_until, quick_downloads, real_clip, request,
};
use crate::support::http_server::{Answer, Server, done};

/// Answers every connection with `head`, and then with `more` until the connection is closed.
async fn serve_raw(head: impl Into<Bytes>, more: &'static [u8], pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let head = head.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head.clone();
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await? > 0 {}
                stream.write_all(&head).await?;
                while !more.is_empty() {
                    stream.write_all(more).await?;
                    tokio::time::sleep(pause).await;
                }
                stream.shutdown().await
            });
        }
    });
    address
}

/// Generates a clip whose link leads to this address. The library must be empty after a failure.
async fn fetch(address: SocketAddr) -> Result<Clip, Error> {
    let link = format!("http://{address}/clip.mp4");
    let api = Server::start(Bytes::new(), move |seen, _| {
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_downloads();
    policy.stall_timeout = secs(3);
    policy.max_bytes = 4 << 20;
    let client = builder(&api.base_url(), folder.path())
        .download(policy)
        .build()
        .unwrap();
    let made = client.generate(request()).await;
    if made.is_err() {
        assert!(clips_in(folder.path()).is_empty());
    }
    made
}

async fn refused(what: &str, address: SocketAddr) -> String {
    let start = Instant::now();
    let error = fetch(address).await.map(|clip| clip.id).unwrap_err();
    assert!(start.elapsed() < MAX_WAIT, "{what}: {:?}", start.elapsed());
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network | ErrorKind::Protocol | ErrorKind::Media
        ),
        "{what}: {error}"
    );
    let line = error.to_string();
    assert!(line.len() < 600 && !line.contains('\n'), "{what}: {line}");
    line
}

fn head(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{fields}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_never_decompressed() {
    // The start of 10 MB of zeros in gzip, zlib and brotli. The rest does not matter, because none is decompressed.
    for (coding, start) in [
        ("gzip", &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..]),
        ("deflate", b"\x78\x9c\xec\xc1\x01\x01\0\0\0\x80\x90\xfe"),
        ("br", b"\x5b\xff\xff\x9f\xc0\0\0\0\0\0\0\0"),
    ] {
        let body = [
            &head(&format!("content-encoding: {coding}\r\n"))[..],
            start,
            &[0; 10_000],
        ]
        .concat();
        let line = refused(coding, serve_raw(body, b"", ms(0)).await).await;
        assert!(line.contains("not an MP4"), "{line}");
    }
    // A clip that is only declared as compressed is saved as it is. Some stores send that.
    let clip = real_clip().await;
    let body = [&head("content-encoding: aws-chunked\r\n")[..], &clip].concat();
    assert!(fetch(serve_raw(body, b"", ms(0)).await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_bodies_are_cut_at_the_limit() {
    const CHUNK: &[u8] = b"1000\r\n\0\0\0\x20ftypisom";
    let whole: &'static [u8] = Box::leak([CHUNK, &[0; 0x1000 - 12], b"\r\n"].concat().into_boxed_slice());
    let address = serve_raw(head("transfer-encoding: chunked\r\n"), whole, ms(0)).await;
    let line = refused("endless chunks", address).await;
    assert!(line.contains("larger than the limit"), "{line}");

    let start = [&head("")[..], b"\0\0\0\x20ftypisom"].concat();
    let line = refused("no length", serve_raw(start, &[0; 16384], ms(0)).await).await;
    assert!(line.contains("larger than the limit"), "{line}");

    let claim = head("content-length: 18446744073709551615\r\n");
    refused(
        "a length of all numbers",
        serve_raw(claim, &[0; 4096], ms(0)).await,
    )
    .await;
    let claim = head("content-length: 9000000\r\n");
    let line = refused("a length over the limit", serve_raw(claim, b"", ms(0)).await).await;
    assert!(line.contains("larger than the limit"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_headers_and_trailers_fail_the_download() {
    let address = serve_raw(
        b"HTTP/1.1 200 OK\r\n".as_slice(),
        b"x-more: 0123456789abcdef\r\n",
        ms(0),
    )
    .await;
    refused("endless head", address).await;
    let address = serve_raw(b"HTTP/1.1 200 OK\r\nx-long: ".as_slice(), &[b'a'; 4096], ms(0)).await;
    refused("endless field", address).await;
    let address = serve_raw(
        b"".as_slice(),
        b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n",
        ms(20),
    )
    .await;
    refused("endless early hints", address).await;
    let clip = real_clip().await;
    let size = format!("{:x}\r\n", clip.len());
    let body = [
        &head("transfer-encoding: chunked\r\ntrailer: x\r\n")[..],
        size.as_bytes(),
        &clip,
        b"\r\n0\r\n",
    ]
    .concat();
    refused("endless trailers", serve_raw(body, b"x: y\r\n", ms(0)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trickling_response_fails_the_download() {
    // The headers arrive byte by byte.
    let address = serve_raw(b"HTTP/1.1 200 OK\r\nx: ".as_slice(), b"a", ms(100)).await;
    refused("a head that trickles", address).await;
    // The body arrives byte by byte: never stalled, always too slow.
    let start = [&head("content-length: 100000\r\n")[..], b"\0\0\0\x20ftypisom"].concat();
    let line = refused("a body that trickles", serve_raw(start, b"\0", ms(100)).await).await;
    assert!(line.contains("slower than"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_content_length_saves_no_clip() {
    let clip = real_clip().await;
    for told in [clip.len() / 2, clip.len() - 1, clip.len() + 1, clip.len() * 2] {
        let body = [&head(&format!("content-length: {told}\r\n"))[..], &clip].concat();
        refused(
            &format!("{told} of {}", clip.len()),
            serve_raw(body, b"", ms(0)).await,
        )
        .await;
    }
    let twice = [&head("content-length: 10\r\ncontent-length: 20\r\n")[..], &clip].concat();
    refused("two lengths", serve_raw(twice, b"", ms(0)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_content_range_saves_no_clip() {
    let clip = real_clip().await;
    let part = clip.slice(100..);
    for range in [
        format!("bytes 100-{}/{}", clip.len() - 1, clip.len()),
        format!("bytes 0-{}/{}", clip.len() - 1, clip.len()),
        "bytes 0-18446744073709551615/*".to_owned(),
        "bytes -5".to_owned(),
        "words 0-1/2".to_owned(),
        String::new(),
    ] {
        // In reply to a request for the whole clip, and to a request for the rest.
        for first in [true, false] {
            let (range, whole, part) = (range.clone(), clip.clone(), part.clone());
            let told = range.clone();
            let api = Server::start(clip.clone(), move |seen, _| {
                if !seen.path.starts_with("/clip.mp4") {
                    return None;
                }
                let cut = Answer::new(200, whole.clone()).header("etag", "\"one\"").cut(50);
                let lie = Answer::new(206, part.clone())
                    .header("etag", "\"one\"")
                    .header("content-range", &range);
                Some(if first || seen.range_start().is_some() {
                    lie
                } else {
                    cut
                })
            })
            .await;
            let folder = tempfile::tempdir().unwrap();
            let client = builder(&api.base_url(), folder.path()).build().unwrap();
            let error = client.generate(request()).await.map(|clip| clip.id);
            assert!(error.is_err(), "{told} {first}");
            assert!(clips_in(folder.path()).is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_reply_to_a_poll_is_bounded() {
    // A reply to a poll with megabytes of unfinished JSON.
    let long = format!("{{\"status\":\"{}", "x".repeat(3 << 20));
    let api = Server::start(Bytes::new(), move |seen, _| {
        seen.path
            .starts_with("/v1/videos/c")
            .then(|| Answer::new(200, long.clone()))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    // A poll with an unreadable reply is repeated until the deadline.
    let polls = polls_until(secs(3));
    let client = builder(&api.base_url(), folder.path())
        .poll(polls)
        .build()
        .unwrap();
    let error = client.generate(request()).await.map(|clip| clip.id).unwrap_err();
    assert!(error.to_string().len() < 600, "{error}");
    assert!(clips_in(folder.path()).is_empty());
}
