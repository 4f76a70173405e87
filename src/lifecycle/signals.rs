//! What the process does when it is told something from outside.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::lifecycle::control::ControlSide;

/// Attends to signals: SIGTERM and SIGINT drain, a second one cuts; SIGHUP
/// reloads; SIGUSR1 opens the access log again.
pub(crate) async fn attend(control: Arc<ControlSide>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let mut reopen = signal(SignalKind::user_defined1())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => control.stop(),
            _ = interrupt.recv() => control.stop(),
            _ = reload.recv() => control.reload(),
            _ = reopen.recv() => control.reopen_log(),
        }
    }
}
