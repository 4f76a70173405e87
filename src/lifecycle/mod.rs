//! Start, health, drain, shutdown.

mod control;
pub(crate) mod health;
mod phase;
mod server;
mod signals;
mod state;
mod tasks;
mod worker;

pub(crate) use health::{HealthReport, Verdict};
pub(crate) use phase::{Drain, Phase};
pub(crate) use server::{Server, StartError};
pub(crate) use state::Health;
pub(crate) use tasks::{Task, TaskKind, Tasks};
