//! Chains through the client: one create for each clip, one family, one budget, and resuming.

#![cfg(feature = "cli")]

use reelkin::library::ChainStepState;
use reelkin::{
    ChainEvent, ChainRequest, Charge, ContinueRequest, ContinueStrategy, ErrorKind, GenerateRequest,
    JobEvent, MediaInput, ModelTable, RetryAdvice, Settlement, secs, usd,
};
use serde_json::Value;

use crate::support::bench::{Bench, PENDING, film, real_clip, request, step, wait_until};
use crate::support::journal::ledger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_steps_extend_a_clip_to_a_family_of_four_with_one_create_each() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let first = client.generate(request()).await.unwrap();
    let asked = ChainRequest::from_clip(&first)
        .then(step("the lamp turns on"))
        .then(step("a ship answers"))
        .then(step("the ship comes in"));
    let chain = client.chain(asked.clone()).start().await.unwrap();
    let made = chain.wait().await.unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (4, 4));
    assert_eq!((made.clips.len(), made.drift.len()), (3, 3));
    assert_eq!(&made.id, chain.id());

    // Each has the one before as its parent, and the last one lists all of them.
    let mut before = first.id.to_string();
    for (index, clip) in made.clips.iter().enumerate() {
        let ours = clip.record.as_ref().unwrap().reelkin.as_ref().unwrap();
        let parent = &ours.parents.as_ref().unwrap()[0];
        assert_eq!(parent.id.as_deref(), Some(before.as_str()));
        assert_eq!(parent.relation.as_deref(), Some("continue"));
        let note = &ours.extra["chain"];
        assert_eq!(
            (&note["id"], &note["clip"]),
            (&made.id.as_str().into(), &(index + 1).into())
        );
        assert!(note["drift"]["contrast_ratio"].is_f64(), "{note}");
        before = clip.id.to_string();
    }
    let last = &bench.clips()[3].sidecar;
    assert_eq!(
        last["videoContinuity"]["entries"].as_array().map(Vec::len),
        Some(4),
        "{last}"
    );
    // The cost of a chain includes planning.
    let ticks = |value: &Value| value.as_u64().unwrap();
    let paid: u64 = bench.clips()[1..]
        .iter()
        .map(|clip| &clip.sidecar["reelkin"])
        .map(|ours| ticks(&ours["cost_usd_ticks"]) + ticks(&ours["planner"]["cost_usd_ticks"]))
        .sum();
    assert_eq!(made.cost.ticks(), paid);

    // All events in order, also for a late watcher.
    let mut events = chain.events();
    let (mut numbers, mut sent) = (Vec::new(), 0);
    while let Some(event) = events.next().await {
        match event {
            ChainEvent::StepStarted {
                clip,
                of: 3,
                job_id: None,
            } => numbers.push((clip, "started")),
            ChainEvent::StepFinished {
                clip,
                of: 3,
                drift: Some(_),
                earlier: false,
                ..
            } => numbers.push((clip, "finished")),
            ChainEvent::Step {
                clip,
                job: JobEvent::Submitted { .. },
            } => sent += clip,
            ChainEvent::Step { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let each = |clip| [(clip, "started"), (clip, "finished")];
    assert_eq!(numbers, [each(1), each(2), each(3)].concat());
    assert_eq!(sent, 1 + 2 + 3);

    // The same request is the same chain.
    let again = client.chain(asked).await.unwrap();
    assert_eq!(again, made);
    assert_eq!(client.chain(ChainRequest::resume(&made.id)).await.unwrap(), made);
    assert_eq!(bench.state().creates, 4);
    assert_eq!(
        client
            .library()
            .list(reelkin::library::ListOptions::default())
            .await
            .unwrap()
            .clips
            .len(),
        4
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_continues_any_file_and_by_extensions() {
    let bench = Bench::start(&[]).await;
    let asked = ChainRequest::from_clip(MediaInput::bytes("a clip", real_clip().await))
        .then(step("on"))
        .then(
            ContinueRequest::new("and on")
                .duration(secs(2))
                .strategy(ContinueStrategy::Auto),
        )
        .budget(usd("5").unwrap());
    let made = bench.client().chain(asked).await.unwrap();
    let modes: Vec<_> = bench.state().jobs.iter().map(|job| job.mode.clone()).collect();
    // A second is too short for an extension.
    assert_eq!(modes, ["image", "image"]);
    assert!(made.drift.iter().all(Option::is_some), "{:?}", made.drift);

    let two = bench
        .client()
        .generate(request().duration(secs(2)))
        .await
        .unwrap();
    let asked = ChainRequest::from_clip(&two).then(
        ContinueRequest::new("longer")
            .duration(secs(2))
            .strategy(ContinueStrategy::Extend),
    );
    let made = bench.client().chain(asked).await.unwrap();
    assert_eq!(bench.state().jobs.last().unwrap().mode, "extend");
    let ours = made.clips[0].record.as_ref().unwrap().reelkin.as_ref().unwrap();
    assert_eq!(ours.operation.as_deref(), Some("extend"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_steps_are_refused_before_the_first_create() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let too_long = ContinueRequest::new("x")
        .duration(secs(8))
        .strategy(ContinueStrategy::Extend);
    for (asked, words) in [
        (
            film().then(step("x").duration(secs(99))),
            "check clip 3 of the chain",
        ),
        // One extension by 8 s fits. Then the clip is too long for another one.
        (
            ChainRequest::generate(request().duration(secs(2)))
                .then(too_long.clone())
                .then(too_long.clone())
                .then(too_long),
            "check clip 3 of the chain",
        ),
        (film().name("../film"), "parse chain id"),
        (ChainRequest::resume("nothing"), "find chain \"nothing\""),
        (
            ChainRequest::from_clip(MediaInput::clip("gone")).then(step("x")),
            "gone",
        ),
        (
            ChainRequest::from_clip(MediaInput::Url("https://host/a.mp4".into())).then(step("x")),
            "on this machine",
        ),
    ] {
        let error = client.chain(asked).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(bench.state().create_requests, 0);
    let records = std::fs::read_dir(bench.library().join("chains"))
        .into_iter()
        .flatten();
    let left: Vec<_> = records
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| {
            std::path::Path::new(name)
                .extension()
                .is_none_or(|end| end != "lock")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_covers_all_clips_of_a_chain() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    // Three clips of a second at $0.05, two of them with an input picture.
    let error = client
        .chain(film().budget(usd("0.10").unwrap()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(error.to_string().contains("the limit is $0.10"), "{error}");
    let unknown = film()
        .then(step("x").model("grok-imagine-video-9"))
        .budget(usd("50").unwrap());
    let error = client.chain(unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
    assert!(error.to_string().contains("no price for clip 3"), "{error}");
    assert_eq!(bench.state().create_requests, 0);

    // The table underestimates the price. The actual cost counts.
    let table = include_str!("../../../src/model/models.toml").replace("usd = \"0.05\"", "usd = \"0.02\"");
    let table = ModelTable::from_toml(&table).unwrap();
    let cheap = bench.builder().models(table).build().unwrap();
    let asked = film().name("film").budget(usd("0.09").unwrap());
    let error = cheap.chain(asked.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(error.to_string().contains("are spent"), "{error}");
    let creates = bench.state().creates;
    assert!((1..3).contains(&creates), "{creates}");
    let record = cheap.library().chain("film").await.unwrap();
    assert_eq!(record.unfinished(), Some(creates as usize));

    // Refused again, and completed with a larger budget.
    assert_eq!(cheap.chain(asked).await.unwrap_err().kind(), ErrorKind::Budget);
    assert_eq!(bench.state().creates, creates);
    let made = cheap
        .chain(ChainRequest::resume("film").budget(usd("1").unwrap()))
        .await
        .unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_chain_is_resumed_by_its_id() {
    let bench = Bench::start(&[&format!("{PENDING},prompt=lamp")]).await;
    let chain = bench.client().chain(film()).start().await.unwrap();
    let state = bench.until("the second create", |state| state.creates == 2).await;
    chain.stop_waiting();
    let error = chain.wait().await.unwrap_err();
    bench.end_pending();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(error.job_id(), Some(state.jobs[1].id.as_str()));
    let record = bench.client().library().chain(chain.id()).await.unwrap();
    let states: Vec<_> = record.steps.iter().map(|step| step.state).collect();
    assert_eq!(
        states,
        [ChainStepState::Done, ChainStepState::Sent, ChainStepState::Open]
    );

    // A budget that is too small for the rest does not lose the paid clips.
    let little = ChainRequest::resume(chain.id()).budget(usd("0.01").unwrap());
    let error = bench.client().chain(little).await.unwrap_err();
    assert_eq!((error.kind(), bench.clips().len()), (ErrorKind::Budget, 2));

    let made = bench
        .client()
        .chain(ChainRequest::resume(chain.id()))
        .await
        .unwrap_err();
    assert_eq!(
        made.kind(),
        ErrorKind::Budget,
        "the budget of the last call is the chain's"
    );
    let more = ChainRequest::resume(chain.id()).budget(usd("1").unwrap());
    let made = bench.client().chain(more).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 3));
}

/// The service asks the client to wait for a minute, and the chain is stopped during that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_chain_does_not_repeat_a_refused_create() {
    let bench = Bench::start(&["create:429=60,times=1"]).await;
    let client = bench.client();
    let chain = client.chain(film()).start().await.unwrap();
    bench
        .until("the refused create", |state| state.create_requests == 1)
        .await;
    chain.stop_waiting();
    let error = chain.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_been_charged()),
        (ErrorKind::Stopped, Charge::No),
        "{error}"
    );
    assert_eq!((bench.state().create_requests, bench.state().creates), (1, 0));
    assert_eq!(client.spent(..).await.unwrap().total().ticks(), 0);

    // Another client, because the rate limiter of the first one still waits.
    let resumed = ChainRequest::resume(chain.id());
    let made = bench.client().chain(resumed).await.unwrap();
    assert_eq!((made.clips.len(), bench.state().creates), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_chain_completes_and_allows_no_second_driver() {
    let bench = Bench::start(&[PENDING]).await;
    let client = bench.client();
    let chain = client.chain(film()).start().await.unwrap();
    let id = chain.id().clone();
    drop(chain);
    let error = client.chain(film()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library);
    assert!(error.to_string().contains("working on it"), "{error}");
    bench.end_pending();
    let is_finished = async || {
        let record = client.library().chain(&id).await;
        record.is_ok_and(|record| record.unfinished().is_none())
    };
    wait_until(|| format!("the chain: {:?}", bench.state()), is_finished).await;
    assert_eq!((bench.state().creates, bench.clips().len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_starts_another_chain_of_the_same_steps() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let short = |name: &str| ChainRequest::generate(request()).then(step("on")).name(name);
    let one = client.chain(short("one")).await.unwrap();
    let two = client.chain(short("two")).await.unwrap();
    assert_eq!((one.id.as_str(), two.id.as_str()), ("one", "two"));
    assert_ne!(one.clips, two.clips);
    assert_eq!(bench.state().creates, 4);
    // More steps can be added. Other prompts for finished steps are refused.
    let longer = client.chain(short("one").then(step("further"))).await.unwrap();
    assert_eq!((longer.clips.len(), &longer.clips[..2]), (3, &one.clips[..]));
    let error = client
        .chain(
            ChainRequest::generate(GenerateRequest::text("noon"))
                .then(step("on"))
                .name("one"),
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("in other words"), "{error}");
    assert_eq!(bench.state().creates, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_failed_three_times_at_no_charge_is_not_sent_again() {
    let bench = Bench::start(&["failed=internal_error,prompt=second"]).await;
    let film = || {
        let second = ContinueRequest::new("second")
            .duration(secs(1))
            .resolution("480p");
        ChainRequest::generate(request()).then(second)
    };
    let library = bench.client().library().clone();
    for attempt in 1..=3 {
        let error = bench.client().chain(film()).await.unwrap_err();
        assert_eq!(bench.state().creates, 1 + attempt, "{error}");
        // The person found no charge in the account.
        let record = &ledger(&bench.library())[usize::try_from(attempt).unwrap()];
        let id = record["id"].as_str().unwrap();
        library.settle(id, Settlement::NeverMade).await.unwrap();
    }
    let error = bench.client().chain(film()).await.unwrap_err();
    assert!(error.to_string().contains("clip 1 failed 3 times"), "{error}");
    assert_eq!(error.retry_advice(), RetryAdvice::Change);
    assert_eq!(bench.state().creates, 4);
}

// Requirement: field study of other clients, report 17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_chain_continues_where_it_stopped() {
    let bench = Bench::start(&["failed=internal_error,prompt=third,times=1"]).await;
    let step = |prompt: &str| ContinueRequest::new(prompt).duration(secs(1)).resolution("480p");
    let film = || {
        ChainRequest::generate(request())
            .then(step("second"))
            .then(step("third"))
    };
    let error = bench.client().chain(film()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed, "{error}");
    assert_eq!((bench.state().creates, bench.clips().len()), (3, 2));
    // A person has to tell whether the failed job was charged.
    let refused = bench.client().chain(film()).await.unwrap_err();
    let library = bench.client().library().clone();
    library
        .settle(refused.record_id().unwrap(), Settlement::NeverMade)
        .await
        .unwrap();
    let made = bench.client().chain(film()).await.unwrap();
    assert_eq!(made.clips.len(), 3);
    assert_eq!(
        (bench.state().creates, bench.clips().len()),
        (4, 3),
        "only the third"
    );
}
