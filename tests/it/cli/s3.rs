//! The program with its library in a bucket of a real S3 server.

#![cfg(all(feature = "s3", feature = "cli"))]

use std::time::Instant;

use serde_json::Value;

use crate::support::bench::{Bench, KEY, MAX_WAIT, PENDING};
use crate::support::program::{GENERATE, Program, ProgramOutput};
use crate::support::s3::{BUCKET, KEY_ID, S3, SECRET};

/// Returns a call with a sandbox, a library, and the settings of an S3 server.
fn program(bench: &Bench, endpoint: &str, library: &str) -> Program {
    Program::at_service(bench.folder.path(), &bench.sandbox.base_url())
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .arg("--library")
        .arg(library)
}

fn assert_no_secret(ran: &ProgramOutput) {
    for secret in [SECRET, KEY_ID, KEY] {
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_on_a_bucket() {
    let (bench, s3) = (Bench::start(&[]).await, S3::start());
    let place = format!("s3://{BUCKET}/team/clips");
    let run = async |args: &[&str]| {
        let ran = program(&bench, &s3.endpoint(), &place)
            .args(args)
            .arg("--json")
            .run()
            .await;
        assert_no_secret(&ran);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.json()
    };
    let at = |name: &str| bench.folder.path().join(name);

    let first = run(&["generate", "a boat", "--duration", "2", "-o", "copy.mp4"]).await;
    let first = first["id"].as_str().unwrap();
    assert!(at("copy.mp4").is_file());
    let small = ["--duration", "1", "--resolution", "480p"];
    let next = run(&[&["continue", "it turns", "--video", first], &small[..]].concat()).await;
    let night = run(&["edit", "make it night", "--video", first]).await;
    let longer = run(&["extend", "it goes on", "--video", first, "--duration", "2"]).await;
    let film = run(&[
        &["chain", "a ship comes in", "it lands", "--name", "film"],
        &small[..],
    ]
    .concat())
    .await;
    assert_eq!(film["chain"], "film");
    assert_eq!(bench.state().creates, 6);

    let listed = run(&["ls"]).await;
    assert_eq!(listed["clips"].as_array().unwrap().len(), 6, "{listed}");
    let family = run(&["lineage", first, "--verify", "--sheet", "sheet.png"]).await;
    let verified = family["verified"].as_array().unwrap();
    assert_eq!(verified.len(), 4, "{family}");
    assert!(
        verified.iter().all(|clip| clip["condition"] == "intact"),
        "{family}"
    );
    assert!(at("sheet.png").is_file());
    for clip in [&next, &night, &longer] {
        let parents = &clip["id"];
        assert!(family.to_string().contains(parents.as_str().unwrap()), "{family}");
    }

    let next = next["id"].as_str().unwrap();
    s3.tally();
    let frame = run(&["frame", next, "--last", "-o", "last.png"]).await;
    assert!(at("last.png").is_file());
    assert_eq!(frame["width"], 848, "{frame}");
    let probe = run(&["probe", next]).await;
    assert_eq!(probe["path"], format!("{next}.mp4"));
    assert!(s3.tally()["kinds"]["GET"].as_u64().unwrap() > 0);
    let doctor = program(&bench, &s3.endpoint(), &place).arg("doctor").run().await;
    assert!(doctor.stdout.contains(&place), "{doctor:?}");

    let (names, uploads) = s3.holds();
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("team/clips/") && !name.contains(".incoming")),
        "{names:?}"
    );
    // Clips with their sidecars, the chain, the ledger. Expired leases remain in jobs/owners.
    let below = |folder: &str| {
        let folder = format!("team/clips/{folder}");
        names.iter().filter(|name| name.starts_with(&folder)).count()
    };
    let open = below("jobs/") - below("jobs/owners/");
    assert_eq!((below("ledger/"), below("chains/"), open), (6, 1, 0), "{names:?}");
    assert_eq!(names.len(), 6 * 2 + 6 + 1 + below("jobs/owners/"), "{names:?}");
    assert_eq!(uploads, 0);
}

