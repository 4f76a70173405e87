//! What is kept in mind while an attempt waits for its endpoint, or for its
//! client.

use tokio::time::Instant;

use crate::endpoint::Trial;
use crate::upstream::Wait;

/// Who is told whom an attempt waits for.
pub(crate) struct Watch<'a, 'd> {
    wait: Option<&'a mut Wait<'d>>,
    trial: Option<&'a Trial<'a>>,
    silent_since: Option<Instant>,
}

impl<'a, 'd> Watch<'a, 'd> {
    /// A watch over an attempt on a route with an adaptive limit, or one that
    /// tries its endpoint.
    pub(crate) fn new(wait: Option<&'a mut Wait<'d>>, trial: Option<&'a Trial<'a>>) -> Self {
        Self { wait, trial, silent_since: None }
    }

    /// The endpoint has the whole request.
    pub(super) fn for_endpoint(&mut self, now: Instant) {
        if let Some(wait) = &mut self.wait {
            wait.for_endpoint(now.into_std());
        }
        if let Some(trial) = self.trial {
            trial.waits_for_client(false);
        }
    }

    /// There is content to come, and the client has sent none for now.
    pub(super) fn for_client(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.for_client();
        }
        if let Some(trial) = self.trial {
            trial.waits_for_client(true);
        }
    }

    /// Since when there is nothing left to do but to wait for an endpoint that
    /// has not sent a byte; `None` while that is not so.
    pub(super) fn note_silence(&mut self, since: Option<Instant>) {
        self.silent_since = since;
    }

    /// As it was [noted](Self::note_silence) last.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }
}
