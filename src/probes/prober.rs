//! Probing one address under one check, again and again.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::endpoint::{Change, Condition, LastProbe, Probed, Reason, Rhythm, RiseFall, Standing};
use crate::probes::exchange::{Fault, probe};
use crate::router::Shared;

/// Probes for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>, probed: Arc<Probed>) {
    let check = probed.check().clone();
    let (standing, _) = probed.standing();
    let mut counts = RiseFall::new(check.rise, check.fall, standing);
    let mut rhythm = Rhythm::new(check.interval);
    let mut begun = Instant::now();
    loop {
        // From start to start, so that slow answers do not make probes rarer;
        // but what was missed is not made up for.
        let due = begun + rhythm.next_step(fastrand::u64(..));
        sleep_until(due).await;
        begun = Instant::now();
        // While it is probed a table has it, and so its identity.
        let hop = shared.tls.identities.hop(probed.way()).unwrap_or_default();
        let result = probe(&*shared.connector, probed.address(), &hop, &check).await;
        shared.metrics.probed(result.as_ref().err().map_or("passed", |fault| fault.as_str()));
        let verdict = result.as_ref().err().is_none_or(Fault::is_verdict);
        let turn = if verdict { counts.observe(result.is_ok()) } else { None };
        let fault = result.err().map(|fault| fault.to_string());
        if let Some(standing) = turn {
            let was_down = probed.is_down();
            tell(&probed, was_down, fault.as_deref());
            // From unproven to up nothing has changed for anybody.
            if was_down || standing == Standing::Down {
                let to_down = standing == Standing::Down;
                shared.metrics.verdict_turned(to_down);
                let to = if to_down { Condition::Down } else { Condition::Available };
                shared.metrics.endpoint_changed(Change { to, reason: Reason::Probes });
            }
        }
        let at_ms = shared.now_ms(std::time::Instant::now());
        probed.note(LastProbe { at_ms, fault }, turn);
    }
}

fn tell(probed: &Probed, was_down: bool, fault: Option<&str>) {
    let (endpoint, path) = (probed.address(), &probed.check().path);
    match fault {
        Some(why) => tracing::warn!(%endpoint, %path, why, "probes take the endpoint out"),
        None if was_down => tracing::info!(%endpoint, %path, "probes bring the endpoint back"),
        None => {}
    }
}
