//! What the process does when it is told something from outside.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lifecycle::control::ControlSide;

/// A file has grown beyond what the process may write (`RLIMIT_FSIZE`); the same
/// number on all the systems this runs on.
const SIGXFSZ: i32 = 25;

/// The signals that the router understands.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    reopen: Signal,
    /// Caught and never looked at: the write that went beyond a limit fails,
    /// and who writes goes by that.
    _file_too_large: Signal,
}

impl Signals {
    /// From now on they are kept for [`attend`](Self::attend), where each
    /// would have ended the process before.
    ///
    /// # Errors
    /// If the system refuses. Panics outside of a runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            _file_too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Attends to them: SIGTERM and SIGINT drain, a second one cuts; SIGHUP
    /// reloads; SIGUSR1 opens the access log again.
    pub(crate) async fn attend(mut self, control: Arc<ControlSide>) {
        let mut again = false;
        let mut stop = |signal| control.stop(signal, std::mem::replace(&mut again, true));
        loop {
            tokio::select! {
                _ = self.terminate.recv() => stop("SIGTERM"),
                _ = self.interrupt.recv() => stop("SIGINT"),
                _ = self.reload.recv() => control.reload(),
                _ = self.reopen.recv() => control.reopen_log(),
            }
        }
    }
}
