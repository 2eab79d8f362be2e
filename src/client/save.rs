//! From a job's id to a clip in the library: wait, download, verify, commit.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::record::Brief;
use super::{VideoClient, verify};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{DownloadError, Sink};
use crate::job::{self, JobEvent, Reporter};
use crate::library::{Clip, ClipId, Staged};
use crate::provider::{Finished, JobId};

/// How often a link that went stale, or a file that arrived damaged, is fetched anew.
const FRESH_LINKS: u32 = 3;
/// One save at a time in this process, from the look whether the job's clip is there to its commit:
/// else a job that is watched twice could be saved twice.
static SAVING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Finishes a job. Every error has its id.
pub(super) async fn finish(
    client: &VideoClient,
    reporter: &Reporter,
    id: &JobId,
    brief: Brief,
) -> Result<Clip> {
    let clip = finish_inner(client, reporter, id, brief)
        .await
        .map_err(|error| error.with_job_id(id.as_str()))?;
    tracing::info!(job = %id, clip = %clip.id, "saved");
    reporter.tell(JobEvent::Saved {
        clip: clip.id.to_string(),
        path: clip.path.clone(),
    });
    Ok(clip)
}

async fn finish_inner(
    client: &VideoClient,
    reporter: &Reporter,
    id: &JobId,
    mut brief: Brief,
) -> Result<Clip> {
    let inner = &client.inner;
    if brief.picked_up
        && let Some(clip) = inner.library.clip_of_job(id.as_str()).await?
    {
        return Ok(clip);
    }
    let provider = &*inner.provider;
    let wait = job::wait_until_over(provider, id, &inner.poll, reporter);
    let finished = reporter.until_stopped(wait).await?;

    let name = ClipId::of_job(id.as_str());
    let mut staged = inner.library.stage(&name).await?;
    let (finished, verified) = reporter
        .until_stopped(fetch(client, reporter, id, finished, &brief, &mut staged))
        .await?;
    // Before the turn: frames are decoded here, and no other job has to wait for that.
    let found = std::mem::take(&mut brief.measure).take(staged.path()).await;
    // Somebody else may have picked the same job up and been quicker, or be about to save it.
    let _turn = SAVING.lock().await;
    if let Some(clip) = inner.library.clip_of_job(id.as_str()).await? {
        return Ok(clip);
    }
    let record = brief.into_record(client, id, &name, &finished, &verified, found);
    staged
        .commit(record)
        .await
        .map_err(|error| error.with_charge(Charge::Yes))
}

async fn fetch(
    client: &VideoClient,
    reporter: &Reporter,
    id: &JobId,
    mut finished: Finished,
    brief: &Brief,
    staged: &mut Staged,
) -> Result<(Finished, verify::Verified)> {
    let mut fresh = 0;
    loop {
        let error = match download(client, reporter, &finished, brief, staged).await {
            Ok(()) => {
                staged.flush().await?;
                match verify::clip(staged.path()).await {
                    Ok(verified) => return Ok((finished, verified)),
                    Err(error) => {
                        staged.truncate(0).await?;
                        error
                    }
                }
            }
            // The clip is there and paid for: a later look may find it.
            Err(DownloadError::LinkExpired(error)) => error.with_advice(RetryAdvice::Resume),
            Err(DownloadError::Failed(error)) => return Err(paid(error)),
        };
        fresh += 1;
        if fresh >= FRESH_LINKS {
            return Err(paid(error));
        }
        tracing::debug!(job = %id, error = %error, "asking for a fresh link");
        finished = job::wait_until_over(&*client.inner.provider, id, &client.inner.poll, reporter).await?;
    }
}

/// A finished job was charged, whatever becomes of its download.
fn paid(error: Error) -> Error {
    error.with_charge(Charge::Yes)
}

async fn download(
    client: &VideoClient,
    reporter: &Reporter,
    finished: &Finished,
    brief: &Brief,
    staged: &mut Staged,
) -> Result<(), DownloadError> {
    let http = &client.inner.http;
    let url = match &brief.fetch_url {
        Some(url) => http.clip_url(url).map(Some),
        None => client.inner.provider.clip_url(finished),
    };
    let url = url
        .map_err(DownloadError::Failed)?
        .ok_or_else(|| no_link(finished, brief))?;
    let mut sink = StagedSink {
        position: staged.written(),
        staged,
    };
    http.download(&url, &mut sink, |received, total| {
        reporter.tell(JobEvent::Downloading { received, total });
    })
    .await
}

/// A job is done, and there is no link.
fn no_link(finished: &Finished, brief: &Brief) -> DownloadError {
    if brief.uploaded {
        DownloadError::Failed(Error::new(
            ErrorKind::NotFound,
            "download the clip: the service put it at the upload url and named no link; give a fetch url to save it in the library",
        ))
    } else if finished.no_video {
        // Seen only where moderation withheld the clip.
        DownloadError::Failed(Error::new(
            ErrorKind::Moderated,
            "moderation withheld the clip: the service calls the job done and sends no video",
        ))
    } else {
        DownloadError::LinkExpired(
            Error::new(
                ErrorKind::JobFailed,
                "download the clip: the service calls the job done and names no clip",
            )
            .with_service_code("done_without_url"),
        )
    }
}

/// The library's temporary file as the download's sink.
struct StagedSink<'a> {
    staged: &'a mut Staged,
    position: u64,
}

impl Sink for StagedSink<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn append(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.staged.append(&chunk).await?;
            self.position += chunk.len() as u64;
            Ok(())
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.staged.settle().await?;
            self.staged.truncate(0).await?;
            self.position = 0;
            Ok(())
        })
    }
}
