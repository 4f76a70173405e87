//! Profiles of the running process, in the format that `pprof` reads.
//!
//! Nothing of it runs unless a profile is asked for. The sampler's signal
//! comes to the threads that use the processor, 99 times a second of it; what
//! is gathered is made readable elsewhere, off the workers.

mod cpu;
mod heap;
mod message;

pub(crate) use cpu::{CpuError, cpu};
pub(crate) use heap::{HeapError, heap};
