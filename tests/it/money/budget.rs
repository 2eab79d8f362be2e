//! Reservations, settled costs, and the requests that a budget refuses.

#![cfg(feature = "cli")]

use std::time::Duration;

use std::future::IntoFuture as _;

use reelkin::sandbox::Sandbox;
use reelkin::{
    Budget, Charge, ContinueRequest, ErrorKind, GenerateRequest, JobOutcome, UsdTicks, VideoClient, secs, usd,
};

use crate::support::bench::{Bench, ms, polls_until, request};
use crate::support::journal::ledger;
use crate::support::library::at;
use crate::support::outcomes::{counts, generate};
use crate::support::program::{GENERATE, Program};

/// One second at 480p of the classic model.
const CLIP: u64 = 500_000_000;

fn with(bench: &Bench, budget: Budget) -> VideoClient {
    bench.builder().budget(budget).build().unwrap()
}

fn ticks(amount: u64) -> UsdTicks {
    UsdTicks::new(amount)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_refuses_before_anything_is_sent() {
    let bench = Bench::start(&[]).await;
    for (budget, words) in [
        (
            Budget::new().per_request(ticks(CLIP - 1)),
            "the limit of a request is",
        ),
        (Budget::new().per_day(ticks(CLIP - 1)), "today"),
        (Budget::new().per_library(ticks(CLIP - 1)), "in this library"),
    ] {
        let error = with(&bench, budget).generate(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.may_have_been_charged(), reelkin::Charge::No);
    }
    assert_eq!(bench.state().create_requests, 0);
    let client = with(&bench, Budget::new().per_day(ticks(2 * CLIP)));
    assert_eq!(
        client.spent(..).await.unwrap(),
        reelkin::Spent::default(),
        "a refusal leaves nothing"
    );
    client.generate(request()).await.unwrap();
    // Another client, the same ledger.
    let other = with(&bench, Budget::new().per_day(ticks(2 * CLIP)));
    other.generate(request()).await.unwrap();
    let error = other.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(bench.state().creates, 2);
    let spent = client.spent(..).await.unwrap();
    assert_eq!(
        (spent.requests, spent.paid, spent.reserved),
        (2, ticks(2 * CLIP), UsdTicks::ZERO)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_stay_within_the_limit() {
    let bench = Bench::start(&[]).await;
    let clients: Vec<_> = (0..3)
        .map(|_| with(&bench, Budget::new().per_day(ticks(3 * CLIP))))
        .collect();
    let jobs = (0..12).map(|index| clients[index % 3].generate(request()).into_future());
    let results = futures_util::future::join_all(jobs).await;
    let saved = results.iter().filter(|result| result.is_ok()).count();
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    }
    assert_eq!((saved, bench.state().creates), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_a_limit() {
    let bench = Bench::start(&[]).await;
    let run = || {
        let args = [
            "generate",
            "a boat",
            "--duration",
            "1",
            "--budget-day",
            "0.10",
            "--json",
        ];
        Program::at(&bench).args(args).run()
    };
    let runs = futures_util::future::join_all((0..5).map(|_| run())).await;
    let codes: Vec<i32> = runs.iter().map(|ran| ran.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 2, "{runs:?}");
    assert_eq!(codes.iter().filter(|code| **code == 5).count(), 3, "{runs:?}");
    assert_eq!(bench.state().creates, 2);
    let refused = runs.iter().find(|ran| ran.code == 5).unwrap().json();
    assert_eq!(refused["error"]["outcome"], "budget");
    assert_eq!(refused["error"]["may_have_been_charged"], "no");
    let ran = Program::at(&bench).args(["ls", "--cost"]).run().await;
    assert!(ran.stdout.contains("today (UTC): $0.10 in 2 requests"), "{ran:?}");
    let json = Program::at(&bench)
        .args(["ls", "--cost", "--json"])
        .run()
        .await
        .json();
    assert_eq!(json["spent"]["all"]["paid_usd_ticks"], 2 * CLIP);
    // The environment variable works like the option.
    let ran = Program::at(&bench)
        .env("REELKIN_BUDGET_LIBRARY", "0.10")
        .args(GENERATE)
        .run()
        .await;
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_is_counted_in_the_singular() {
    let bench = Bench::start(&[]).await;
    bench.client().generate(request()).await.unwrap();
    let ran = Program::at(&bench).args(["ls", "--cost"]).run().await;
    assert!(
        ran.stdout.contains("today (UTC): $0.05 in 1 request\n"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_price_is_refused_under_a_limit() {
    let bench = Bench::start(&[]).await;
    let unpriced = || {
        let mut request = GenerateRequest::text("a boat").duration(secs(1));
        request.model = Some("grok-imagine-video".into());
        request
    };
    let table = reelkin::model::ModelTable::built_in().unwrap().clone();
    let mut table = table;
    table.models[0].prices.clear();
    let client = |budget| {
        bench
            .builder()
            .models(table.clone())
            .budget(budget)
            .build()
            .unwrap()
    };
    let budget = Budget::new().per_day(usd("5.00").unwrap());
    let error = client(budget).generate(unpriced()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    assert!(error.to_string().contains("no price"), "{error}");
    assert_eq!(bench.state().create_requests, 0);
    client(budget.unknown_prices(true))
        .generate(unpriced())
        .await
        .unwrap();
    let spent = client(budget).spent(..).await.unwrap();
    assert_eq!(
        (spent.paid, spent.unpriced),
        (ticks(CLIP), 0),
        "the service named the cost"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_costs_stay_in_the_ledger_as_estimates() {
    for (fault, paid, estimated, reserved) in [
        // Charged, and the amount is unknown.
        ("moderated=400", 0, CLIP, 0),
        ("failed=internal_error", 0, CLIP, 0),
        ("no-usage", 0, CLIP, 0),
        // A create without a reply waits for manual settlement.
        ("create:lost-reply", 0, 0, CLIP),
        // Refused: nothing was charged, and nothing is recorded.
        ("create:status=401", 0, 0, 0),
        ("create:429-credits", 0, 0, 0),
    ] {
        let bench = Bench::start(&[fault]).await;
        let _ = bench.client().generate(request()).await;
        let spent = bench.client().spent(..).await.unwrap();
        assert_eq!(
            (spent.paid, spent.estimated, spent.reserved, spent.unpriced),
            (ticks(paid), ticks(estimated), ticks(reserved), 0),
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planner_and_analysis_questions_count() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client.generate(request()).await.unwrap();
    let before = client.spent(..).await.unwrap();
    let notes = client.analyze(&clip).await.unwrap();
    let after = client.spent(..).await.unwrap();
    let asked = notes.cost.unwrap();
    assert!(asked > UsdTicks::ZERO);
    assert_eq!(
        (after.requests, after.paid),
        (before.requests + 1, before.paid + asked)
    );

    let goes_on = ContinueRequest::new("the lamp turns on")
        .duration(secs(1))
        .plan(true);
    let child = client.continue_from(&clip, goes_on.clone()).await.unwrap();
    let ours = child.record.unwrap().reelkin.unwrap();
    let planning = ours.planner.unwrap().cost.unwrap();
    let spent = client.spent(..).await.unwrap();
    assert_eq!(spent.paid, after.paid + planning + ours.cost.unwrap());

    // The plan is paid and the clip is refused. The cost of the plan stays in the ledger.
    let refusing = Bench::start(&["create:status=401"]).await;
    let client = refusing.client();
    let file = refusing.folder.path().join("clip.mp4");
    std::fs::copy(clip.path.unwrap(), &file).unwrap();
    let error = client.continue_from(file, goes_on.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let spent = client.spent(..).await.unwrap();
    assert!(
        spent.paid > UsdTicks::ZERO && spent.reserved == UsdTicks::ZERO,
        "{spent:?}"
    );
    assert_eq!(refusing.state().answers, 1);

    // A limit is compared with the maximum cost of a question.
    let tight = with(&refusing, Budget::new().per_request(ticks(CLIP)));
    let file = refusing.folder.path().join("clip.mp4");
    let error = tight.continue_from(file, goes_on).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    assert_eq!(refusing.state().answers, 1);
}

/// The reservation for a plan is an upper bound in every script. A limit one tick below the price of the question
/// plus the clip refuses the same request before it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_never_costs_more_than_was_reserved() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    // Four clips of a series, each with a prompt of the maximum length.
    for lamp in ["\u{1f3ae}", "\u{1f4a1}", "\u{706f}", "\u{1f56f}"] {
        let earlier = GenerateRequest::text(lamp.repeat(4096))
            .duration(secs(1))
            .topic("lamps");
        client.generate(earlier).await.unwrap();
    }
    for (name, words, topic) in [
        ("short", "a lamp".to_owned(), None),
        ("long", "a lamp glows ".repeat(310), None),
        ("Chinese", "\u{706f}\u{5854}".repeat(2000), None),
        (
            "Japanese",
            "\u{3089}\u{3093}\u{3077}\u{706f}".repeat(1000),
            Some("lamps"),
        ),
        ("emoji", "\u{1f3ae}".repeat(4000), Some("lamps")),
    ] {
        let mut planned = GenerateRequest::text(words).duration(secs(1)).plan(true);
        planned.topic = topic.map(str::to_owned);
        let before = client.spent(..).await.unwrap().paid.ticks();
        let saved = client.generate(planned.clone()).await.is_ok();
        let paid = client.spent(..).await.unwrap().paid.ticks() - before;
        let charged = paid - if saved { CLIP } else { 0 };
        assert!(charged > 0, "{name}: nothing was asked");
        let answers = bench.state().answers;
        let tight = with(&bench, Budget::new().per_request(ticks(CLIP + charged - 1)));
        let error = tight.generate(planned).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Budget,
            "{name}: charged {charged}: {error}"
        );
        assert_eq!(bench.state().answers, answers, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spending_is_summed_over_the_given_period() {
    let bench = Bench::with(
        Sandbox::builder().min_job_duration(Duration::from_millis(100)),
        &[],
    )
    .await;
    let policy = polls_until(ms(20_000));
    let client = bench.builder().poll(policy).build().unwrap();
    let first = client.generate(request()).await.unwrap();
    let second = client.generate(request()).await.unwrap();
    // Ledger entries are named by the time of the reservation, clips by the time of acceptance.
    let cut = second.id.millis().unwrap() - 1;
    assert!(first.id.millis().unwrap() < cut);
    let all = client.spent(..).await.unwrap();
    assert_eq!(all.requests, 2);
    assert_eq!(client.spent(..at(0)).await.unwrap().requests, 0);
    assert_eq!(client.spent(at(0)..at(u64::MAX)).await.unwrap().requests, 2);
    assert_eq!(client.spent(at(cut + 10_000_000)..).await.unwrap().requests, 0);
    let day = 86_400_000;
    let today = cut - cut % day;
    assert_eq!(
        client.spent(at(today - day)..at(today)).await.unwrap().requests,
        0
    );
    assert!(client.spent(at(today)..at(today + day)).await.unwrap().requests >= 1);
}

// Requirement: field study of other clients, report 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_fail_or_expire_after_acceptance_stay_in_the_ledger() {
    for (fault, word) in [("failed=internal_error", "failed"), ("expired", "expired")] {
        let bench = Bench::start(&[fault]).await;
        let outcome = generate(&bench).await;
        assert_eq!(
            (outcome.code(), outcome.may_have_been_charged()),
            (word, Charge::Unknown)
        );
        assert_eq!(ledger(&bench.library())[0]["state"], "failed", "{fault}");
        let spent = bench.client().spent(..).await.unwrap();
        let want = (1, UsdTicks::ZERO, ticks(CLIP), UsdTicks::ZERO);
        let have = (spent.requests, spent.paid, spent.estimated, spent.reserved);
        assert_eq!(have, want, "{fault}");
    }
    let bench = Bench::start(&[]).await;
    generate(&bench).await;
    let spent = bench.client().spent(..).await.unwrap();
    assert_eq!((spent.paid, spent.estimated), (ticks(CLIP), UsdTicks::ZERO));
}

// Requirement: field study of other clients, report 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_in_a_loop_spends_no_more_than_its_limit() {
    let bench = Bench::start(&[]).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        // A new client each time, as an agent's tool calls are.
        let budget = Budget::new().per_day(ticks(2 * CLIP));
        let client = bench.builder().budget(budget).build().unwrap();
        let outcome = JobOutcome::from(client.generate(request()).await);
        codes.push((outcome.code(), outcome.may_have_been_charged()));
    }
    let (paid, refused) = (("done", Charge::Yes), ("budget", Charge::No));
    assert_eq!(codes, [paid, paid, refused, refused]);
    assert_eq!(counts(&bench), (2, 2, 2));
}
