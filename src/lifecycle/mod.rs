//! Start, reload, health, drain, shutdown.

mod control;
mod drain_gate;
pub(crate) mod health;
mod phase;
mod reload;
mod server;
mod signals;
mod state;
mod systemd;
mod watchdog;
mod worker;

pub(crate) use drain_gate::DrainGate;
pub(crate) use health::{HealthReport, SourceHealth, SourceState, Verdict};
pub(crate) use phase::{Drain, Phase};
pub(crate) use server::{Server, StartError};
pub(crate) use state::Health;
