//! A planner that fails: what is reported to the caller and what was paid.
//!
//! No create is sent unless falling back to the user's own prompt was chosen.

#![cfg(feature = "cli")]

use reelkin::{Charge, ErrorKind, PlannerFailure, PlannerSettings, secs};
use serde_json::{Value, json};

use crate::support::bench::{KEY, MAX_WAIT, builder, clips_in, request};
use crate::support::fixtures::fixture;
use crate::support::http_server::Answer;
use crate::support::planner::{PlannerRig, answer_with};

const WORDS: &str = "a lighthouse at dusk";

/// One way for a planner to fail.
struct Row {
    name: &'static str,
    answer: Answer,
    kind: ErrorKind,
    charge: Charge,
    /// A part of the message that the caller gets.
    says: &'static str,
    /// The known cost of the failed question.
    cost: Option<u64>,
}

fn whole(change: impl FnOnce(&mut Value)) -> Answer {
    let mut answer = fixture("language/plan-answer.json");
    change(&mut answer);
    Answer::new(200, answer.to_string())
}

fn rows() -> Vec<Row> {
    let row = |name, answer, kind, charge, says, cost| Row {
        name,
        answer,
        kind,
        charge,
        says,
        cost,
    };
    let paid = Some(20_750_000);
    let (no, yes, unknown) = (Charge::No, Charge::Yes, Charge::Unknown);
    let refusal = whole(|answer| {
        answer["output"][1]["content"][0] =
            json!({ "type": "refusal", "refusal": "I can't help with that." });
    });
    let incomplete = whole(|answer| {
        answer["status"] = json!("incomplete");
        answer["incomplete_details"] = json!({ "reason": "max_output_tokens" });
    });
    let moderated = json!({ "code": "permission-denied",
                            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X" });
    let long = json!({ "prompt": "é".repeat(4097) }).to_string();
    let key = json!({ "code": "invalid-argument", "error": format!("Incorrect API key provided: {KEY}.") });
    vec![
        row(
            "silence",
            Answer::new(200, "{}").cut(0).silent(),
            ErrorKind::Timeout,
            unknown,
            "within 5 s",
            None,
        ),
        row(
            "cut line",
            Answer::new(200, "{\"output\":[]}").cut(4),
            ErrorKind::Network,
            unknown,
            "no answer",
            None,
        ),
        row(
            "server error",
            Answer::new(500, "<html>"),
            ErrorKind::Network,
            unknown,
            "http 500",
            None,
        ),
        row(
            "overloaded",
            Answer::new(529, ""),
            ErrorKind::Network,
            unknown,
            "http 529",
            None,
        ),
        row(
            "no credit",
            Answer::new(
                429,
                r#"{"code":"resource-exhausted","error":"used all available credits"}"#,
            ),
            ErrorKind::RateLimited,
            no,
            "credits",
            None,
        ),
        row(
            "wrong key",
            Answer::new(400, key.to_string()),
            ErrorKind::Auth,
            no,
            "key is wrong",
            None,
        ),
        row(
            "no such model",
            Answer::new(404, r#"{"error":"The model grok-4.3 does not exist"}"#),
            ErrorKind::NotFound,
            no,
            "does not exist",
            None,
        ),
        row(
            "refused question",
            Answer::new(422, "Failed to deserialize"),
            ErrorKind::InvalidRequest,
            no,
            "http 422",
            None,
        ),
        row(
            "moderated",
            Answer::new(403, moderated.to_string()),
            ErrorKind::Moderated,
            unknown,
            "usage guidelines",
            None,
        ),
        row(
            "refusal",
            refusal,
            ErrorKind::Moderated,
            yes,
            "declined: I can't help with that",
            paid,
        ),
        row(
            "empty prompt",
            answer_with("{\"prompt\":\" \"}"),
            ErrorKind::Moderated,
            yes,
            "declined",
            paid,
        ),
        row(
            "incomplete",
            incomplete,
            ErrorKind::Protocol,
            yes,
            "incomplete: max_output_tokens",
            paid,
        ),
        row(
            "no text",
            answer_with(""),
            ErrorKind::Protocol,
            yes,
            "no text",
            paid,
        ),
        row(
            "not JSON",
            answer_with("A lamp."),
            ErrorKind::Protocol,
            yes,
            "not JSON",
            paid,
        ),
        row(
            "wrong schema",
            answer_with("{\"video\":1}"),
            ErrorKind::Protocol,
            yes,
            "does not match the requested schema",
            paid,
        ),
        row(
            "too long",
            answer_with(&long),
            ErrorKind::Protocol,
            yes,
            "4097 characters",
            paid,
        ),
        row(
            "made-up tag",
            answer_with("{\"prompt\":\"<IMAGE_7>\"}"),
            ErrorKind::Protocol,
            yes,
            "<IMAGE_7>",
            paid,
        ),
        row(
            "no object",
            Answer::new(200, "[]"),
            ErrorKind::Protocol,
            unknown,
            "not a JSON object",
            None,
        ),
        row(
            "endless",
            Answer::new(200, format!("{{\"a\":\"{}\"}}", "a".repeat(2 << 20))),
            ErrorKind::Protocol,
            unknown,
            "not a JSON object",
            None,
        ),
    ]
}

fn settings() -> PlannerSettings {
    // A loaded machine gets time, unless the row needs a timeout.
    PlannerSettings::default().deadline(MAX_WAIT)
}

fn settings_for(row: &Row) -> PlannerSettings {
    match row.kind {
        // The question has to arrive before the deadline, also on a loaded machine.
        ErrorKind::Timeout => settings().deadline(secs(5)),
        _ => settings(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_planner_is_an_error_and_sends_no_create() {
    for row in rows() {
        let answer = row.answer.clone();
        let rig = PlannerRig::start(move |_, _| answer.clone()).await;
        let error = rig
            .client()
            .generate(request().plan(settings_for(&row)))
            .await
            .expect_err(row.name);
        let line = error.to_string();
        assert_eq!(error.kind(), row.kind, "{}: {line}", row.name);
        assert_eq!(error.may_have_been_charged(), row.charge, "{}: {line}", row.name);
        assert!(
            line.contains("plan the prompt") && line.contains(row.says),
            "{}: {line}",
            row.name
        );
        assert!(!line.contains('\n') && !line.ends_with('.'), "{line}");
        assert!(error.guidance().is_some(), "{}", row.name);
        assert_eq!(error.job_id(), None);
        assert!(
            !format!("{error:?} {line}").contains("CANARY"),
            "{}: {error:?}",
            row.name
        );
        assert_eq!(rig.questions().len(), 1, "{}: one question", row.name);
        assert!(
            rig.server.requests_to("/v1/videos").is_empty(),
            "{}: no create",
            row.name
        );
        assert!(clips_in(&rig.folder.path().join("clips")).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falling_back_sends_the_users_prompt_and_warns() {
    for row in rows() {
        let answer = row.answer.clone();
        let rig = PlannerRig::start(move |_, _| answer.clone()).await;
        let settings = settings_for(&row).on_failure(PlannerFailure::OwnWords);
        let outcome = rig.client().generate(request().plan(settings)).await;
        assert_eq!(rig.questions().len(), 1, "{}: one question", row.name);
        if row.kind == ErrorKind::Moderated {
            // A declined prompt is not sent on.
            let error = outcome.expect_err(row.name);
            assert_eq!(error.kind(), ErrorKind::Moderated);
            assert!(rig.creates().is_empty(), "{}: no create", row.name);
            continue;
        }
        outcome.unwrap_or_else(|error| panic!("{}: {error}", row.name));
        let [create] = &rig.creates()[..] else {
            panic!("{}: not one create", row.name)
        };
        assert_eq!(create["prompt"], WORDS);
        let sidecar = rig.sidecar();
        for field in ["prompt", "userPrompt", "revisedPrompt"] {
            assert_eq!(sidecar[field], WORDS, "{}: {field}", row.name);
        }
        let planner = &sidecar["reelkin"]["planner"];
        let reason = planner["fell_back"].as_str().unwrap();
        assert!(reason.contains(row.says), "{}: {reason}", row.name);
        assert_eq!(planner["cost_usd_ticks"].as_u64(), row.cost, "{}", row.name);
        let warning = sidecar["reelkin"]["warnings"][0].as_str().unwrap();
        assert!(
            warning.contains("own words") && warning.contains(row.says),
            "{warning}"
        );
        assert!(!sidecar.to_string().contains("CANARY"), "{}", row.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_question_is_asked_again() {
    let busy = r#"{"code":"resource-exhausted","error":"Too many requests"}"#;
    let rig = PlannerRig::start(move |_, before| match before {
        0 => Answer::new(429, busy).header("retry-after", 0),
        _ => answer_with("{\"prompt\":\"Planned.\"}"),
    })
    .await;
    rig.client().generate(request().plan(settings())).await.unwrap();
    assert_eq!(rig.questions().len(), 2);
    assert_eq!(rig.creates().len(), 1);
    assert_eq!(rig.creates()[0]["prompt"], "Planned.");

    // At most three times, and no wait exceeds the deadline.
    for (retry_after, deadline, tries) in [(0, MAX_WAIT, 3), (600, secs(30), 1)] {
        let rig =
            PlannerRig::start(move |_, _| Answer::new(429, busy).header("retry-after", retry_after)).await;
        let request = request().plan(settings().deadline(deadline));
        let error = rig.client().generate(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.may_have_been_charged(), Charge::No);
        assert_eq!(error.attempts(), tries);
        assert_eq!(rig.questions().len(), tries as usize);
        assert!(rig.creates().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_was_never_sent_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Port 1 is never handed out as an ephemeral port, so no other test listens there.
    let client = builder("http://127.0.0.1:1/v1", folder.path()).build().unwrap();
    let request = request().plan(settings());
    let error = client.generate(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_request_asks_no_question() {
    let rig = PlannerRig::planning("Never.").await;
    let client = rig.client();
    let refused = client.generate(request().duration(secs(99)).plan(true)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let blank = PlannerSettings::default().model("");
    let refused = client.generate(request().plan(blank.clone())).await;
    assert!(refused.unwrap_err().to_string().contains("model is blank"));
    let error = rig.builder().planner(blank).build().unwrap_err();
    assert!(error.to_string().contains("model is blank"));
    assert!(rig.server.requests().is_empty());
}
