//! Start, reload, health, drain, shutdown.

mod conditions;
mod control;
mod drain_gate;
pub(crate) mod health;
mod jobs;
mod kept;
mod phase;
mod reload;
mod route_views;
mod server;
mod signals;
mod state;
mod strain;
mod systemd;
mod tasks;
mod watchdog;
mod worker;

pub(crate) use drain_gate::DrainGate;
pub(crate) use health::{HealthReport, SourceHealth, SourceState, Verdict};
pub(crate) use kept::Kept;
pub(crate) use phase::{Drain, Phase};
pub(crate) use server::{Server, StartError};
pub(crate) use state::{Full, Health, Room};
pub(crate) use strain::Strain;
#[cfg(feature = "profiling")]
pub(crate) use tasks::TaskGuard;
pub(crate) use tasks::{Task, TaskKind, Tasks};
