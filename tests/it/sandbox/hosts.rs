//! The `Host` and `Origin` headers that the sandbox accepts, tested with raw requests on every route.

#![cfg(feature = "sandbox")]

use std::net::SocketAddr;
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a request unchanged, and returns the status and the body.
async fn raw(address: SocketAddr, request: &str) -> (u16, String) {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("{answer}")), body.to_owned())
}

const ROUTES: &[&str] = &[
    "GET /",
    "GET /sandbox/state",
    "GET /sandbox/faults",
    "DELETE /sandbox/faults",
    "GET /v1/models",
    "GET /v1/videos/00000000-0000-4000-8000-000000000000",
    "GET /v1/files",
    "GET /files-cdn/token/name",
    "GET /vidgen/xai-vidgen-bucket/x.mp4",
    "GET /nowhere",
    "PUT /sandbox/state",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_a_foreign_host_are_refused_on_every_route() {
    let sandbox = Sandbox::builder().fault("other:status=503".parse().unwrap());
    let sandbox = sandbox.start().await.unwrap();
    let (address, port) = (sandbox.address(), sandbox.address().port());
    let key = sandbox.api_key().to_owned();
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("evil@127.0.0.1:{port}"),
        format!("192.0.2.1:{port}"),
        String::new(),
    ];
    for route in ROUTES {
        for host in &hosts {
            let request = format!(
                "{route} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
            );
            let (status, body) = raw(address, &request).await;
            assert_eq!(status, 403, "{route} {host:?}: {body}");
            assert!(
                body.contains("does not name this sandbox") && body.contains(&address.to_string()),
                "{body}"
            );
            assert!(!body.contains("evil"), "{body}");
        }
        // The request target counts as well, and so do two headers and none.
        for request in [
            format!(
                "{} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n",
                route.replacen(" /", " http://evil.example/", 1)
            ),
            format!("{route} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
            format!("{route} HTTP/1.0\r\n"),
        ] {
            let (status, body) = raw(address, &format!("{request}Connection: close\r\n\r\n")).await;
            assert!(matches!(status, 400 | 403), "{request}: {status} {body}");
        }
    }
    // None of these requests used up a fault or was counted.
    assert_eq!(sandbox.state().faults.len(), 1);
    assert_eq!(sandbox.state().polls, 0);

    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9", "[::1]"] {
        let request = format!("GET /sandbox/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (status, body) = raw(address, &request).await;
        assert_eq!(status, 200, "{host}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_from_another_origin_are_refused() {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let address = sandbox.address();
    let post = async |headers: &str| {
        let body = "[\"lost-reply\"]";
        let request = format!(
            "POST /sandbox/faults HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
            body.len()
        );
        raw(address, &request).await
    };
    for origin in [
        "https://evil.example",
        "http://localhost:1",
        "null",
        "http://127.0.0.1",
        "file://",
        "",
    ] {
        let (status, body) = post(&format!("Origin: {origin}\r\n")).await;
        assert_eq!(status, 403, "{origin}: {body}");
        assert!(body.contains("another site"), "{body}");
    }
    let (status, _) = post(&format!(
        "Origin: http://{address}\r\nOrigin: https://evil.example\r\n"
    ))
    .await;
    assert_eq!(status, 403);
    assert!(sandbox.state().faults.is_empty());
    assert_eq!(post("").await.0, 200);
    assert_eq!(post(&format!("Origin: http://{address}\r\n")).await.0, 200);
    assert_eq!(sandbox.state().faults.len(), 2);
    let clear = |origin: &str| {
        format!(
            "DELETE /sandbox/faults HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
        )
    };
    assert_eq!(raw(address, &clear("http://evil.example")).await.0, 403);
    assert_eq!(sandbox.state().faults.len(), 2);
    assert_eq!(raw(address, &clear(&format!("http://{address}"))).await.0, 200);
    assert!(sandbox.state().faults.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_base_url_works() {
    let mut addresses = vec!["127.0.0.1:0", "0.0.0.0:0"];
    // Not every machine has IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        addresses.extend(["[::1]:0", "[::]:0"]);
    }
    for listen in addresses {
        let sandbox = Sandbox::builder()
            .listen(listen.parse().unwrap())
            .start()
            .await
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let models = client
            .get(format!("{}/models", sandbox.base_url()))
            .bearer_auth(sandbox.api_key())
            .send()
            .await
            .unwrap();
        assert_eq!(models.status(), 200, "{listen}");
        if listen.starts_with("0.0.0.0") {
            // Any address of this machine works. A name works only if it is allowed.
            let loopback = SocketAddr::from(([127, 0, 0, 1], sandbox.address().port()));
            for (host, expected) in [("192.0.2.9:8080", 200), ("evil.example", 403)] {
                let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
                assert_eq!(raw(loopback, &request).await.0, expected, "{host}");
            }
        }
    }
    let sandbox = Sandbox::builder().allow_host("Sandbox").start().await.unwrap();
    for (host, expected) in [("sandbox:8080", 200), ("sandbox", 200), ("sandbox.example", 403)] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(sandbox.address(), &request).await.0, expected, "{host}");
    }
}
