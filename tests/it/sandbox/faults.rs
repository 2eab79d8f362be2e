//! The faults of the sandbox. Each does what its name says, as often as it was requested.

#![cfg(feature = "sandbox")]

use std::time::{Duration, Instant};

use reelkin::sandbox::{Fault, FaultKind, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::sandbox::raw::{RawBench, bench_with, read_reply};

fn body() -> Value {
    json!({ "model": "grok-imagine-video", "prompt": "what can go wrong", "duration": 1, "resolution": "480p" })
}

/// Sends a request over a bare socket and returns every byte of the answer.
async fn send_raw(bench: &RawBench, request: &str) -> Vec<u8> {
    let mut socket = tokio::net::TcpStream::connect(bench.sandbox.address())
        .await
        .unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An abrupt end counts like an orderly one.
    let _ = tokio::time::timeout(Duration::from_secs(120), socket.read_to_end(&mut answer))
        .await
        .unwrap();
    answer
}

fn raw_create(bench: &RawBench) -> String {
    let body = body().to_string();
    format!(
        "POST /v1/videos/generations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        bench.sandbox.api_key(),
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_creates_the_job_and_sends_no_byte() {
    let bench = bench_with(&["lost-reply,times=1"]).await;
    assert_eq!(send_raw(&bench, &raw_create(&bench)).await, b"");
    assert_eq!(bench.sandbox.state().creates, 1);
    assert!(
        send_raw(&bench, &raw_create(&bench))
            .await
            .starts_with(b"HTTP/1.1 200")
    );
    assert_eq!(bench.sandbox.state().creates, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_for_no_request_never_applies() {
    let bench = bench_with(&["create:reset,times=0"]).await;
    let (status, _) = bench.post_json("/videos/generations", &body()).await;
    assert_eq!((status, bench.sandbox.state().creates), (200, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_creates_nothing_and_sends_no_byte() {
    let bench = bench_with(&["create:reset,times=2"]).await;
    assert_eq!(send_raw(&bench, &raw_create(&bench)).await, b"");
    assert!(bench.post("/videos/generations", &body()).await.is_err());
    let state = bench.sandbox.state();
    assert_eq!((state.creates, state.create_requests), (0, 2));
    bench.create_job("/videos/generations", &body()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_their_status_and_body() {
    let bench = bench_with(&[
        "create:429=7,times=1",
        "create:429-credits,times=1",
        "create:503,times=1",
        "create:529,times=1",
        "create:html=522,times=1",
        "create:not-json,times=1",
        "create:empty-id,times=1",
        "create:delay=0.2,times=1",
    ])
    .await;
    let begun = Instant::now();
    let limited = bench.post("/videos/generations", &body()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(limited.headers()["retry-after"], "7");
    let (status, answer) = read_reply(limited).await;
    assert_eq!((status, &answer["code"]), (429, &json!("resource-exhausted")));
    let credits = bench.post("/videos/generations", &body()).await.unwrap();
    assert!(credits.headers().get("retry-after").is_none());
    assert!(
        read_reply(credits).await.1["error"]
            .as_str()
            .unwrap()
            .contains("used all available credits")
    );
    for status in [503, 529] {
        assert_eq!(bench.post_json("/videos/generations", &body()).await.0, status);
    }
    let page = bench.post("/videos/generations", &body()).await.unwrap();
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(page.status(), 522);
    assert_eq!(
        bench.post_json("/videos/generations", &body()).await,
        (200, json!("OK"))
    );
    assert_eq!(bench.sandbox.state().creates, 0);
    assert_eq!(
        bench.post_json("/videos/generations", &body()).await,
        (200, json!({ "request_id": "" }))
    );
    assert_eq!(bench.sandbox.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_replies_can_be_irregular() {
    let bench = RawBench::start(Sandbox::builder().min_job_duration(Duration::from_secs(600))).await;
    let id = bench.create_job("/videos/generations", &body()).await;
    let poll = async || read_reply(bench.get(&format!("/videos/{id}")).await.unwrap()).await;
    let inject = |fault: &str| {
        bench
            .sandbox
            .add_fault(format!("{fault},times=1").parse().unwrap());
    };
    inject("empty-202");
    assert_eq!(poll().await, (202, json!("")));
    inject("pending-200");
    assert_eq!(poll().await.0, 200);
    inject("no-progress");
    assert_eq!(poll().await, (202, json!({ "status": "pending" })));
    inject("status-word=queued");
    assert_eq!(poll().await.1["status"], "queued");
    inject("backwards");
    assert!(poll().await.1["progress"].as_u64().unwrap() > 50);
    inject("poll-400");
    assert_eq!(poll().await.0, 400);
    inject("huge-body=3000000");
    let (status, answer) = poll().await;
    assert_eq!((status, &answer["status"]), (202, &json!("pending")));
    assert!(answer["padding"].as_str().unwrap().len() > 2_900_000);
    inject("poll:truncated=5");
    assert!(
        bench
            .get(&format!("/videos/{id}"))
            .await
            .unwrap()
            .text()
            .await
            .is_err()
    );
    assert_eq!(
        poll().await.1,
        json!({ "status": "pending", "progress": 0, "model": "grok-imagine-video" })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_job_stays_pending() {
    let bench = bench_with(&["stalled"]).await;
    let id = bench.create_job("/videos/generations", &body()).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (status, answer) = read_reply(bench.get(&format!("/videos/{id}")).await.unwrap()).await;
    assert_eq!((status, &answer["progress"]), (202, &json!(37)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_can_be_missing_relative_or_on_another_host() {
    let bench = RawBench::quick().await;
    let id = bench.create_job("/videos/generations", &body()).await;
    bench.wait_for_job(&id).await;
    let link = async |fault: &str| {
        bench
            .sandbox
            .add_fault(format!("{fault},times=1").parse().unwrap());
        bench.wait_for_job(&id).await.1["video"]["url"].clone()
    };
    assert_eq!(link("no-url").await, Value::Null);
    assert!(
        link("relative-url")
            .await
            .as_str()
            .unwrap()
            .starts_with("/vidgen/")
    );
    assert_eq!(
        link("url=http://169.254.169.254/x").await,
        "http://169.254.169.254/x"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_download_can_be_produced() {
    let bench = RawBench::quick().await;
    let answer = bench.run_job("/videos/generations", &body()).await;
    let whole = bench.download(&answer).await;
    let url = answer["video"]["url"].as_str().unwrap();
    let get = async |fault: &str| {
        bench
            .sandbox
            .add_fault(format!("{fault},times=1").parse().unwrap());
        bench.http.get(url).send().await.unwrap()
    };
    let redirect = get("redirect=http://10.0.0.1/clip.mp4").await;
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (302, &"http://10.0.0.1/clip.mp4".parse().unwrap())
    );
    assert_eq!(
        get("content-type=text/html").await.headers()["content-type"],
        "text/html"
    );
    let cut = get("truncated=1000").await;
    assert_eq!(cut.headers()["content-length"], whole.len().to_string().as_str());
    assert!(cut.bytes().await.is_err());
    let garbage = get("garbage").await.bytes().await.unwrap();
    assert!(garbage.len() == whole.len() && garbage != whole);
    let half = get("half-clip").await.bytes().await.unwrap();
    assert!(half.len() < whole.len() && whole.starts_with(&half));
    assert_eq!(get("wrong-length=100").await.bytes().await.unwrap(), whole[..100]);
    assert!(get("wrong-length=99999999").await.bytes().await.is_err());
    assert_eq!(get("download:500").await.status(), 500);
    let begun = Instant::now();
    let rate = whole.len() * 2;
    assert_eq!(
        get(&format!("slow-body={rate}")).await.bytes().await.unwrap(),
        whole
    );
    assert!(
        begun.elapsed() > Duration::from_millis(300),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        bench.http.get(url).send().await.unwrap().bytes().await.unwrap(),
        whole
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_link_is_replaced_by_the_next_poll() {
    let bench = RawBench::quick().await;
    let id = bench.create_job("/videos/generations", &body()).await;
    let (_, first) = bench.wait_for_job(&id).await;
    assert_eq!(
        bench.wait_for_job(&id).await.1,
        first,
        "a link stays the same while it works"
    );
    bench
        .sandbox
        .add_fault(Fault::new(FaultKind::LinkExpired(403)).times(1));
    let old = first["video"]["url"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(bench.http.get(old).send().await.unwrap().status(), 403);
    }
    let (_, second) = bench.wait_for_job(&id).await;
    assert_ne!(first["video"]["url"], second["video"]["url"]);
    bench.download(&second).await;
    // A link without its signature is refused.
    let bare = old.split('?').next().unwrap();
    assert_eq!(bench.http.get(bare).send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_padded_clip_supports_ranges_and_still_plays() {
    const SIZE: u64 = 100 << 20;
    let bench = bench_with(&[&format!("pad={SIZE}"), "render-size=320x180"]).await;
    let answer = bench.run_job("/videos/generations", &body()).await;
    let url = answer["video"]["url"].as_str().unwrap();
    let head = bench.http.head(url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], SIZE.to_string().as_str());
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    let etag = head.headers()["etag"].clone();
    let whole = bench.http.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(whole.len() as u64, SIZE);
    let part = |range: &str| bench.http.get(url).header("range", range.to_owned());
    let middle = part("bytes=50000000-50000099")
        .header("if-range", &etag)
        .send()
        .await
        .unwrap();
    assert_eq!(middle.status(), 206);
    assert_eq!(
        middle.headers()["content-range"],
        format!("bytes 50000000-50000099/{SIZE}").as_str()
    );
    assert_eq!(middle.bytes().await.unwrap(), whole[50_000_000..50_000_100]);
    let changed = part("bytes=5-")
        .header("if-range", "\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 200);
    let tail = part("bytes=-7").send().await.unwrap();
    assert_eq!(tail.bytes().await.unwrap(), whole[whole.len() - 7..]);
    let beyond = part(&format!("bytes={SIZE}-")).send().await.unwrap();
    assert_eq!(
        (beyond.status().as_u16(), &beyond.headers()["content-range"]),
        (416, &format!("bytes */{SIZE}").parse().unwrap())
    );
    let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    std::fs::write(file.path(), &whole).unwrap();
    let facts = crate::sandbox::raw::ffprobe(file.path());
    assert_eq!(
        (
            &facts["streams"][0]["width"],
            &facts["streams"][0]["nb_read_frames"]
        ),
        (&json!(320), &json!("24"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_script_can_be_sent_read_and_cleared() {
    let bench = RawBench::quick().await;
    let origin = bench.sandbox.base_url().trim_end_matches("/v1").to_owned();
    let faults = format!("{origin}/sandbox/faults");
    let send = async |body: &str| {
        let request = bench
            .http
            .post(&faults)
            .header("content-type", "application/json")
            .body(body.to_owned());
        read_reply(request.send().await.unwrap()).await
    };
    let (status, answer) = send(r#"["create:503,times=1", "moderated=null,prompt=red coat"]"#).await;
    assert_eq!(
        (status, answer),
        (
            200,
            json!({ "faults": ["create:status=503,times=1", "moderated=null,prompt=red coat"] })
        )
    );
    assert_eq!(send(r#"{"faults": ["sunshine"]}"#).await.0, 400);
    assert_eq!(bench.post_json("/videos/generations", &body()).await.0, 503);
    let mut red = body();
    red["prompt"] = json!("a red coat in the wind");
    assert_eq!(
        bench.run_job("/videos/generations", &red).await["video"]["respect_moderation"],
        false
    );
    assert_eq!(
        bench.run_job("/videos/generations", &body()).await["video"]["respect_moderation"],
        true
    );
    assert_eq!(bench.http.delete(&faults).send().await.unwrap().status(), 200);
    let (_, state) = read_reply(
        bench
            .http
            .get(format!("{origin}/sandbox/state"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (&state["creates"], &state["create_requests"], &state["faults"]),
        (&json!(2), &json!(3), &json!([]))
    );
    let (status, page) = read_reply(bench.http.get(&origin).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert!(page.as_str().unwrap().contains("<video controls"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_can_be_limited_to_one_prompt() {
    let bench = bench_with(&["create:503,prompt=all goes"]).await;
    let mut wrong = body();
    wrong["prompt"] = json!("all goes wrong");
    assert_eq!(bench.post_json("/videos/generations", &wrong).await.0, 503);
    bench.create_job("/videos/generations", &body()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_can_break_at_any_of_its_bytes() {
    let bench = RawBench::quick().await;
    let request = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        bench.sandbox.api_key()
    );
    let get = async |fault: &str| {
        bench.sandbox.clear_faults();
        bench.sandbox.add_fault(fault.parse().unwrap());
        send_raw(&bench, &request).await
    };
    // The `Date` header may change between two replies.
    let timeless = |reply: &[u8]| {
        let text = String::from_utf8_lossy(reply).into_owned();
        match text.find("date: ") {
            Some(at) if text.len() >= at + 35 => text[..at + 6].to_owned() + &text[at + 35..],
            _ => text,
        }
    };
    let whole = get("poll:reset").await;
    assert!(whole.starts_with(b"HTTP/1.1 200") && whole.len() > 500);
    for at in (0..whole.len()).step_by(97).chain([whole.len() - 1, whole.len()]) {
        assert_eq!(get(&format!("cut@{at}")).await.len(), at);
        // A reset may overtake bytes sent before it. No byte after the fault arrives.
        assert!(get(&format!("reset@{at}")).await.len() <= at);
        assert_eq!(timeless(&get(&format!("delay@{at}:5")).await), timeless(&whole));
        let bit = at % 8;
        let wrong = get(&format!("corrupt@{at}:{bit}")).await;
        let differ = |seen: &[u8]| {
            let pairs = seen.iter().zip(&whole).enumerate();
            let differ = pairs.filter(|(_, (a, b))| a != b);
            differ.map(|(i, (a, b))| (i, a ^ b)).collect::<Vec<_>>()
        };
        let date = timeless(&whole).len();
        if date < whole.len() && differ(&wrong).iter().all(|(i, _)| *i == at) {
            let want = (at < whole.len()).then_some((at, 1 << bit));
            assert_eq!(differ(&wrong), want.into_iter().collect::<Vec<_>>());
        }
        assert_eq!(wrong.len(), whole.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reply_keeps_the_connection_open_until_the_caller_closes_it() {
    let bench = bench_with(&["other:stall@20,times=1"]).await;
    let mut socket = tokio::net::TcpStream::connect(bench.sandbox.address())
        .await
        .unwrap();
    let request = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        bench.sandbox.api_key()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let mut have = 0;
    while have < 20 {
        have += socket.read(&mut answer[have..]).await.unwrap();
    }
    assert_eq!(have, 20);
    let more = tokio::time::timeout(Duration::from_millis(300), socket.read(&mut answer)).await;
    assert!(more.is_err(), "the line went on: {more:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partially_read_request_is_not_executed() {
    let bench = RawBench::quick().await;
    let request = raw_create(&bench);
    for at in (0..request.len()).step_by(23) {
        bench
            .sandbox
            .add_fault(format!("create:cut-request@{at},times=1").parse().unwrap());
        assert_eq!(send_raw(&bench, &request).await, b"", "{at}");
        assert_eq!(bench.sandbox.state().faults, [], "{at}");
    }
    assert_eq!(bench.sandbox.state().creates, 0);
    // A fault of another operation does not apply.
    bench.sandbox.add_fault("poll:cut-request@5".parse().unwrap());
    assert!(send_raw(&bench, &request).await.starts_with(b"HTTP/1.1 200"));
    assert_eq!(bench.sandbox.state().creates, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waiting_for_100_continue_is_cut() {
    let bench = RawBench::quick().await;
    let request = raw_create(&bench).replace("host: localhost", "host: localhost\r\nexpect: 100-continue");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let at = request.len() - 5;
    bench
        .sandbox
        .add_fault(format!("create:cut-request@{at},times=1").parse().unwrap());
    let mut socket = tokio::net::TcpStream::connect(bench.sandbox.address())
        .await
        .unwrap();
    socket
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(120), socket.read_to_end(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, b"");
    assert_eq!(bench.sandbox.state().creates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_resets_connections_and_keeps_jobs_and_counters() {
    let bench = RawBench::quick().await;
    let answer = bench.run_job("/videos/generations", &body()).await;
    let before = bench.sandbox.state();
    let mut open = tokio::net::TcpStream::connect(bench.sandbox.address())
        .await
        .unwrap();
    open.write_all(b"GET /v1/models HTTP/1.1\r\n").await.unwrap();
    // Long enough to try a connection in between, also on a loaded machine.
    let down = Duration::from_secs(3);
    let begun = Instant::now();
    let (refused, ()) = tokio::join!(
        async {
            // The sandbox is down at once, and nothing listens.
            let ended = open.read(&mut [0; 8]).await;
            assert!(matches!(ended, Err(_) | Ok(0)), "{ended:?}");
            tokio::net::TcpStream::connect(bench.sandbox.address()).await
        },
        bench.sandbox.restart(down)
    );
    assert!(begun.elapsed() >= down);
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(bench.sandbox.state(), before);
    assert!(!bench.download(&answer).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_links_can_be_expired_at_once() {
    let bench = RawBench::quick().await;
    let id = bench.create_job("/videos/generations", &body()).await;
    let (_, first) = bench.wait_for_job(&id).await;
    bench.sandbox.expire_links();
    let old = first["video"]["url"].as_str().unwrap();
    assert_eq!(bench.http.get(old).send().await.unwrap().status(), 403);
    let (_, second) = bench.wait_for_job(&id).await;
    assert!(!bench.download(&second).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_sandbox_refuses_connections() {
    let bench = RawBench::quick().await;
    let address = bench.sandbox.address();
    bench.get("/models").await.unwrap();
    bench.sandbox.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