/// A store has no locks that end with a process. The lease has to expire before one of the recoveries takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_killed_process_is_saved_by_exactly_one_recovery() {
    let bench = Bench::start(&[PENDING]).await;
    let s3 = S3::start();
    let place = format!("s3://{BUCKET}/team");
    let call = || program(&bench, &s3.endpoint(), &place);
    let mut child = call().args(GENERATE).spawn();
    bench.until("a poll", |state| state.polls > 0).await;
    child.kill().unwrap();
    child.wait().unwrap();
    bench.end_pending();

    let runs = (0..3).map(|_| call().args(["recover", "--json"]).run());
    let runs = futures_util::future::join_all(runs).await;
    let mut saved = 0;
    for ran in &runs {
        assert_no_secret(ran);
        assert_eq!(ran.code, 0, "{ran:?}");
        saved += ran.json()["saved"].as_array().unwrap().len();
    }
    assert_eq!((saved, bench.state().creates), (1, 1), "{runs:?}");
    let (names, _) = s3.holds();
    let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
    assert_eq!((count("/ledger/"), count(".mp4.json")), (1, 1), "{names:?}");
    let json = call().args(["ls", "--cost", "--json"]).run().await.json();
    assert_eq!(json["clips"][0]["job_id"], bench.state().jobs[0].id.as_str());
    assert_eq!(
        json["spent"]["all"]["paid_usd_ticks"],
        bench.state().jobs[0].cost_in_usd_ticks
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bucket_errors_are_reported_before_anything_is_paid() {
    let (bench, s3) = (Bench::start(&[]).await, S3::start());
    let place = format!("s3://{BUCKET}/team");
    // Port 1 is never handed out as an ephemeral port, so no other test listens there.
    let closed = "http://127.0.0.1:1";
    let wrong_key = format!(
        "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId><HostId>{SECRET}</HostId></Error>"
    );
    s3.fault("PUT", 100, 403, &wrong_key);
    let refused = program(&bench, &s3.endpoint(), &place).args(GENERATE).run().await;
    s3.fault("PUT", 0, 0, "");
    let missing = program(&bench, &s3.endpoint(), "s3://no-such-bucket/team")
        .args(GENERATE)
        .run()
        .await;
    let began = Instant::now();
    let unreachable = program(&bench, closed, &place).args(GENERATE).run().await;
    assert!(began.elapsed() < MAX_WAIT, "{:?}", began.elapsed());
    let plain = program(&bench, closed, &place)
        .env("AWS_ALLOW_HTTP", "")
        .args(GENERATE)
        .run()
        .await;
    let password = program(&bench, closed, &format!("s3://user:{SECRET}@{BUCKET}"))
        .args(GENERATE)
        .run()
        .await;
    let kind = program(&bench, closed, "gs://films/team")
        .args(GENERATE)
        .run()
        .await;
    let half = program(&bench, closed, &place)
        .env("AWS_COPY_IF_NOT_EXISTS", SECRET)
        .args(GENERATE)
        .run()
        .await;
    for (ran, code, words) in [
        (
            &refused,
            1,
            "write to library s3://films/team: the store refuses the credentials (403 InvalidAccessKeyId)",
        ),
        (
            &missing,
            1,
            "write to library s3://no-such-bucket/team: there is no such bucket (404 NoSuchBucket)",
        ),
        (
            &unreachable,
            1,
            "write to library s3://films/team: the store failed: connection refused",
        ),
        (
            &plain,
            2,
            "open library s3://films/team: its endpoint is http; set AWS_ALLOW_HTTP=true",
        ),
        (&password, 2, "open library by its URL: it has a user"),
        (
            &kind,
            2,
            "open library gs://films/team: this kind of URL is not supported",
        ),
        (
            &half,
            2,
            "open library s3://films/team: the AWS_ settings in the environment are not valid together",
        ),
    ] {
        assert_no_secret(ran);
        assert!(ran.line().contains(words), "{words}: {ran:?}");
        assert_eq!(ran.code, code, "{ran:?}");
    }
    assert_eq!(bench.state().creates, 0);
    let told: Value = program(&bench, &s3.endpoint(), "s3://no-such-bucket")
        .args(["ls", "--json"])
        .run()
        .await
        .json();
    assert_eq!(told["error"]["code"], "not_found", "{told}");
}
