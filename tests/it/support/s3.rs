//! A real S3 server for one test: moto, with request counts and with faults on demand.

#![cfg(all(feature = "s3", feature = "cli"))]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, S3CopyIfNotExists};
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use reelkin::Library;
use serde_json::{Value, json};

use crate::support::bench::ms;

/// A secret that is easy to find where it must not be.
pub(crate) const SECRET: &str = "aws-CANARY-secret-0123456789";
pub(crate) const KEY_ID: &str = "AKIDCANARY";
pub(crate) const BUCKET: &str = "films";

/// A running S3 server, which stops when it is dropped.
pub(crate) struct S3 {
    port: u16,
    server: Child,
}

impl S3 {
    /// Starts a server with one empty bucket.
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".cache/s3/bin/python");
        assert!(
            python.exists(),
            "the S3 server is missing: run scripts/s3-server.sh"
        );
        let mut server = Command::new(python)
            .arg(root.join("tests/it/support/s3_server.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .parse()
            .expect("the S3 server does not start: run scripts/s3-server.sh");
        let s3 = Self { port, server };
        s3.request("PUT", &format!("/{BUCKET}"), "");
        s3.tally();
        s3
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the bucket as a user of the library opens it.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(SECRET)
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: ms(1),
                    max_backoff: ms(5),
                    base: 2.0,
                },
                max_retries: 2,
                ..RetryConfig::default()
            });
        Arc::new(store.build().unwrap())
    }

    pub(crate) fn library(&self) -> Library {
        Library::on_store(self.store(), "team").unwrap()
    }

    /// Returns the counts since the last call: `requests`, `sent` (bytes of replies to GET), `kinds`.
    pub(crate) fn tally(&self) -> Value {
        serde_json::from_str(&self.request("POST", "/-/tally", "")).unwrap()
    }

    /// Answers the next `count` requests of a kind with this status and body. With status 0 they are executed and
    /// their reply is lost. With status 1 all of them are executed regardless of `If-Match`.
    pub(crate) fn fault(&self, kind: &str, count: usize, status: u16, body: &str) {
        let fault = json!({"kind": kind, "left": count, "status": status, "body": body});
        self.request("POST", "/-/fault", &fault.to_string());
    }

    /// Returns the names in the bucket, and the number of unfinished uploads.
    pub(crate) fn holds(&self) -> (Vec<String>, u64) {
        let holds: Value = serde_json::from_str(&self.request("POST", "/-/bucket", BUCKET)).unwrap();
        let names = holds["names"].as_array().unwrap().iter();
        let names = names.map(|name| name.as_str().unwrap().to_owned()).collect();
        (names, holds["uploads"].as_u64().unwrap())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n", self.port);
        let auth = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        write!(
            request,
            "Authorization: {auth}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        line.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{answer}");
        body.to_owned()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
