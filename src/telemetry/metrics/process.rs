//! `process_*`: what the kernel knows about this process, from `/proc`.
//!
//! On a system without `/proc` these families are absent.

use std::fmt::Error;
use std::fs;

use super::families::Families;

/// Clock ticks per second in `/proc`: `USER_HZ`, 100 on every Linux
/// architecture that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading; `None` for what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessFigures {
    /// User and system time, in seconds.
    pub(super) cpu_seconds: Option<f64>,
    /// When the process started, in seconds since 1970.
    pub(super) start_time_seconds: Option<f64>,
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// Address space.
    pub(super) virtual_bytes: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<u64>,
    /// How many there may be.
    pub(super) max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Reads `/proc/self`.
    pub(super) fn read() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|entries| {
            // The listing's own descriptor is among them.
            (entries.count() as u64).saturating_sub(1)
        });
        let stat = file("/proc/self/stat");
        let status = file("/proc/self/status");
        Self {
            open_fds,
            ..Self::parse(&stat, &file("/proc/stat"), &status, &file("/proc/self/limits"))
        }
    }

    fn parse(stat: &str, system: &str, status: &str, limits: &str) -> Self {
        let times = StatTimes::parse(stat);
        let boot = line_value(system, "btime").map(|seconds| seconds as f64);
        Self {
            cpu_seconds: times.map(|times| times.cpu_ticks as f64 / TICKS_PER_SECOND),
            start_time_seconds: times
                .zip(boot)
                .map(|(times, boot)| boot + times.start_ticks as f64 / TICKS_PER_SECOND),
            resident_bytes: line_value(status, "VmRSS:").map(|kib| kib * 1024),
            virtual_bytes: line_value(status, "VmSize:").map(|kib| kib * 1024),
            threads: line_value(status, "Threads:"),
            open_fds: None,
            max_fds: line_value(limits, "Max open files"),
        }
    }
}

/// The times in `/proc/self/stat`, in ticks.
#[derive(Clone, Copy)]
struct StatTimes {
    cpu_ticks: u64,
    start_ticks: u64,
}

impl StatTimes {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the command in parentheses, which may itself
        // hold spaces and parentheses: what follows the last one counts.
        // proc(5): there, state is field 3, utime 14, stime 15, starttime 22.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { cpu_ticks: field(14)? + field(15)?, start_ticks: field(22)? })
    }
}

/// The first number after `key` at the start of a line.
fn line_value(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// The standard process families, those that could be read.
pub(super) fn process(out: &mut Families<'_>, figures: ProcessFigures) -> Result<(), Error> {
    if let Some(seconds) = figures.cpu_seconds {
        out.counter("process_cpu_seconds", "User and system CPU time", seconds)?;
    }
    if let Some(seconds) = figures.start_time_seconds {
        out.gauge("process_start_time_seconds", "Start, since the Unix epoch", seconds)?;
    }
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory", figures.resident_bytes),
        ("process_virtual_memory_bytes", "Address space", figures.virtual_bytes),
        ("process_threads", "Threads", figures.threads),
        ("process_open_fds", "Open file descriptors", figures.open_fds),
        ("process_max_fds", "The limit of open file descriptors", figures.max_fds),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            out.gauge(name, help, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 3 0 1000 0 0";
        let figures = ProcessFigures::parse(stat, "cpu 1\nbtime 1700000000\n", "", "");
        assert_eq!(figures.cpu_seconds, Some(3.0));
        assert_eq!(figures.start_time_seconds, Some(1_700_000_010.0));
    }

    #[test]
    fn memory_threads_and_the_descriptor_limit_are_read() {
        let status = "Name:\tx\nVmSize:\t   2048 kB\nVmRSS:\t    1024 kB\nThreads:\t5\n";
        let limits = "Limit   Soft Limit Hard Limit Units\nMax open files   1024   4096   files\n";
        let figures = ProcessFigures::parse("", "", status, limits);
        assert_eq!(figures.resident_bytes, Some(1 << 20));
        assert_eq!(figures.virtual_bytes, Some(2 << 20));
        assert_eq!(figures.threads, Some(5));
        assert_eq!(figures.max_fds, Some(1024));
        assert_eq!(figures.cpu_seconds, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_process_has_memory_descriptors_and_a_start_time() {
        let figures = ProcessFigures::read();
        assert!(figures.resident_bytes > Some(0) && figures.open_fds > Some(0));
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let start = figures.start_time_seconds.unwrap();
        assert!(start <= now + 2.0 && now - start < 86_400.0, "{start} against {now}");
    }
}
