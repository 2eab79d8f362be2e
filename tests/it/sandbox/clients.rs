//! Third-party clients of the service, run unchanged against the sandbox.
//!
//! They are installed from their registries and need node, python3 and curl, so they run on demand:
//! `cargo test --features sandbox -- --ignored foreign_clients`.

#![cfg(feature = "sandbox")]

use std::time::Duration;

use std::path::Path;
use std::process::Command;

use reelkin::sandbox::Sandbox;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "installs the AI SDK and the OpenAI SDK from their registries"]
async fn foreign_clients_run_unchanged() {
    let sandbox = Sandbox::builder()
        .min_job_duration(Duration::from_millis(300))
        .api_key("dummy")
        .start()
        .await
        .unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run.sh");
    let (base, key) = (sandbox.base_url(), sandbox.api_key().to_owned());
    let run = move || Command::new(script).args([base, key]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for client in ["ai-sdk", "openai", "curl", "ima2"] {
        assert!(said.contains(&format!("{client}: ok")), "{said}");
    }
}
