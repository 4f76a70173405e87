//! What systemd is told, where it asked to be (`Type=notify`, see
//! sd_notify(3)): the one module that knows `sd-notify`. Without
//! `NOTIFY_SOCKET` nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

/// Every listener accepts, and a reload, if there was one, is done.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd cannot be told of the reload"),
    }
}

/// A drain has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The router is alive.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be said: twice in the time that systemd gives.
pub(super) fn alive_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|half| !half.is_zero())
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told: {state:?}");
    }
}
