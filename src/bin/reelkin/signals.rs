//! Signals that interrupt a command. With paid work, no more requests are sent, and those in flight are finished.
//!
//! Owns which signals are handled, the grace period after the first one, and the exit code. Knows no commands.

use std::process::exit;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reelkin::VideoClient;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::output::{self, CliError, CommandResult};

/// How long to wait for the response to a request in flight.
const GRACE_PERIOD: Duration = Duration::from_secs(10);
/// How long the command may take after that to print its result.
const PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// The number of the first signal, or 0 if there was none.
static RECEIVED: AtomicU8 = AtomicU8::new(0);

/// Returns the exit code of a command that received a signal, by the convention of shells.
pub(crate) fn exit_code() -> Option<u8> {
    match RECEIVED.load(Ordering::Acquire) {
        0 => None,
        signal => Some(128 + signal),
    }
}

/// Handles the signals of one command.
pub(crate) struct Signals {
    client: Arc<OnceLock<VideoClient>>,
    gave_up: oneshot::Receiver<()>,
}

impl Signals {
    /// Starts to listen, in a task of its own because the thread of the command may be busy. Until there is a client to
    /// stop, a signal ends the program at once.
    pub(crate) fn listen() -> CommandResult<Self> {
        let signals =
            SignalStreams::new().map_err(|error| CliError::Local(format!("listen for signals: {error}")))?;
        let client = Arc::new(OnceLock::new());
        let (give_up, gave_up) = oneshot::channel();
        tokio::spawn(handle_signals(signals, Arc::clone(&client), give_up));
        Ok(Self { client, gave_up })
    }

    /// Lets the first signal stop this client. Call it once.
    pub(crate) fn stop_on_signal(&self, client: VideoClient) {
        let _ = self.client.set(client);
    }

    /// Waits for the end of the grace period after a signal. Never returns without a signal.
    pub(crate) async fn grace_period_ended(self) -> CliError {
        if self.gave_up.await.is_err() {
            std::future::pending::<()>().await;
        }
        CliError::Interrupted(format!(
            "interrupted: not finished within {} s; a request in flight may have been accepted and charged, run `reelkin recover` to find out",
            GRACE_PERIOD.as_secs()
        ))
    }
}

async fn handle_signals(
    mut signals: SignalStreams,
    client: Arc<OnceLock<VideoClient>>,
    give_up: oneshot::Sender<()>,
) {
    let signal = signals.next().await;
    RECEIVED.store(signal, Ordering::Release);
    let code = i32::from(128 + signal);
    let Some(client) = client.get() else {
        exit(code);
    };
    client.stop();
    if client.is_sending() {
        output::note(format_args!(
            "interrupted: waiting up to {} s for the response to a request in flight; send the signal again to exit at once",
            GRACE_PERIOD.as_secs()
        ));
    }
    tokio::select! {
        second = signals.next() => exit(i32::from(128 + second)),
        () = sleep(GRACE_PERIOD) => {}
    }
    // The command may be about to end and no longer listen.
    let _ = give_up.send(());
    tokio::select! {
        _ = signals.next() => {}
        () = sleep(PRINT_TIMEOUT) => {}
    }
    exit(code);
}

/// The signals that end a program: SIGINT, SIGTERM and SIGHUP.
#[cfg(unix)]
pub(crate) struct SignalStreams {
    /// `None` for a signal that is ignored, as with `nohup`.
    each: [Option<tokio::signal::unix::Signal>; 3],
}

#[cfg(unix)]
impl SignalStreams {
    /// The numbers of SIGINT, SIGTERM and SIGHUP, which are the same on all systems.
    const NUMBERS: [u8; 3] = [2, 15, 1];

    fn new() -> std::io::Result<Self> {
        Self::with(is_ignored)
    }

    /// Returns the signals that end a server. A shell starts a job in the background with SIGINT ignored, and it has to
    /// end with its script nevertheless; only an ignored SIGHUP is meant, as with `nohup`.
    pub(crate) fn of_server() -> std::io::Result<Self> {
        Self::with(|number| number == libc::SIGHUP && is_ignored(number))
    }

    fn with(is_left_out: impl Fn(libc::c_int) -> bool) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let [mut int, mut term, mut hup] = [None, None, None];
        for (number, stream) in Self::NUMBERS.into_iter().zip([&mut int, &mut term, &mut hup]) {
            if !is_left_out(number.into()) {
                *stream = Some(signal(SignalKind::from_raw(number.into()))?);
            }
        }
        Ok(Self {
            each: [int, term, hup],
        })
    }

    /// Waits for a signal and returns its number.
    pub(crate) async fn next(&mut self) -> u8 {
        async fn one(signal: &mut Option<tokio::signal::unix::Signal>) {
            let received = match signal {
                Some(signal) => signal.recv().await,
                None => None,
            };
            // A closed stream also returns `None`.
            if received.is_none() {
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

/// Returns whether the process inherited an ignored signal from its parent.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "std and tokio do not expose the current action of a signal"
)]
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros are a valid `sigaction`, which is plain data.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only writes the current one to `now`, which lives until it returns.
    let is_known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) } == 0;
    is_known && now.sa_sigaction == libc::SIG_IGN
}

/// Ctrl-C, on systems without signals.
#[cfg(not(unix))]
pub(crate) struct SignalStreams;

#[cfg(not(unix))]
impl SignalStreams {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as on Unix, where it can fail"
    )]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as on Unix, where it can fail"
    )]
    pub(crate) fn of_server() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
