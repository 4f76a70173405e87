//! Start, health, drain, shutdown.

mod control;
mod health;
mod phase;
mod server;
mod signals;
mod state;
mod worker;

pub use health::{
    HEARTBEAT_PERIOD, HealthInputs, HealthReport, Heartbeats, LIVE_LIMIT, ListenerHealth,
    READY_LIMIT, Saturation, SourceHealth, SourceState, Verdict, WorkerHealth,
};
pub(crate) use phase::{Drain, Phase};
pub(crate) use server::{Server, StartError};
pub(crate) use state::Health;
