//! A machine without CA certificates, such as a minimal container.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::bench::Bench;
use crate::support::program::Program;

fn without_certificates(program: Program) -> Program {
    program
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_works_without_ca_certificates() {
    let bench = Bench::start(&[]).await;
    let program = Program::at(&bench).args(["generate", "a lighthouse", "--duration", "1"]);
    let ran = without_certificates(program).run().await;
    assert_eq!((ran.code, bench.clips().len()), (0, 1), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_ca_certificates_are_reported_with_what_to_install() {
    let program = Program::bare().env("XAI_API_KEY", "xai-0123456789").args([
        "--library",
        "clips",
        "generate",
        "a lighthouse",
    ]);
    let ran = without_certificates(program).run().await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.line().contains("set up HTTP"), "{ran:?}");
    assert!(ran.stderr.contains("ca-certificates"), "{ran:?}");
}
