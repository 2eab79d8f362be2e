//! The Files API.

#![cfg(feature = "sandbox")]

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::sandbox::raw::{RawBench, read_reply};

async fn upload(bench: &RawBench, form: Form) -> (u16, Value) {
    let request = bench
        .http
        .post(bench.url("/files"))
        .bearer_auth(bench.sandbox.api_key());
    read_reply(request.multipart(form).send().await.unwrap()).await
}

fn part(name: &str, size: usize) -> Part {
    Part::bytes(vec![7; size]).file_name(name.to_owned())
}

#[tokio::test]
async fn a_file_is_stored_listed_read_and_deleted() {
    let bench = RawBench::quick().await;
    let (status, file) = upload(
        &bench,
        Form::new()
            .text("purpose", "user_data")
            .part("file", part("a.png", 10)),
    )
    .await;
    assert_eq!(status, 200, "{file}");
    assert_eq!(
        (&file["bytes"], &file["filename"], &file["object"]),
        (&json!(10), &json!("a.png"), &json!("file"))
    );
    assert!(file["id"].as_str().unwrap().starts_with("file_"));
    for size in 1..4 {
        upload(&bench, Form::new().part("file", part("b.txt", size))).await;
    }
    let (_, page) = read_reply(bench.get("/files?limit=3&order=asc&sort_by=size").await.unwrap()).await;
    let sizes: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["bytes"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes, [1, 2, 3]);
    let token = page["pagination_token"].as_str().unwrap();
    let (_, rest) = read_reply(
        bench
            .get(&format!("/files?order=asc&sort_by=size&pagination_token={token}"))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (&rest["data"][0]["id"], &rest["pagination_token"]),
        (&file["id"], &Value::Null)
    );
    assert_eq!(bench.get("/files?limit=101").await.unwrap().status(), 400);

    let path = format!("/files/{}", file["id"].as_str().unwrap());
    assert_eq!(
        read_reply(bench.get(&path).await.unwrap()).await,
        (200, file.clone())
    );
    assert_eq!(
        bench
            .get(&format!("{path}/content"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        vec![7; 10]
    );
    let delete = || {
        bench
            .http
            .delete(bench.url(&path))
            .bearer_auth(bench.sandbox.api_key())
            .send()
    };
    let (status, gone) = read_reply(delete().await.unwrap()).await;
    assert_eq!(
        (status, gone),
        (
            200,
            json!({ "id": file["id"], "object": "file", "deleted": true })
        )
    );
    assert_eq!(delete().await.unwrap().status(), 404);
    assert_eq!(bench.get(&path).await.unwrap().status(), 404);
    assert_eq!(bench.sandbox.state().uploads, 4);
}

#[tokio::test]
async fn an_expiry_must_precede_the_file_and_be_within_its_limits() {
    let bench = RawBench::quick().await;
    let file = || part("a.png", 10);
    let (status, _) = upload(
        &bench,
        Form::new().part("file", file()).text("expires_after", "3600"),
    )
    .await;
    assert_eq!(status, 400);
    for wrong in ["3599", "2592001", "soon"] {
        let (status, _) = upload(
            &bench,
            Form::new().text("expires_after", wrong).part("file", file()),
        )
        .await;
        assert_eq!(status, 400, "{wrong}");
    }
    let form = Form::new()
        .text("expires_after[anchor]", "created_at")
        .text("expires_after[seconds]", "7200");
    let (status, stored) = upload(&bench, form.part("file", file())).await;
    assert_eq!(status, 200);
    let lived = stored["expires_at"].as_i64().unwrap() - stored["created_at"].as_i64().unwrap();
    assert!((7200..=7201).contains(&lived));
    assert_eq!(upload(&bench, Form::new().text("purpose", "x")).await.0, 400);
}

#[tokio::test]
async fn a_public_link_is_created_once_and_revoked() {
    let bench = RawBench::quick().await;
    let (_, file) = upload(&bench, Form::new().part("file", part("a.png", 10))).await;
    let path = format!("/files/{}/public-url", file["id"].as_str().unwrap());
    let (status, link) = bench.post_json(&path, &json!({ "expires_after": 3600 })).await;
    assert_eq!(status, 200, "{link}");
    assert!(link["expires_at"].is_i64());
    assert_eq!(
        bench.post_json(&path, &json!({})).await.1["public_url"],
        link["public_url"]
    );
    let url = link["public_url"].as_str().unwrap();
    assert_eq!(
        bench.http.get(url).send().await.unwrap().bytes().await.unwrap(),
        vec![7; 10]
    );
    let (status, answer) = bench.post_json(&format!("{path}/revoke"), &json!({})).await;
    assert_eq!((status, &answer["revoked"]), (200, &json!(true)));
    assert_eq!(bench.http.get(url).send().await.unwrap().status(), 404);
    assert_eq!(
        bench.post_json(&path, &json!({ "expires_after": 60 })).await.0,
        400
    );
    let (_, text) = upload(&bench, Form::new().part("file", part("a.txt", 10))).await;
    let path = format!("/files/{}/public-url", text["id"].as_str().unwrap());
    assert_eq!(bench.post_json(&path, &json!({})).await.0, 400);
}
