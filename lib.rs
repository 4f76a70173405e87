#![allow(dead_code, unreachable_pub)]
pub(crate) mod sync { pub(crate) use std::sync::{Arc, atomic}; #[derive(Debug,Default)] pub(crate) struct Mutex<T>(std::sync::Mutex<T>);
 impl<T> Mutex<T>{ pub(crate) fn new(t:T)->Self{Self(std::sync::Mutex::new(t))} pub(crate) fn lock(&self)->std::sync::MutexGuard<'_,T>{self.0.lock().unwrap()} } }
pub mod endpoint { #[path="/work/h/adaptive/src/endpoint/adaptive/mod.rs"] pub mod adaptive; }
