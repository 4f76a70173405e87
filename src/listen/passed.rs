//! Listening sockets that a service manager holds and passes on (`LISTEN_FDS`,
//! see sd_listen_fds(3)).
//!
//! Such a socket outlives this process: connections that come between two
//! instances wait in its queue, so a restart refuses nobody. Sockets are
//! matched to the configuration by address alone; their names in
//! `LISTEN_FDNAMES` say nothing that the address does not.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

/// The first descriptor that is passed.
const FIRST_DESCRIPTOR: usize = 3;

/// Sockets passed by a service manager and not yet in use.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets(Vec<(SocketAddr, TcpListener)>);

/// Why passed sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// A descriptor that is no listening TCP socket.
    #[error("descriptor {descriptor} passed by the service manager is no listening TCP socket")]
    NotListening {
        /// Its number.
        descriptor: usize,
    },
    /// Two sockets of one address.
    #[error("two sockets were passed for {0}; one serves all workers")]
    Twice(SocketAddr),
    /// Sockets whose connections nobody would take.
    #[error(
        "a socket was passed for {} and no [[listener]] has that address; \
         make ListenStream and address the same",
        .0.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" and ")
    )]
    NotConfigured(Vec<SocketAddr>),
}

impl PassedSockets {
    /// What this process was started with; nothing if the variables are not
    /// set, or are meant for another process.
    ///
    /// # Errors
    /// If one of them cannot be listened on.
    pub(crate) fn from_environment() -> Result<Self, PassedError> {
        let mut descriptors = ListenFd::from_env();
        let mut sockets: Vec<(SocketAddr, TcpListener)> = Vec::new();
        for index in 0..descriptors.len() {
            let not_listening =
                || PassedError::NotListening { descriptor: FIRST_DESCRIPTOR + index };
            let socket = descriptors.take_tcp_listener(index).ok().flatten();
            let socket = socket.ok_or_else(not_listening)?;
            if !SockRef::from(&socket).is_listener().unwrap_or(false) {
                return Err(not_listening());
            }
            let address = socket.local_addr().map_err(|_| not_listening())?;
            if sockets.iter().any(|(taken, _)| *taken == address) {
                return Err(PassedError::Twice(address));
            }
            sockets.push((address, socket));
        }
        Ok(Self(sockets))
    }

    /// The socket of this very address, if it was passed.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.0.iter().position(|(passed, _)| *passed == address)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Makes sure that every socket was taken: on one that was not, clients
    /// would connect and never be answered.
    ///
    /// # Errors
    /// With the addresses that are left.
    pub(crate) fn none_left(self) -> Result<(), PassedError> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(PassedError::NotConfigured(self.0.into_iter().map(|(a, _)| a).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_address_and_what_is_left_is_named() {
        let bound = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (bound(), bound());
        let (first, second) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let mut passed = PassedSockets(vec![(first, one), (second, two)]);
        assert_eq!(passed.take(first).unwrap().local_addr().unwrap(), first);
        assert!(passed.take(first).is_none(), "it is taken once");
        let left = passed.none_left().unwrap_err().to_string();
        assert!(left.contains(&second.to_string()), "{left}");
        assert!(PassedSockets::default().none_left().is_ok());
    }
}
