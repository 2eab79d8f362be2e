//! Tests a build whose libav cannot decode the clips of the service: the user is warned before anything is paid, and
//! the sidecar of the clip has a warning.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::client::VideoClient;
use crate::client::builder::VideoClientBuilder;
use crate::client::pipeline::content_checks::CheckResults;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::verify::{self, Verification};
use crate::error::ErrorKind;
use crate::ids::{ClipId, JobId};
use crate::money::{Budget, UsdTicks};
use crate::provider::FinishedJob;
use crate::request::{EditRequest, GenerateRequest, MediaInput};

const NO_DECODER: Verification = Verification::Container("the libav in use has no decoder for H.264");

/// Collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Returns a client of an unreachable service, with a budget that forbids every request.
fn client(folder: &std::path::Path, verification: Verification) -> VideoClient {
    let mut client = VideoClientBuilder::default()
        .api_key("none")
        .base_url("http://127.0.0.1:9")
        .library(folder)
        .budget(Budget::new().per_request(UsdTicks::ZERO))
        .build()
        .unwrap();
    Arc::get_mut(&mut client.inner).unwrap().verification = verification;
    client
}

fn boxed(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes(), kind, body].concat()
}

#[tokio::test]
async fn the_warning_comes_once_and_before_anything_is_paid() {
    for (verification, is_edit, times) in [
        (NO_DECODER, false, 1),
        (NO_DECODER, true, 1),
        (Verification::Frames, false, 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let client = client(folder.path(), verification);
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        for _ in 0..2 {
            let error = if is_edit {
                let clip = MediaInput::Url("https://clips.example/clip.mp4".to_owned());
                client.edit(EditRequest::new(clip, "waves")).await.unwrap_err()
            } else {
                client.generate(GenerateRequest::text("waves")).await.unwrap_err()
            };
            assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
        }
        let text = log.text();
        assert_eq!(text.matches("no decoder for H.264").count(), times, "{text}");
    }
}

#[tokio::test]
async fn a_clip_that_cannot_be_decoded_here_is_kept_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip");
    let clip = [
        boxed(b"ftyp", b"isom"),
        boxed(b"moov", &[0; 40]),
        boxed(b"mdat", &[7; 400]),
    ]
    .concat();
    std::fs::write(&path, &clip).unwrap();
    assert_eq!(
        verify::verify_clip(&path, Verification::Frames)
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Media
    );
    let verified = verify::verify_clip(&path, NO_DECODER).await.unwrap();
    let client = client(&folder.path().join("clips"), NO_DECODER);
    let (job_id, finished) = (JobId::parse("job").unwrap(), FinishedJob::default());
    let clip_id = ClipId::of_job("job");
    let record = ClipDraft::unknown().into_record(
        &client,
        &job_id,
        &clip_id,
        &finished,
        &verified,
        CheckResults::default(),
    );
    let warnings = record.reelkin.unwrap().warnings.unwrap();
    assert!(
        warnings
            .iter()
            .any(|line| line.starts_with("not verified: the libav in use has no decoder")),
        "{warnings:?}"
    );
    // A truncated file is invalid in every build.
    std::fs::write(&path, &clip[..clip.len() - 1]).unwrap();
    assert_eq!(
        verify::verify_clip(&path, NO_DECODER).await.unwrap_err().kind(),
        ErrorKind::Media
    );
}
