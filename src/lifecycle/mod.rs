//! Start, health, drain, shutdown.

mod health;
mod phase;
mod state;
mod worker;

pub use health::{
    HEARTBEAT_PERIOD, HealthInputs, HealthReport, Heartbeats, LIVE_LIMIT, ListenerHealth,
    READY_LIMIT, Saturation, SourceHealth, SourceState, Verdict, WorkerHealth,
};
pub(crate) use phase::{Drain, Phase};
pub(crate) use state::Health;
