//! Requests through a real proxy that is addressed by its name, with TLS from the client to a server behind the
//! proxy.
//!
//! The names of the targets are known to the proxy alone, so no request gets there by another way.

#![cfg(feature = "cli")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use reelkin::{Charge, ErrorKind, VideoClient, VideoClientBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::bench::{Bench, KEY, builder, clips_in, real_clip, request};
use crate::support::http_server::{Answer, Server, done};
use crate::support::program::Program;
use crate::support::tls::{CA, Tls};

const API: &str = "https://api.reelkin.test/v1";

const CLIP: &str = "https://cdn.reelkin.test/clip.mp4?sig=SIGNED";

/// An address to which no connection is possible. This fails at once, even without a network.
const UNREACHABLE: &str = "255.255.255.255";

/// The requests to a proxy, and the bytes that went through it.
#[derive(Default)]
struct Log {
    /// The heads of the requests to the proxy itself.
    heads: Vec<String>,
    /// Every byte of the tunnels, as the proxy could read it.
    tunneled: Vec<u8>,
}

/// A proxy that supports only `CONNECT`, and connects every tunnel to one server.
struct Proxy {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<Mutex<Log>> = Arc::default();
        let all = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&all);
                // A client that disconnects ends its tunnel.
                tokio::spawn(async move { tunnel(stream, to, &log).await.ok() });
            }
        });
        Self { address, log, task }
    }

    /// Returns the URL of the proxy, by name.
    fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Returns host and port of each requested tunnel. Panics if anything else reached the proxy.
    fn targets(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let mut targets = Vec::new();
        for head in &log.heads {
            let mut words = head.split_whitespace();
            assert_eq!(words.next(), Some("CONNECT"), "not a tunnel: {head}");
            targets.push(words.next().unwrap().to_owned());
            assert!(!head.to_lowercase().contains("bearer"), "{head}");
        }
        for text in [KEY, "lighthouse", "SIGNED", "generations"] {
            let shown = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!shown(&log.tunneled), "the proxy could read {text}");
            assert!(!log.heads.iter().any(|head| shown(head.as_bytes())));
        }
        targets
    }
}

async fn tunnel(mut client: TcpStream, to: SocketAddr, log: &Mutex<Log>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = head.starts_with("CONNECT ");
    log.lock().unwrap().heads.push(head);
    if !is_tunnel {
        return client
            .write_all(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    let mut server = TcpStream::connect(to).await?;
    client.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").await?;
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let piece = &up[..read?];
                log.lock().unwrap().tunneled.extend_from_slice(piece);
                if piece.is_empty() {
                    return Ok(());
                }
                server.write_all(piece).await?;
            }
            read = server.read(&mut down) => {
                let piece = &down[..read?];
                log.lock().unwrap().tunneled.extend_from_slice(piece);
                if piece.is_empty() {
                    return Ok(());
                }
                client.write_all(piece).await?;
            }
        }
    }
}

/// A service behind TLS behind a proxy, whose clip is at `link`.
struct ProxyRig {
    server: Server,
    proxy: Proxy,
    _tls: Tls,
    folder: tempfile::TempDir,
}

impl ProxyRig {
    async fn start(link: &'static str) -> Self {
        Self::with(move |path| path.starts_with("/v1/videos/c").then(|| done(link))).await
    }

