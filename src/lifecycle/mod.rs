//! Start, health, drain, shutdown.

mod health;

pub use health::{
    HEARTBEAT_PERIOD, HealthInputs, HealthReport, Heartbeats, LIVE_LIMIT, ListenerHealth,
    READY_LIMIT, Saturation, SourceHealth, SourceState, Verdict, WorkerHealth,
};
