//! Where a download may go, and which requests carry the key.

#![cfg(feature = "cli")]

use reelkin::{Charge, ErrorKind};

use crate::support::bench::{Bench, KEY, builder, clips_in, real_clip, request};
use crate::support::http_server::{Answer, ReceivedRequest, Server, done};

fn has_key(seen: &ReceivedRequest) -> bool {
    seen.header("authorization").is_some() || format!("{seen:?}").contains(KEY)
}

fn redirect(to: &str) -> Answer {
    Answer::new(302, "").header("location", to)
}

/// Starts a service whose clip is at `link`.
async fn service(link: String) -> Server {
    Server::start(real_clip().await, move |seen, _| {
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_from_another_origin_does_not_send_the_key() {
    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let api = service(cdn.url("/clip.mp4?sig=S")).await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&api.base_url(), folder.path()).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(cdn.requests().len(), 1);
    assert!(!has_key(&cdn.requests()[0]), "{:?}", cdn.requests());
    assert_eq!(cdn.requests()[0].header("referer"), None);
    assert!(api.requests().iter().all(has_key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirected_download_does_not_send_the_key() {
    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let link = cdn.url("/clip.mp4?sig=S");
    let api = Server::start(real_clip().await, move |seen, _| {
        seen.path.starts_with("/clip.mp4").then(|| redirect(&link))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&api.base_url(), folder.path()).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(cdn.requests().len(), 1);
    assert!(!has_key(&cdn.requests()[0]), "{:?}", cdn.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_redirected_to_the_api_does_not_send_the_key() {
    let api_address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let back = std::sync::Arc::clone(&api_address);
    let cdn = Server::start(real_clip().await, move |_, _| back.get().map(|to| redirect(to))).await;
    let api = service(cdn.url("/elsewhere")).await;
    api_address.set(api.url("/clip.mp4")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&api.base_url(), folder.path()).build().unwrap();
    client.generate(request()).await.unwrap();
    let seen = api.requests_to("/clip.mp4");
    assert_eq!(seen.len(), 1);
    assert!(!has_key(&seen[0]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_of_an_api_request_is_not_followed() {
    let thief = Server::start(real_clip().await, |_, _| None).await;
    let to = thief.url("/v1/videos/generations");
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let api = Server::start(real_clip().await, move |_, _| {
            Some(Answer::new(status, "").header("location", &to))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let client = builder(&api.base_url(), folder.path()).build().unwrap();
        let error = client.generate(request()).await.unwrap_err();
        // With 303 the service has carried out the request and points to the result.
        let want = if status == 303 {
            (ErrorKind::SubmissionUnknown, Charge::Unknown)
        } else {
            (ErrorKind::Config, Charge::No)
        };
        assert_eq!((error.kind(), error.may_have_been_charged()), want, "{error}");
        assert!(client.visible_models().await.is_err());
    }
    assert!(thief.requests().is_empty(), "{:?}", thief.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_redirects_to_private_addresses_are_refused() {
    let places = [
        "http://10.0.0.1/clip.mp4",
        "https://10.0.0.1/clip.mp4",
        "https://192.168.1.1/clip.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/clip.mp4",
        "https://[::ffff:10.0.0.1]/clip.mp4",
        "https://localhost/clip.mp4",
        "http://clips.example/clip.mp4",
        "ftp://clips.example/clip.mp4",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "https://user:hunter2@clips.example/clip.mp4",
        // The same addresses in other spellings.
        "https://012.0.0.1/clip.mp4",
        "https://0x0a000001/clip.mp4",
        "https://167772161/clip.mp4",
        "https://10.1/clip.mp4",
        "https://10.0.0.1./clip.mp4",
        "https://10.0.0.1:8443/clip.mp4",
        "https://１０.０.０.１/clip.mp4",
        "https://10。0。0。1/clip.mp4",
        "https://%31%30.0.0.1/clip.mp4",
        "https:10.0.0.1/clip.mp4",
        "https:\\\\10.0.0.1\\clip.mp4",
        "https://ⓛocalhost/clip.mp4",
        "https://LOCALHOST./clip.mp4",
        "https://a.localhost/clip.mp4",
        "https://@10.0.0.1/clip.mp4",
        "https://clips.example@10.0.0.1/clip.mp4",
        "https://metadata.google.internal/clip.mp4",
        "https://[::ffff:a00:1]/clip.mp4",
        "https://[::10.0.0.1]/clip.mp4",
        "https://[fe80::1]/clip.mp4",
        "//10.0.0.1/clip.mp4",
        "ws://clips.example/clip.mp4",
    ];
    for place in places {
        for redirected in [false, true] {
            let api = if redirected {
                Server::start(real_clip().await, move |seen, _| {
                    seen.path.starts_with("/clip.mp4").then(|| redirect(place))
                })
                .await
            } else {
                service(place.to_owned()).await
            };
            let folder = tempfile::tempdir().unwrap();
            let client = builder(&api.base_url(), folder.path()).build().unwrap();
            let error = client.generate(request()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{place}: {error}");
            let line = error.to_string();
            // A header is ASCII, so some spellings cannot be sent there at all.
            let unsent = redirected && !place.is_ascii() && line.contains("no valid location");
            assert!(
                (line.contains("refused") || unsent) && !line.contains("hunter2"),
                "{place}: {line}"
            );
            assert!(clips_in(folder.path()).is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_localhost_by_name_is_refused() {
    // The API is at 127.0.0.1; `localhost` is not its host.
    let bench = Bench::start(&["redirect=http://localhost:1/clip.mp4"]).await;
    let error = bench.client().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_limited_and_need_a_valid_location() {
    for (to, word) in [
        ("/clip.mp4", "more than"),
        ("", "redirect"),
        ("http://[", "no valid location"),
    ] {
        let api = Server::start(real_clip().await, move |seen, _| {
            seen.path.starts_with("/clip.mp4").then(|| redirect(to))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let client = builder(&api.base_url(), folder.path()).build().unwrap();
        let error = client.generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(api.requests_to("/clip.mp4").len() <= 6);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relative_link_is_resolved_against_the_api() {
    for link in ["/clip.mp4?sig=S", "../clip.mp4", "//127.0.0.1:PORT/clip.mp4"] {
        let api = Server::start(real_clip().await, move |seen, _| {
            let port = seen.header("host")?.rsplit(':').next()?.to_owned();
            let link = link.replace("PORT", &port);
            seen.path.starts_with("/v1/videos/c").then(|| done(&link))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let client = builder(&api.base_url(), folder.path()).build().unwrap();
        let outcome = client.generate(request()).await;
        // `..` is relative to the base's own last part.
        assert!(outcome.is_ok(), "{link}: {}", outcome.unwrap_err());
    }
}
