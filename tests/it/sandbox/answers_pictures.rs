//! Descriptions of generated pictures by the sandbox, on both routes.

#![cfg(feature = "sandbox")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reelkin::media::Frame;
use serde_json::{Value, json};

use crate::sandbox::language::{CHAT, RESPONSES, item, message_text};
use crate::sandbox::raw::{RawBench, read_reply};

const WIDTH: usize = 320;

const HEIGHT: usize = 180;

fn frame(pixel: impl Fn(usize, usize) -> [u8; 3]) -> Frame {
    let all = (0..WIDTH * HEIGHT).flat_map(|at| pixel(at % WIDTH, at / WIDTH));
    Frame::from_rgb(WIDTH as u32, HEIGHT as u32, all.collect()).unwrap()
}

fn square(left: usize) -> Frame {
    frame(move |x, y| {
        let inside = (left..left + 50).contains(&x) && (60..110).contains(&y);
        if inside { [250, 220, 20] } else { [20, 40, 110] }
    })
}

fn png(frame: &Frame) -> String {
    format!(
        "data:image/png;base64,{}",
        STANDARD.encode(frame.to_png().unwrap())
    )
}

fn jpeg(frame: &Frame) -> String {
    format!(
        "data:image/jpeg;base64,{}",
        STANDARD.encode(frame.to_jpeg(90).unwrap())
    )
}

