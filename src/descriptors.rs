//! File descriptors: who gets how many, and what the system says when there is
//! none left.
//!
//! What a worker may hold is shared out before anything is taken: clients and
//! connections to endpoints, and what watches either, together stay below the
//! limit of the process. Most clients are idle and hold one descriptor, so they
//! may be two thirds; where so many are served that there would be too few,
//! idle ones make room, and newcomers are told that there is none. Should the
//! system lack something all the same, [`is_shortage`] tells it from the fault
//! of whoever is at the other end.

mod seats;

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) use seats::{Seat, Seats};

/// What the process needs for itself at most: files, the control side, the bus,
/// names, probes, and the callers of the admin side.
const OWN: usize = 192;

/// What each worker needs for its runtime, besides one for each listener.
const OWN_OF_A_WORKER: usize = 4;

/// Of so many descriptors one is kept for a connection to an endpoint that is
/// idle or in an exchange, the others may be clients'.
const ENDPOINTS_ONE_IN: usize = 3;

/// Of so many descriptors one is for connections that are told there is no room.
const REFUSALS_ONE_IN: usize = 16;

/// Connections of a worker that may be told so at a time; more are told without
/// being heard out, or closed without a word where TLS would have to come first.
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
    /// Connections to endpoints, of which none is idle where there are more.
    pub(crate) endpoints: usize,
    /// Both together, and the duplicates that watch for a departure.
    pub(crate) connections: usize,
}

impl Share {
    /// The share of each of `workers`, who all accept on so many `listeners`, in
    /// a process that may have `limit` descriptors.
    pub(crate) fn of(limit: usize, workers: usize, listeners: usize) -> Self {
        let all = (limit - own(workers, listeners).min(limit / 2)) / workers.max(1);
        let refusals = (all / REFUSALS_ONE_IN).clamp(1, REFUSALS);
        let connections = all.saturating_sub(refusals).max(2);
        let endpoints = (connections / ENDPOINTS_ONE_IN).max(1);
        Self { clients: connections - endpoints, refusals, endpoints, connections }
    }

    /// Client connections under `limits.connections`, which is for all
    /// `workers` together; 0 is no limit but this. Others leave descriptors for
    /// `beside` of them.
    pub(crate) fn clients_under(&self, limit: usize, workers: usize, beside: usize) -> ClientLimit {
        let allowed = self.clients.min(beside);
        let configured = (limit / workers.max(1)).max(1);
        if limit == 0 || configured > allowed {
            ClientLimit { most: allowed, set_by: SetBy::Descriptors }
        } else {
            ClientLimit { most: configured, set_by: SetBy::Settings }
        }
    }
}

fn own(workers: usize, listeners: usize) -> usize {
    OWN + workers * (OWN_OF_A_WORKER + listeners)
}

/// How many connections of clients a worker may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientLimit {
    pub(crate) most: usize,
    pub(crate) set_by: SetBy,
}

/// Where a limit of connections comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetBy {
    /// `limits.connections`.
    Settings,
    /// The limit of descriptors.
    Descriptors,
}

impl SetBy {
    /// Its name, for whoever may raise it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "limits.connections",
            Self::Descriptors => {
                "what file descriptors allow of connections (ulimit -n, LimitNOFILE)"
            }
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

/// Which limit to raise, for the end of a line in the log that tells of `error`;
/// empty if it is no lack of descriptors.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit of file descriptors (ulimit -n, LimitNOFILE)",
        Some(libc::ENFILE) => "; raise the system's limit of open files (fs.file-max)",
        _ => "",
    }
}

/// Whether a connection can be accepted from a listening socket, were there a
/// descriptor for it: a system that has none says so before it looks into the
/// queue.
pub(crate) fn somebody_waits(queue: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(queue.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut polled, PollTimeout::ZERO), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_workers_may_hold_fits_below_the_limit() {
        for limit in [256, 512, 1_024, 20_000, 65_536, 1_048_576] {
            for (workers, listeners) in [(1, 1), (2, 3), (8, 2), (64, 1)] {
                if limit < 1_024 && workers == 64 {
                    // Each has two at least.
                    continue;
                }
                let share = Share::of(limit, workers, listeners);
                let held = share.connections + share.refusals;
                let own = own(workers, listeners).min(limit / 2);
                assert!(own + workers * held <= limit, "{limit} among {workers}: {share:?}");
            }
        }
    }

    #[test]
    fn twenty_thousand_descriptors_hold_ten_thousand_clients_of_whom_a_third_is_served() {
        for workers in [1, 2] {
            let share = Share::of(20_000, workers, 2);
            assert!(workers * share.clients > 12_000, "{share:?}");
            assert!(workers * share.endpoints > 6_000, "{share:?}");
        }
    }

    #[test]
    fn one_in_sixteen_is_told_that_there_is_no_room_and_many_at_most() {
        let refusals = |limit, workers| Share::of(limit, workers, 1).refusals;
        assert_eq!([refusals(own(1, 1) + 800, 1), refusals(own(2, 1) + 800, 2)], [50, 25]);
        assert_eq!(refusals(1_048_576, 1), REFUSALS);
    }

    #[test]
    fn the_limit_is_the_one_a_shell_started_here_would_tell() {
        let shell = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output().unwrap();
        let told = String::from_utf8(shell.stdout).unwrap();
        assert_eq!(limit().to_string(), told.trim());
    }

    #[test]
    fn a_limit_is_shared_out_and_never_above_what_descriptors_allow() {
        let share = Share { clients: 100, refusals: 1, endpoints: 100, connections: 200 };
        let under = |limit, beside| {
            let ClientLimit { most, set_by } = share.clients_under(limit, 2, beside);
            (most, set_by)
        };
        let (settings, descriptors) = (SetBy::Settings, SetBy::Descriptors);
        assert_eq!(
            [0, 1, 50, 200, 202, 9_999].map(|limit| under(limit, 200)),
            [
                (100, descriptors),
                (1, settings),
                (25, settings),
                (100, settings),
                (100, descriptors),
                (100, descriptors)
            ]
        );
        let beside = [0, 24, 25].map(|beside| under(50, beside));
        assert_eq!(beside, [(0, descriptors), (24, descriptors), (25, settings)]);
    }

    #[test]
    fn of_what_lacks_descriptors_the_limit_to_raise_is_named() {
        let says = |code| remedy(&io::Error::from_raw_os_error(code));
        assert!(says(libc::EMFILE).contains("ulimit -n"));
        assert!(says(libc::ENFILE).contains("fs.file-max"));
        assert_eq!(says(libc::ECONNABORTED), "");
    }

    #[test]
    fn however_few_there_are_somebody_gets_in() {
        for limit in [0, 1, 10] {
            let Share { clients, refusals, endpoints, connections } = Share::of(limit, 16, 1);
            assert_eq!([clients, refusals, endpoints, connections], [1, 1, 1, 2]);
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
