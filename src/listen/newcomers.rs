//! Closing a listening socket without resetting anybody.
//!
//! Closing one resets what is in its queue: connections whose clients were
//! told that they are established. Emptying the queue first is not enough,
//! since another can come in before the close, and handshakes under way fare
//! no better. Linux has no call that stops a socket from listening and keeps
//! its queue. But a packet filter on it sees the segments that are meant for
//! it, and one that drops first SYNs and nothing else does just that: no
//! handshake begins, those under way complete, and when they have, the queue
//! is empty for good.
//!
//! A client whose SYN was dropped sends it again after 1 s (RFC 6298 section
//! 2): it finds the next instance, or is refused. Neither is a connection lost.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;

/// How long handshakes under way get to complete: the round trip of distant
/// clients.
pub(super) const HANDSHAKES_END: Duration = Duration::from_millis(500);

/// From now on no handshake begins on `listener`. This is final, and for all
/// who share the socket.
///
/// # Errors
/// If the system has no such filter; then the socket is as it was.
#[cfg(target_os = "linux")]
pub(super) fn turn_newcomers_away(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // Classic BPF (the kernel's filter.txt). The program sees the segment
    // from its TCP header on; what it returns is how many bytes to keep.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // RFC 9293 section 3.1.
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Other systems have no such filter.
#[cfg(not(target_os = "linux"))]
pub(super) fn turn_newcomers_away(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn who_was_let_in_stays_and_nobody_else_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut before = TcpStream::connect(address).unwrap();
        turn_newcomers_away(&listener).unwrap();
        let after = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(after.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (accepted, _) = listener.accept().await.unwrap();
        let mut accepted = accepted.into_std().unwrap();
        accepted.set_nonblocking(false).unwrap();
        drop(listener);
        before.write_all(b"ping").unwrap();
        let mut read = [0; 4];
        accepted.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"ping");
    }
}
