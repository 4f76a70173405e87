//! What requests that worked, failed or were left come to for an endpoint: in,
//! out, on trial, or suspected.

use crate::endpoint::changes;
use crate::endpoint::choice::Asked;
use crate::endpoint::condition::{Change, Condition, Reason};
use crate::endpoint::ejection::{Begun, Standing};
use crate::endpoint::outlier::{Failing, OutlierPolicy};
use crate::endpoint::state::{EndpointState, changed};

impl EndpointState {
    /// Where its ejection stands, where trials are lent for so long.
    pub(super) fn standing(&self, now_ms: u64, lent_ms: u64) -> Standing {
        self.outlier.ejection.standing(now_ms, lent_ms)
    }

    /// Whether it is neither ejected nor half open.
    pub(super) fn is_in(&self) -> bool {
        self.outlier.ejection.is_in()
    }

    /// A request of this worker worked; what it is now, if that is news.
    pub(super) fn worked(
        &self,
        worker: usize,
        now_ms: u64,
        policy: &OutlierPolicy,
    ) -> Option<Change> {
        let was_left = self.outlier.worked(worker, now_ms, policy);
        let is_cleared = was_left && self.outlier.ejection.clear(now_ms);
        is_cleared.then(|| changed(Condition::Available, Reason::TrialPassed))
    }

    /// A client left that had waited for its answer for longer than the policy's
    /// silence. It is suspected if that is one too many and `there_is_room`; what
    /// it is now, if that is news.
    pub(super) fn left(
        &self,
        now_ms: u64,
        policy: &OutlierPolicy,
        there_is_room: impl FnOnce() -> bool,
    ) -> Option<Change> {
        if !self.outlier.left(now_ms, policy) || !self.is_in() || !there_is_room() {
            return None;
        }
        self.outlier.ejection.suspect(now_ms).then(|| {
            self.noted.lock().ejected = (now_ms, Reason::ClientsLeft);
            changed(Condition::HalfOpen, Reason::ClientsLeft)
        })
    }

    /// A request failed, or its answer broke off. It is ejected if that is one
    /// too many and `there_is_room`; what it is now, if that is news.
    pub(super) fn failed(
        &self,
        how: Failing,
        asked: &Asked,
        policy: &OutlierPolicy,
        there_is_room: impl FnOnce() -> bool,
    ) -> Option<Change> {
        let Asked { worker, now_ms, random, .. } = *asked;
        let why = self.outlier.failed(how, worker, now_ms, policy)?;
        if !self.is_in() || !there_is_room() {
            return None;
        }
        let news = self.outlier.ejection.eject(now_ms, policy.ejection, random);
        news.then(|| {
            self.outlier.forget();
            self.eject_noted(now_ms, why)
        })
    }

    /// Whether its last answers broke off, so that it matters if one comes
    /// whole.
    pub fn breaks_off(&self) -> bool {
        self.outlier.breaks_off()
    }

    /// An answer came whole that began while its last ones
    /// [broke off](Self::breaks_off).
    pub fn delivered(&self) {
        self.outlier.delivered();
    }

    /// Makes the caller's request its trial; see [`Trial`](super::Trial).
    pub(super) fn begin_trial(&self, now_ms: u64, lent_ms: u64) -> Option<Begun> {
        let begun = self.outlier.ejection.begin_trial(now_ms, lent_ms);
        if let Some(begun) = begun {
            if let Some(since_ms) = begun.first_since_ms {
                self.noted.lock().half_open_ms = since_ms;
            }
            changes::note();
        }
        begun
    }

    /// Its trial waits for its client, or does so no more.
    pub(super) fn lend_trial(&self, begun: Begun, is_lent: bool) {
        let ejection = &self.outlier.ejection;
        if if is_lent { ejection.lend(begun) } else { ejection.keep(begun) } {
            changes::note();
        }
    }

    /// Its trial ended; what it is now, unless others have told before.
    pub(super) fn end_trial(
        &self,
        worked: bool,
        now_ms: u64,
        random: u64,
        policy: &OutlierPolicy,
    ) -> Option<Change> {
        if !worked {
            let failed = self.outlier.ejection.fail(now_ms, policy.ejection, random);
            return failed.then(|| self.eject_noted(now_ms, Reason::TrialFailed));
        }
        let was_out = self.outlier.ejection.pass(now_ms)?;
        self.outlier.forget();
        Some(match was_out {
            true => self.come_back(now_ms, Reason::TrialPassed),
            // Its share was never another's.
            false => changed(Condition::Available, Reason::TrialPassed),
        })
    }

    /// Its trial ended without a verdict.
    pub(super) fn abandon_trial(&self, begun: Begun) {
        self.outlier.ejection.abandon(begun);
        changes::note();
    }

    fn eject_noted(&self, now_ms: u64, why: Reason) -> Change {
        self.noted.lock().ejected = (now_ms, why);
        changed(Condition::Ejected, why)
    }
}
