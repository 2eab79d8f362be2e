//! What a client has begun, so that it can be brought to an end.
//!
//! Owns one task for each job in flight, which goes when the job is over, and the order to stop waiting for all of
//! them. Knows no verb and no money: a job that is stopped here stays in the library's journal.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::error::{Result, VideoError};
use super::runtime;
use crate::{ErrorKind, Event, Handle};

/// How long a recovery waits for works that were left a moment ago.
const LEAVING: Duration = Duration::from_secs(10);

/// The works of one client.
#[derive(Debug)]
pub(super) struct Works {
    closing: watch::Sender<bool>,
    /// A clone of it is in every task; gone when the client is closed.
    open: Mutex<Option<mpsc::Sender<Infallible>>>,
    /// Ends when the last of these is gone.
    ended: tokio::sync::Mutex<mpsc::Receiver<Infallible>>,
    leaving: Arc<Leaving>,
}

/// The tasks of works that nobody waits for any more.
#[derive(Debug, Default)]
struct Leaving(Mutex<Vec<JoinHandle<()>>>);

/// A work that can be watched. Dropped before its end, it stops waiting.
struct Begun<T, E: Event> {
    work: Handle<T, E>,
    caller: Caller,
}

/// Somebody who waits for a work, and tells its task on going away.
struct Caller {
    waits: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    leaving: Arc<Leaving>,
}

impl Caller {
    /// The work needs nobody who waits.
    fn release(mut self) {
        self.waits.take();
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some((leave, task)) = self.waits.take() {
            let _ = leave.send(());
            let mut leaving = self.leaving.0.lock().unwrap_or_else(PoisonError::into_inner);
            leaving.retain(|task| !task.is_finished());
            leaving.push(task);
        }
    }
}

impl Works {
    pub(super) fn new() -> Self {
        let (open, ended) = mpsc::channel(1);
        Self {
            closing: watch::Sender::new(false),
            open: Mutex::new(Some(open)),
            ended: tokio::sync::Mutex::new(ended),
            leaving: Arc::default(),
        }
    }

    /// # Errors
    /// `Config` when the client is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        self.ticket().map(drop)
    }

    fn ticket(&self) -> Result<mpsc::Sender<Infallible>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| {
            VideoError::here(
                ErrorKind::Config,
                "use the client: it is closed; make a new one, and its recovery finishes what was left",
            )
        })
    }

    /// Begins a work that nobody else gets a handle of, and waits for its end. Dropped before that, it stops waiting.
    pub(super) async fn finish<T, E, S>(&self, start: S) -> Result<T>
    where
        T: Clone + Send + Sync + 'static,
        E: Event,
        S: Future<Output = crate::Result<Handle<T, E>>> + Send + 'static,
    {
        let Begun { work, caller } = self.begin(start).await?;
        let outcome = work.wait().await;
        caller.release();
        Ok(outcome?)
    }

    /// Begins a work, and gives its handle. From then on it goes on whether anybody waits or not.
    pub(super) async fn start<T, E, S>(&self, start: S) -> Result<Handle<T, E>>
    where
        T: Clone + Send + Sync + 'static,
        E: Event,
        S: Future<Output = crate::Result<Handle<T, E>>> + Send + 'static,
    {
        let Begun { work, caller } = self.begin(start).await?;
        caller.release();
        Ok(work)
    }

    /// Begins a work in a task of its own, and returns when it can be watched.
    async fn begin<T, E, S>(&self, start: S) -> Result<Begun<T, E>>
    where
        T: Clone + Send + Sync + 'static,
        E: Event,
        S: Future<Output = crate::Result<Handle<T, E>>> + Send + 'static,
    {
        let ticket = self.ticket()?;
        let mut closing = self.closing.subscribe();
        let (leave, left) = oneshot::channel();
        let (tell, started) = oneshot::channel();
        let task = runtime::handle()?.spawn(async move {
            let _ticket = ticket;
            let work = match start.await {
                Ok(work) => work,
                Err(error) => {
                    let _ = tell.send(Err(error.into()));
                    return;
                }
            };
            let _ = tell.send(Ok(work.clone()));
            tokio::select! {
                _ = work.wait() => return,
                () = told(left) => {}
                () = told(closing.wait_for(|closing| *closing)) => {}
            }
            work.stop_waiting();
            // For what it still writes down.
            let _ = work.wait().await;
        });
        let caller = Caller {
            waits: Some((leave, task)),
            leaving: Arc::clone(&self.leaving),
        };
        let work = started.await.unwrap_or_else(|_| Err(runtime::gone()))?;
        Ok(Begun { work, caller })
    }

    /// Waits until the works that were left a moment ago have written down where they are.
    pub(super) async fn left(&self) -> Result<()> {
        let tasks = std::mem::take(&mut *self.leaving.0.lock().unwrap_or_else(PoisonError::into_inner));
        if tasks.is_empty() {
            return Ok(());
        }
        runtime::run(async move {
            let _ = tokio::time::timeout(LEAVING, futures_util::future::join_all(tasks)).await;
            Ok(())
        })
        .await
    }

    /// Takes no more work, and stops waiting for what there is. Says whether all of it ended in time: a create
    /// that is being sent is not broken off.
    pub(super) async fn close(&self, deadline: Duration) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.closing.send_replace(true);
        let all = async { self.ended.lock().await.recv().await };
        tokio::time::timeout(deadline, all).await.is_ok()
    }
}

/// Waits for an order. One that can no longer come never does: a client that is dropped without being closed, and
/// a handle that is, leave the work alone.
async fn told<O, E>(order: impl Future<Output = std::result::Result<O, E>>) {
    let told = order.await.is_ok();
    if !told {
        std::future::pending::<()>().await;
    }
}
