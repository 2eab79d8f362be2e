//! The signals that end a command which pays: what was sent is finished, and nothing more is sent.
//!
//! Owns which signals are listened for, how long is waited after the first, and the exit code. Knows no verb.

use std::process::exit;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reelkin::VideoClient;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::output::{self, Failure, Outcome};

/// How long the answer to a request that was sent is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the program has to print what it knows after that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The number of the first signal; 0 while there was none.
static RECEIVED: AtomicU8 = AtomicU8::new(0);

/// The exit code of a command that a signal came to, as shells count it.
pub(crate) fn exit_code() -> Option<u8> {
    match RECEIVED.load(Ordering::Acquire) {
        0 => None,
        signal => Some(128 + signal),
    }
}

/// The signals of one command, from the moment this is made.
pub(crate) struct Signals {
    client: Arc<OnceLock<VideoClient>>,
    gave_up: oneshot::Receiver<()>,
}

impl Signals {
    /// Listens for signals from now on, in a task of its own: the thread of the command may be busy. Until there is a
    /// client to stop, a signal ends the program at once.
    pub(crate) fn install() -> Outcome<Self> {
        let signals =
            SignalStreams::new().map_err(|error| Failure::Local(format!("listen for signals: {error}")))?;
        let client = Arc::new(OnceLock::new());
        let (give_up, gave_up) = oneshot::channel();
        tokio::spawn(obey(signals, Arc::clone(&client), give_up));
        Ok(Self { client, gave_up })
    }

    /// Has the first signal stop this client.
    pub(crate) fn stop(&self, client: VideoClient) {
        // Set once for each of these.
        let _ = self.client.set(client);
    }

    /// Waits until the work is not to be waited for any longer. Never ends without a signal.
    pub(crate) async fn gave_up(self) -> Failure {
        if self.gave_up.await.is_err() {
            std::future::pending::<()>().await;
        }
        Failure::GaveUp(format!(
            "interrupted: not finished within {} s; a request that was sent may have been taken and charged: reelkin recover finds out",
            ANSWER.as_secs()
        ))
    }
}

async fn obey(mut signals: SignalStreams, client: Arc<OnceLock<VideoClient>>, give_up: oneshot::Sender<()>) {
    let signal = signals.next().await;
    RECEIVED.store(signal, Ordering::Release);
    let code = i32::from(128 + signal);
    let Some(client) = client.get() else {
        exit(code);
    };
    client.stop();
    if client.is_sending() {
        output::note(format_args!(
            "interrupted: waiting up to {} s for the answer to a request that was sent; a second signal ends the program at once",
            ANSWER.as_secs()
        ));
    }
    tokio::select! {
        second = signals.next() => exit(i32::from(128 + second)),
        () = sleep(ANSWER) => {}
    }
    // Whoever does not hear this is about to end anyway.
    let _ = give_up.send(());
    tokio::select! {
        _ = signals.next() => {}
        () = sleep(LAST_WORDS) => {}
    }
    exit(code);
}

/// The signals by which a terminal, a supervisor or a person ends a program.
#[cfg(unix)]
struct SignalStreams {
    /// `None` for one that the program was started to ignore, as by `nohup`.
    each: [Option<tokio::signal::unix::Signal>; 3],
}

#[cfg(unix)]
impl SignalStreams {
    /// SIGINT, SIGTERM and SIGHUP, which have the same numbers everywhere.
    const NUMBERS: [u8; 3] = [2, 15, 1];

    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let [mut int, mut term, mut hup] = [None, None, None];
        for (number, place) in Self::NUMBERS.into_iter().zip([&mut int, &mut term, &mut hup]) {
            if !is_ignored(number.into()) {
                *place = Some(signal(SignalKind::from_raw(number.into()))?);
            }
        }
        Ok(Self {
            each: [int, term, hup],
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        async fn one(signal: &mut Option<tokio::signal::unix::Signal>) {
            let came = match signal {
                Some(signal) => signal.recv().await,
                None => None,
            };
            // `None` also when no signal can come any more.
            if came.is_none() {
                std::future::pending::<()>().await;
            }
        }
        let [int, term, hup] = &mut self.each;
        tokio::select! {
            () = one(int) => Self::NUMBERS[0],
            () = one(term) => Self::NUMBERS[1],
            () = one(hup) => Self::NUMBERS[2],
        }
    }
}

/// Whether the program was started to ignore a signal.
#[cfg(unix)]
#[expect(unsafe_code, reason = "std and tokio do not tell")]
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros are a valid `sigaction`, which is plain data.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only writes the current one to `now`, which lives until it returns.
    let is_known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) } == 0;
    is_known && now.sa_sigaction == libc::SIG_IGN
}

/// Ctrl-C, where there are no signals.
#[cfg(not(unix))]
struct SignalStreams;

#[cfg(not(unix))]
impl SignalStreams {
    #[expect(clippy::unnecessary_wraps, reason = "signals can fail to be installed")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
