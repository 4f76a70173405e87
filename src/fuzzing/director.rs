//! The endpoints of a play.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::fuzzing::Dial;
use crate::fuzzing::stream::{PlayedStream, Written};
use crate::sync::Mutex;
use crate::transport::Transport;
use crate::upstream::{Connect, Connecting};

/// Gives each connection that is opened its play.
#[derive(Clone)]
pub(super) struct Director(Arc<Mutex<Scene>>);

struct Scene {
    dials: VecDeque<Dial>,
    accepted: Vec<(SocketAddr, Arc<Mutex<Written>>)>,
}

impl Director {
    pub(super) fn new(dials: Vec<Dial>) -> Self {
        Self(Arc::new(Mutex::new(Scene { dials: dials.into(), accepted: Vec::new() })))
    }

    /// What was written on each accepted connection.
    pub(super) fn heard(&self) -> Vec<(SocketAddr, Bytes)> {
        let scene = self.0.lock();
        let heard = |(address, written): &(_, Arc<Mutex<Written>>)| {
            (*address, written.lock().bytes.clone().into())
        };
        scene.accepted.iter().map(heard).collect()
    }
}

impl Connect for Director {
    fn connect(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move {
            let dial = self.0.lock().dials.pop_front().unwrap_or(Dial::Refused);
            match dial {
                Dial::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
                Dial::Hangs => std::future::pending().await,
                Dial::Accepted(play) => {
                    let written = Arc::new(Mutex::new(Written::default()));
                    self.0.lock().accepted.push((address, written.clone()));
                    Ok(Box::new(PlayedStream::new(play, written)) as Box<dyn Transport>)
                }
            }
        })
    }
}
