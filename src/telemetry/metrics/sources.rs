//! What the sources of live routes say of themselves.

use std::fmt::Error;

use crate::registry::NatsStatus;
use crate::registry::snapshot::SnapshotFigures;

use super::families::Families;

/// The bus that endpoints register on.
pub(super) fn bus(out: &mut Families<'_>, nats: &NatsStatus) -> Result<(), Error> {
    let figures = &nats.figures;
    out.gauge(
        "pointsman_nats_connected",
        "Whether there is a connection to NATS",
        u64::from(nats.is_connected()),
    )?;
    out.counters(
        "pointsman_nats_messages",
        "Messages of NATS taken, by subject",
        figures.messages().map(|(subject, count)| ([("subject", subject)], count)),
    )?;
    out.counters(
        "pointsman_nats_messages_refused",
        "Messages of NATS that were wrong and changed nothing, by kind",
        figures.by_kind().map(|(kind, count)| ([("kind", kind)], count)),
    )?;
    out.counters(
        "pointsman_nats_endpoints",
        "Endpoints that NATS added and removed, those there was no room for, and late words on them",
        figures.endpoints().map(|(result, count)| ([("result", result)], count)),
    )?;
    out.counters(
        "pointsman_nats_options_ignored",
        "Registrations with an option that is not followed, by option",
        figures.by_ignored_option().map(|(option, count)| ([("option", option)], count)),
    )?;
    out.counter(
        "pointsman_nats_messages_dropped",
        "Messages of NATS lost since too many waited",
        figures.dropped(),
    )
}

/// The file live routes are kept in.
pub(super) fn snapshot_file(
    out: &mut Families<'_>,
    figures: &SnapshotFigures,
) -> Result<(), Error> {
    if let Some(age) = figures.age {
        out.gauge(
            "pointsman_snapshot_age_seconds",
            "Time since the snapshot was known to have every change of the live routes",
            age.as_secs_f64(),
        )?;
    }
    out.gauge("pointsman_snapshot_bytes", "Length of the snapshot", figures.bytes)?;
    out.gauge(
        "pointsman_snapshot_restored_changes",
        "Changes read from the snapshot at the start",
        figures.restored,
    )?;
    out.counter(
        "pointsman_snapshot_write_failures",
        "Times the snapshot could not be written",
        figures.failures,
    )?;
    out.counter(
        "pointsman_snapshot_set_aside",
        "Snapshots that could not be used, or not wholly",
        figures.set_aside,
    )
}