    async fn with(script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let server = Server::start(real_clip().await, move |seen, _| script(&seen.path)).await;
        let tls = Tls::start(server.address).await;
        Self {
            proxy: Proxy::start(tls.address).await,
            server,
            _tls: tls,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn builder(&self) -> VideoClientBuilder {
        builder(API, self.folder.path())
            .proxy(self.proxy.url())
            .root_certificates(CA)
    }

    /// Returns a call of the program that gets its settings from the environment.
    fn program(&self) -> Program {
        self.program_at(API)
    }

    fn program_at(&self, base: &str) -> Program {
        let ca = self.folder.path().join("ca.pem");
        std::fs::write(&ca, CA).unwrap();
        Program::in_folder(self.folder.path())
            .env("XAI_API_KEY", KEY)
            .env("SSL_CERT_FILE", ca)
            .args(["--base-url", base, "--library", "clips"])
            .args(["generate", "a lighthouse", "--duration", "1"])
    }
}

fn sorted(mut targets: Vec<String>) -> Vec<String> {
    targets.sort();
    targets.dedup();
    targets
}

// Requirement: field study of other clients, report 29.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_through_a_proxy_that_learns_only_host_names() {
    let rig = ProxyRig::start(CLIP).await;
    rig.builder().build().unwrap().generate(request()).await.unwrap();
    assert_eq!(clips_in(rig.folder.path()).len(), 1);
    assert_eq!(
        sorted(rig.proxy.targets()),
        ["api.reelkin.test:443", "cdn.reelkin.test:443"]
    );
    // The API gets the key, the host of the clip does not.
    for seen in rig.server.requests() {
        let has_key = seen.header("authorization").is_some();
        assert_eq!(has_key, !seen.path.starts_with("/clip.mp4"), "{}", seen.path);
        assert_eq!(seen.header("proxy-authorization"), None);
    }
    assert_eq!(rig.server.requests_to("/v1/videos/generations").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_gets_the_password_of_its_url() {
    let rig = ProxyRig::start(CLIP).await;
    let url = format!("http://user:p%40ss@localhost:{}", rig.proxy.address.port());
    let client = rig.builder().proxy(url).build().unwrap();
    client.generate(request()).await.unwrap();
    rig.proxy.targets();
    let log = rig.proxy.log.lock().unwrap();
    // user:p@ss
    let given = |head: &String| {
        head.to_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwqhnz")
    };
    assert!(log.heads.iter().all(given), "{:?}", log.heads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_links_and_redirects_are_refused_before_a_proxy_is_asked() {
    for place in [
        "https://10.0.0.1/clip.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/clip.mp4",
        "https://localhost/clip.mp4",
        "https://a.localhost/clip.mp4",
        "https://intranet/clip.mp4",
        "https://files.corp/clip.mp4",
        "https://metadata.google.internal/clip.mp4",
        "http://cdn.reelkin.test/clip.mp4",
    ] {
        for redirected in [false, true] {
            let rig = ProxyRig::with(move |path| match path {
                path if path.starts_with("/v1/videos/c") => Some(done(if redirected { CLIP } else { place })),
                path if path.starts_with("/clip.mp4") => Some(Answer::new(302, "").header("location", place)),
                _ => None,
            })
            .await;
            let error = rig
                .builder()
                .build()
                .unwrap()
                .generate(request())
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{place}: {error}");
            assert!(error.to_string().contains("refused"), "{place}: {error}");
            let targets = sorted(rig.proxy.targets());
            let known = ["api.reelkin.test:443", "cdn.reelkin.test:443"];
            assert_eq!(targets, known[..=usize::from(redirected)], "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_an_untrusted_certificate_gets_nothing() {
    let rig = ProxyRig::start(CLIP).await;
    let client = builder(API, rig.folder.path()).proxy(rig.proxy.url()).build();
    let error = client.unwrap().generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    let proxy = format!("through the proxy localhost:{}", rig.proxy.address.port());
    assert!(error.to_string().contains(&proxy), "{error}");
    assert!(rig.server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_addresses_bypass_the_proxy() {
    let bench = Bench::start(&[]).await;
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], 1))).await;
    let client = bench.builder().proxy(proxy.url()).build().unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(bench.clips().len(), 1);
    assert!(proxy.targets().is_empty(), "{:?}", proxy.targets());
    // The same by name and with TLS.
    let server = Server::start(real_clip().await, |_, _| None).await;
    let tls = Tls::start(server.address).await;
    for host in ["localhost", "127.0.0.1"] {
        let base = format!("https://{host}:{}/v1", tls.address.port());
        let client = builder(&base, bench.folder.path())
            .proxy(proxy.url())
            .root_certificates(CA);
        assert!(client.build().unwrap().visible_models().await.is_err());
    }
    assert_eq!(server.requests_to("/v1/video-generation-models").len(), 2);
    assert!(proxy.targets().is_empty(), "{:?}", proxy.targets());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exempt_hosts_bypass_the_proxy() {
    let rig = ProxyRig::start(CLIP).await;
    let at = |base: &str| {
        builder(base, rig.folder.path())
            .proxy(rig.proxy.url())
            .root_certificates(CA)
    };
    for exempt in [UNREACHABLE, "255.0.0.0/8", "*"] {
        let client = at(&format!("https://{UNREACHABLE}/v1"))
            .no_proxy(exempt)
            .build()
            .unwrap();
        let error = client.visible_models().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        assert!(!error.to_string().contains("proxy"), "{error}");
    }
    assert!(rig.proxy.targets().is_empty());
    // Other hosts are not exempt.
    let client = at(&format!("https://{UNREACHABLE}/v1"))
        .no_proxy("reelkin.test,10.0.0.0/8")
        .build()
        .unwrap();
    assert!(client.visible_models().await.is_err());
    assert_eq!(sorted(rig.proxy.targets()), [format!("{UNREACHABLE}:443")]);
    let client = at(API).no_proxy("example.com").build().unwrap();
    client.generate(request()).await.unwrap();
}

#[test]
fn an_unusable_proxy_or_certificate_is_reported_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || VideoClient::builder().api_key(KEY).library(folder.path());
    for (builder, word) in [
        (builder().proxy("socks5://me:SECRET@proxy"), "SOCKS"),
        (builder().proxy("http://me:SECRET@"), "read the proxy"),
        (
            builder().no_proxy("http://cdn.example"),
            "read the proxy exceptions",
        ),
        (builder().root_certificates("no certificate"), "root certificates"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let line = format!("{error} {error:?}");
        assert!(line.contains(word) && !line.contains("SECRET"), "{line}");
    }
}

// The environment is tested with child processes.

// Report 29 of the field study: the download goes through the proxy like everything else.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environment_variables_set_the_proxy_and_the_certificates() {
    let runs = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].map(|name| async move {
        let rig = ProxyRig::start(CLIP).await;
        // A variable that a CGI server sets from the header `Proxy:` is never used.
        let program = rig
            .program()
            .env(name, rig.proxy.url())
            .env("HTTP_PROXY", "http://127.0.0.1:1");
        let ran = program.run().await;
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert_eq!(clips_in(&rig.folder.path().join("clips")).len(), 1, "{name}");
        let known = ["api.reelkin.test:443", "cdn.reelkin.test:443"];
        assert_eq!(sorted(rig.proxy.targets()), known, "{name}");
    });
    join_all(runs).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_exempts_hosts_and_an_invalid_proxy_variable_is_reported() {
    let rig = ProxyRig::start(CLIP).await;
    for name in ["no_proxy", "NO_PROXY"] {
        let base = format!("https://{UNREACHABLE}/v1");
        let program = rig.program_at(&base).env("https_proxy", rig.proxy.url());
        let ran = program
            .env(name, format!("example.com,{UNREACHABLE}"))
            .run()
            .await;
        assert_eq!(ran.code, 1, "{ran:?}");
    }
    assert!(rig.proxy.targets().is_empty());
    let ran = rig
        .program()
        .env("all_proxy", "socks5://me:SECRET@localhost")
        .run()
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
    let line = ran.line();
    assert!(line.contains("all_proxy") && line.contains("SOCKS"), "{line}");
    assert!(!ran.stderr.contains("SECRET"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_requests_bypass_a_proxy_from_the_environment() {
    let bench = Bench::start(&[]).await;
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], 1))).await;
    let url = proxy.url();
    let mut runs = Vec::new();
    for (name, value) in [
        ("http_proxy", url.as_str()),
        ("https_proxy", &url),
        ("all_proxy", &url),
        // An unusable proxy does not affect local requests.
        ("all_proxy", "socks5://localhost:1080"),
    ] {
        for name in [name.to_owned(), name.to_uppercase()] {
            let program = Program::at(&bench).env(&name, value);
            let run = program
                .args(["generate", "a lighthouse", "--duration", "1"])
                .run();
            runs.push(async move {
                let ran = run.await;
                assert_eq!(ran.code, 0, "{name}: {ran:?}");
            });
        }
    }
    join_all(runs).await;
    assert_eq!(bench.clips().len(), 8);
    assert!(proxy.targets().is_empty(), "{:?}", proxy.targets());
}