fn picture_request(text: &str, pictures: &[String]) -> Value {
    let mut content = vec![json!({ "type": "input_text", "text": text })];
    content.extend(
        pictures
            .iter()
            .map(|url| json!({ "type": "input_image", "image_url": url })),
    );
    json!({ "model": "grok-4.3", "input": [{ "role": "user", "content": content }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colors_light_and_motion_are_described_from_the_pixels() {
    let bench = RawBench::quick().await;
    let describe = async |pictures: &[String]| {
        let (status, answer) = bench
            .post_json(RESPONSES, &picture_request("Describe this clip.", pictures))
            .await;
        assert_eq!(status, 200, "{answer}");
        message_text(&answer).to_owned()
    };
    let halves = frame(|x, _| {
        if x < WIDTH / 2 {
            [220, 20, 20]
        } else {
            [20, 40, 220]
        }
    });
    for picture in [png(&halves), jpeg(&halves)] {
        let said = describe(&[picture]).await;
        assert!(said.contains("red (50 %, at the left)"), "{said}");
        assert!(said.contains("blue (50 %, at the right)"), "{said}");
    }
    assert!(
        describe(&[png(&frame(|_, _| [245; 3]))])
            .await
            .contains("bright with low contrast")
    );
    assert!(
        describe(&[png(&frame(|_, _| [9; 3]))])
            .await
            .contains("dark with low contrast")
    );
    let said = describe(&[png(&square(20)), png(&square(240))]).await;
    assert!(
        said.contains("something moves to the right, from the left to the right"),
        "{said}"
    );
    let said = describe(&[jpeg(&square(240)), jpeg(&square(130)), jpeg(&square(20))]).await;
    assert!(
        said.contains("something moves to the left, from the right to the left"),
        "{said}"
    );
    let said = describe(&[jpeg(&square(60)), png(&square(60))]).await;
    assert!(said.contains("nothing visible changes"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_with_a_schema_are_filled_from_the_pixels() {
    let bench = RawBench::quick().await;
    let text = json!({ "type": "string" });
    let list = json!({ "type": "array", "items": text });
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "properties": { "camera": text, "light": text, "palette": list, "subjects": list, "motion": text, "prompt": text },
        "required": ["camera", "light", "palette", "subjects", "motion", "prompt"],
    });
    let mut body = picture_request(
        "A clip of 3.00 s that has sound. 2 frames of it follow.",
        &[jpeg(&square(20)), jpeg(&square(240))],
    );
    body["text"] =
        json!({ "format": { "type": "json_schema", "name": "notes", "schema": schema, "strict": true } });
    let (status, answer) = bench.post_json(RESPONSES, &body).await;
    assert_eq!(status, 200, "{answer}");
    let notes: Value = serde_json::from_str(message_text(&answer)).unwrap();
    assert_eq!(notes["camera"], "holds still");
    let palette = notes["palette"].as_array().unwrap();
    assert!(
        palette.contains(&json!("dark blue")) && palette.contains(&json!("yellow")),
        "{notes}"
    );
    for field in ["motion", "prompt"] {
        assert!(
            notes[field].as_str().unwrap().contains("moves to the right"),
            "{notes}"
        );
    }
    // A picture is charged as input.
    let usage = &answer["usage"];
    assert!(usage["input_tokens"].as_u64().unwrap() > 2 * 256, "{usage}");
    assert_eq!(item(&answer, "function_call"), &Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_remembered_in_a_conversation_and_may_be_files() {
    let bench = RawBench::quick().await;
    let green = frame(|_, _| [30, 190, 60]);
    let form = reqwest::multipart::Form::new().part(
        "file",
        reqwest::multipart::Part::bytes(green.to_png().unwrap()).file_name("green.png"),
    );
    let upload = bench
        .http
        .post(bench.url("/files"))
        .bearer_auth(bench.sandbox.api_key());
    let (_, file) = read_reply(upload.multipart(form).send().await.unwrap()).await;
    let body = json!({ "model": "grok-4.3", "input": [{ "role": "user", "content": [
        { "type": "input_image", "file_id": file["id"] }, { "type": "input_text", "text": "What is it?" }] }] });
    let (_, first) = bench.post_json(RESPONSES, &body).await;
    assert!(
        message_text(&first).contains("green (100 %, everywhere)"),
        "{first}"
    );
    let next = json!({ "model": "grok-4.3", "input": "And its color?", "previous_response_id": first["id"] });
    let (_, next) = bench.post_json(RESPONSES, &next).await;
    assert!(message_text(&next).contains("green"), "{next}");
    let body = json!({ "model": "grok-4.3", "messages": [{ "role": "user", "content": [
        { "type": "file", "file": { "file_id": file["id"] } },
        { "type": "image_url", "image_url": { "url": jpeg(&green), "detail": "sideways" } }] }] });
    let (status, answer) = bench.post_json(CHAT, &body).await;
    assert_eq!(status, 200, "{answer}");
    let said = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(
        said.contains("The last picture") && said.contains("green"),
        "{said}"
    );
    assert_eq!(answer["usage"]["prompt_tokens_details"]["image_tokens"], 512);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_the_service_rejects_are_rejected() {
    let bench = RawBench::quick().await;
    let whole = square(20);
    let data = |kind: &str, bytes: &[u8]| format!("data:image/{kind};base64,{}", STANDARD.encode(bytes));
    let (jpeg, png) = (whole.to_jpeg(90).unwrap(), whole.to_png().unwrap());
    let mut large = png.clone();
    large.resize((20 << 20) + 1, 0);
    let webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";
    for (picture, said) in [
        (data("jpeg", &jpeg[..jpeg.len() - 200]), "could not be decoded"),
        (data("png", &png[..png.len() / 2]), "could not be decoded"),
        (data("webp", webp), "Supported formats are JPEG and PNG"),
        (data("png", b"GIF89a"), "Supported formats are JPEG and PNG"),
        (data("png", &large), "Maximum allowed is 20 MiB"),
        (
            "data:image/png;base64,@@@".to_owned(),
            "data URL could not be decoded",
        ),
    ] {
        let (status, answer) = bench
            .post_json(RESPONSES, &picture_request("x", std::slice::from_ref(&picture)))
            .await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("invalid-argument")),
            "{said}"
        );
        assert!(answer["error"].as_str().unwrap().contains(said), "{answer}");
        let body = json!({ "model": "grok-4.3", "messages": [{ "role": "user", "content": [
            { "type": "image_url", "image_url": { "url": picture } }] }] });
        let (status, answer) = bench.post_json(CHAT, &body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!("invalid_image")),
            "{said}"
        );
    }
    // The bytes determine the type, not the URL.
    assert_eq!(
        bench
            .post_json(RESPONSES, &picture_request("x", &[data("jpeg", &png)]))
            .await
            .0,
        200
    );
    assert_eq!(bench.sandbox.state().answers, 1);
}
