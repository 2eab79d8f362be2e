//! The estimate of each verb against what the sandbox charges.

#![cfg(feature = "cli")]

use reelkin::media::Frame;
use reelkin::{
    ChainRequest, ContinueRequest, ContinueStrategy, EditRequest, ErrorKind, ExtendRequest, FrameChoice,
    GenerateRequest, MediaInput, Resolution, UsdTicks, VideoClient, VideoRequest, secs,
};

use crate::support::bench::{Bench, PENDING, request};

fn step(prompt: &str) -> ContinueRequest {
    ContinueRequest::new(prompt).duration(secs(1)).plan(false)
}

/// Makes the clip of a request and returns its cost.
async fn make(client: &VideoClient, request: VideoRequest) -> UsdTicks {
    let clip = match request {
        VideoRequest::Generate { request } => client.generate(request).await,
        VideoRequest::Edit { request } => client.edit(request).await,
        VideoRequest::Extend { request } => client.extend(request).await,
        VideoRequest::Continue { clip, request } => client.continue_from(clip, request).await,
        other => panic!("{other:?}"),
    };
    clip.unwrap().cost().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimate_of_each_verb_is_what_it_costs() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let clip = client
        .generate(request().duration(secs(2)).resolution("480p"))
        .await
        .unwrap();
    let extension = ContinueRequest::new("a ship")
        .duration(secs(2))
        .strategy(ContinueStrategy::Extend)
        .plan(false);
    let requests: [(VideoRequest, u64, &str); 6] = [
        (
            GenerateRequest::text("dusk")
                .duration(secs(3))
                .resolution("480p")
                .into(),
            3,
            "480p",
        ),
        (EditRequest::new(&clip, "at night").into(), 2, "480p"),
        (
            ExtendRequest::new(&clip, "a ship").duration(secs(2)).into(),
            4,
            "480p",
        ),
        ((&clip, step("a storm")).into(), 1, "720p"),
        ((&clip, step("a storm").resolution("480p")).into(), 1, "480p"),
        ((&clip, extension).into(), 4, "480p"),
    ];
    for (request, seconds, resolution) in requests {
        let sent = bench.state().create_requests;
        let estimate = client.estimate(request.clone()).await.unwrap();
        assert_eq!(bench.state().create_requests, sent, "{request:?}");
        let cost = make(&client, request.clone()).await;
        assert_eq!((estimate.cost, estimate.clips), (Some(cost), 1), "{request:?}");
        assert_eq!(
            estimate.resolution,
            Some(Resolution::from(resolution)),
            "{request:?}"
        );
        let duration = estimate.duration.unwrap().as_secs_f64();
        assert!((duration - seconds as f64).abs() < 0.1, "{request:?}: {duration}");
        assert_eq!(estimate.warnings, Vec::<String>::new(), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimate_of_a_chain_counts_the_clips_that_were_not_sent() {
    let bench = Bench::start(&["create:status=400,times=1,prompt=ship"]).await;
    let client = bench.client();
    let film = ChainRequest::generate(request().resolution("720p"))
        .then(step("the lamp turns on"))
        .then(step("a ship answers"))
        .name("film");
    let all = client.estimate(&film).await.unwrap();
    assert_eq!((all.clips, all.duration), (3, Some(secs(3))));
    assert!(!bench.library().join("chains").join("film.json").exists());
    assert_eq!(bench.state().create_requests, 0);

    client.chain(film.clone()).await.unwrap_err();
    let made: UsdTicks = client.library().chain("film").await.unwrap().cost();
    let rest = client.estimate(ChainRequest::resume("film")).await.unwrap();
    assert_eq!((rest.clips, rest.duration), (1, Some(secs(1))));
    assert_eq!(made + rest.cost.unwrap(), all.cost.unwrap());

    let outcome = client.chain(film.clone()).await.unwrap();
    assert_eq!(Some(outcome.cost), all.cost);
    let none = client.estimate(film).await.unwrap();
    assert_eq!((none.clips, none.cost), (0, Some(UsdTicks::ZERO)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_sent_is_neither_checked_nor_counted() {
    let bench = Bench::start(&[PENDING]).await;
    let client = bench.client();
    let image = Frame::from_rgb(64, 64, vec![90; 64 * 64 * 3])
        .unwrap()
        .to_png()
        .unwrap();
    // The record of the chain does not keep the image, so only this request could send the first step.
    let first = GenerateRequest::image(MediaInput::bytes("a field", image)).prompt("dusk");
    let film = ChainRequest::generate(first.duration(secs(1)))
        .then(step("the lamp turns on"))
        .name("film");
    let all = client.estimate(&film).await.unwrap();
    let chain = client.chain(film.clone()).start().await.unwrap();
    bench.until("the create", |state| state.creates == 1).await;
    chain.stop_waiting();
    chain.wait().await.unwrap_err();

    for request in [film, ChainRequest::resume("film")] {
        let rest = client.estimate(&request).await.unwrap();
        assert_eq!((rest.clips, rest.duration), (1, Some(secs(1))), "{request:?}");
        assert!(rest.cost.unwrap() < all.cost.unwrap(), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_fails_for_what_its_verb_refuses() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let long = client.generate(request().duration(secs(10))).await.unwrap();
    let refused: [(VideoRequest, ErrorKind, &str); 7] = [
        (
            GenerateRequest::text(" ").into(),
            ErrorKind::InvalidRequest,
            "prompt",
        ),
        (
            EditRequest::new(&long, "at night").into(),
            ErrorKind::InvalidRequest,
            "8.7 s",
        ),
        (
            ExtendRequest::new(MediaInput::clip("nothing"), "on").into(),
            ErrorKind::NotFound,
            "nothing",
        ),
        (
            (
                MediaInput::parse("https://example.com/a.mp4").unwrap(),
                step("on"),
            )
                .into(),
            ErrorKind::InvalidRequest,
            "local file",
        ),
        (
            ChainRequest::resume("nothing").into(),
            ErrorKind::NotFound,
            "nothing",
        ),
        (
            (&long, step("on").frame(FrameChoice::SharpestOfLast(1))).into(),
            ErrorKind::InvalidRequest,
            "use 2 to 48",
        ),
        (
            ChainRequest::from_clip(&long).into(),
            ErrorKind::InvalidRequest,
            "no steps",
        ),
    ];
    for (request, kind, words) in refused {
        let error = client.estimate(request.clone()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{request:?}: {error}");
        assert!(error.to_string().contains(words), "{request:?}: {error}");
    }

    // A clip that cannot be measured here has no price in advance.
    let remote = MediaInput::parse("https://example.com/a.mp4").unwrap();
    let unknown = client
        .estimate(EditRequest::new(remote, "at night"))
        .await
        .unwrap();
    assert_eq!((unknown.cost, unknown.duration, unknown.clips), (None, None, 1));
    assert_eq!(bench.state().create_requests, 1);
}
