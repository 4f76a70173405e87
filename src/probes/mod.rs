//! Active probes: asking endpoints whether they are well.
//!
//! What is asked, when, and what results come to is decided in
//! [`endpoint`](crate::endpoint); here it is done. All of it happens on the
//! control runtime: workers see a verdict, never a probe. One owner, [`keep`],
//! compares what the table in force wants probed with the probers it runs;
//! whatever tables, routes and workers come and go, an address under one check
//! has one prober, and none once nobody wants it.

mod exchange;
mod keeper;
mod prober;

pub(crate) use keeper::keep;
