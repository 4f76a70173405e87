//! The seam between real and modelled synchronisation.
//!
//! Every concurrency core takes its atomics and locks from here: `std` and
//! `parking_lot` in a normal build, loom's types under `--cfg pointsman_loom`,
//! so that the model checks the very code that ships. What loom has no double
//! of has a stand-in, in `modelled`.

#[cfg(pointsman_loom)]
mod modelled;

#[cfg(all(feature = "router", not(pointsman_loom)))]
pub(crate) use arc_swap::{ArcSwap, Cache};
#[cfg(not(pointsman_loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(pointsman_loom))]
pub(crate) use std::sync::{Arc, atomic};

#[cfg(pointsman_loom)]
pub(crate) use loom::sync::{Arc, atomic};
#[cfg(pointsman_loom)]
pub(crate) use modelled::Mutex;
#[cfg(pointsman_loom)]
#[allow(unused_imports, reason = "the publisher is modelled on its own, outside this crate")]
pub(crate) use modelled::{ArcSwap, Cache};
