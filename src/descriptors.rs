//! File descriptors: who gets how many, and what the system says when there is
//! none left.
//!
//! What a worker may hold is shared out before anything is taken, so that
//! clients, their endpoints' connections and idle ones together stay below the
//! limit of the process, and it never comes to an error. Should it all the same
//! (a limit of the whole system, or of its memory), [`is_shortage`] tells it
//! from the fault of whoever is at the other end.

use std::io;

/// What the process needs for itself at most: listeners, runtimes, files, the
/// bus, names, probes, and the callers of the admin side.
const OWN: usize = 192;

/// What one client may come to hold: its connection, a duplicate of it that
/// watches for its departure, and a connection to its endpoint. A tunnel of
/// which both ends stand still watches the endpoint's end too: that is rare, can
/// be done without, and has its room in what is the process's own.
const OF_A_CLIENT: usize = 3;

/// Of so many descriptors one is for connections that are told there is no room.
const REFUSALS_ONE_IN: usize = 16;

/// Connections of a worker that may be told so at once; more are closed without
/// a word.
const REFUSALS: usize = 256;

/// The descriptors of a process when none can be asked for: the least that
/// systems give.
const LIMIT_UNKNOWN: usize = 1024;

/// What one worker may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Client connections.
    pub(crate) clients: usize,
    /// Client connections beyond these that are being told so.
    pub(crate) refusals: usize,
    /// Connections to endpoints, in exchanges and idle: one for each client,
    /// so that what clients leave over is for idle ones.
    pub(crate) endpoints: usize,
}

impl Share {
    /// The share of each of `workers` in a process that may have `limit`
    /// descriptors.
    pub(crate) fn of(limit: usize, workers: usize) -> Self {
        let all = (limit - OWN.min(limit / 2)) / workers.max(1);
        let refusals = (all / REFUSALS_ONE_IN).clamp(1, REFUSALS);
        let clients = (all.saturating_sub(refusals) / OF_A_CLIENT).max(1);
        Self { clients, refusals, endpoints: clients }
    }

    /// Client connections under `limits.connections`, which is for all
    /// `workers` together; 0 is no limit but this.
    pub(crate) fn clients_under(&self, limit: usize, workers: usize) -> usize {
        match limit {
            0 => self.clients,
            limit => (limit / workers.max(1)).clamp(1, self.clients),
        }
    }
}

/// How many descriptors this process may have: the soft limit.
pub(crate) fn limit() -> usize {
    limit_shown().unwrap_or(LIMIT_UNKNOWN)
}

fn limit_shown() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Whether the system lacks what a connection needs at this end: descriptors
/// (`EMFILE`, `ENFILE`), buffers or memory. It says nothing about the other end.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_workers_may_hold_fits_below_the_limit() {
        for limit in [256, 512, 1_024, 20_000, 65_536, 1_048_576] {
            for workers in [1, 2, 8] {
                let share = Share::of(limit, workers);
                let held = 2 * share.clients + share.endpoints + share.refusals;
                let own = OWN.min(limit / 2);
                assert!(own + workers * held <= limit, "{limit} among {workers}: {share:?}");
            }
        }
    }

    #[test]
    fn a_limit_is_shared_out_and_never_above_what_descriptors_allow() {
        let share = Share { clients: 100, refusals: 1, endpoints: 100 };
        assert_eq!(
            [0, 1, 50, 200, 201, 9_999].map(|limit| share.clients_under(limit, 2)),
            [100, 1, 25, 100, 100, 100]
        );
    }

    #[test]
    fn however_few_there_are_somebody_gets_in() {
        for limit in [0, 1, 10] {
            let Share { clients, refusals, endpoints } = Share::of(limit, 16);
            assert_eq!([clients, refusals, endpoints], [1; 3]);
        }
    }

    #[test]
    fn a_shortage_is_told_from_what_the_other_end_does() {
        let shortage = |code| is_shortage(&io::Error::from_raw_os_error(code));
        assert!(shortage(libc::EMFILE) && shortage(libc::ENFILE) && shortage(libc::ENOBUFS));
        assert!(!shortage(libc::ECONNREFUSED) && !shortage(libc::ECONNABORTED));
        assert!(!is_shortage(&io::ErrorKind::OutOfMemory.into()), "nobody asked the system");
    }
}
