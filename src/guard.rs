//! Taking a guard out, to see that its test notices.
//!
//! The tests in `tests/incidents` replay outages of other routers and show
//! that they do not happen here. A test that has never failed shows little, so
//! each runs once more against a build in which the guard it is about can be
//! taken out, and must then see the outage. That build has the feature
//! `unguarded`, which nothing but those tests uses; without it every question
//! here is the constant `true` and leaves no trace in the program.

/// What keeps one of the incidents from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A client that leaves is noticed, and all that was done for it dropped.
    Departure,
    /// A connection with bytes on it that nobody asked for is not used again.
    CleanReuse,
    /// Idle endpoint connections are looked through now and then.
    Sweep,
    /// A probe ends, and its connection with it, however long its answer is.
    ProbeEnd,
    /// A silent client connection is closed after `keep_alive`.
    KeepAlive,
    /// Who leaves while it waits for an endpoint leaves its place in line.
    Place,
    /// A drain cuts what is left when its time is over.
    DrainEnd,
}

/// Whether `guard` is in its place: always, but for a test build.
#[cfg(not(feature = "unguarded"))]
#[inline]
pub(crate) const fn is_on(_guard: Guard) -> bool {
    true
}

/// Whether `guard` is in its place: unless `POINTSMAN_UNGUARDED` had its name
/// when the process first asked.
#[cfg(feature = "unguarded")]
pub(crate) fn is_on(guard: Guard) -> bool {
    static TAKEN_OUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let name = match guard {
        Guard::Departure => "departure",
        Guard::CleanReuse => "clean-reuse",
        Guard::Sweep => "sweep",
        Guard::ProbeEnd => "probe-end",
        Guard::KeepAlive => "keep-alive",
        Guard::Place => "place",
        Guard::DrainEnd => "drain-end",
    };
    let read = || std::env::var("POINTSMAN_UNGUARDED").unwrap_or_default();
    TAKEN_OUT.get_or_init(read) != name
}
