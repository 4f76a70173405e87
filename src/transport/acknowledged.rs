//! What a peer's system has acknowledged, as this system knows it.

use std::os::fd::AsFd;

/// Bytes of a TCP connection that the peer's system has acknowledged since the
/// connection began; `None` where the system does not say. One system call.
pub(super) fn of(socket: &impl AsFd) -> Option<u64> {
    system::acknowledged(socket)
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsFd;

    use nix::sys::socket::{getsockopt, sockopt::GetStruct};

    /// The front of the system's `tcp_info`, up to what is wanted of it. All of
    /// it are numbers, so that no bytes the system writes are wrong.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub(crate) struct TcpInfo {
        _before: [u64; 15],
        /// `tcpi_bytes_acked`, which Linux has had since 4.1.
        bytes_acked: u64,
    }

    #[derive(Clone, Copy)]
    struct Info;

    nix::getsockopt_impl!(Info, libc::IPPROTO_TCP, libc::TCP_INFO, TcpInfo, GetStruct<TcpInfo>);

    pub(super) fn acknowledged(socket: &impl AsFd) -> Option<u64> {
        getsockopt(&socket.as_fd(), Info).ok().map(|info| info.bytes_acked)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsFd;

    pub(super) fn acknowledged(_: &impl AsFd) -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_peer_acknowledges_is_counted_and_what_waits_here_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        let before = of(&ours).unwrap();
        ours.write_all(b"twelve bytes").unwrap();
        peer.read_exact(&mut [0; 12]).unwrap();
        // The acknowledgement may be delayed; the peer's own bytes carry it.
        peer.write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(of(&ours).unwrap() - before, 12);
        ours.set_nonblocking(true).unwrap();
        let mut written = 12;
        while let Ok(bytes) = ours.write(&[0; 16 << 10]) {
            written += bytes as u64;
        }
        assert!(of(&ours).unwrap() - before < written, "the peer has no room for all of it");
    }

    #[test]
    fn what_is_no_tcp_connection_says_nothing() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(of(&one), None);
    }
}
