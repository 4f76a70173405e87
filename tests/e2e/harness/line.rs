//! A line to a server that can be cut and joined again, while the server and
//! its other clients know nothing of it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;

/// Carries what connects to its address on to a server.
pub(crate) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_cut: AtomicBool,
    is_over: AtomicBool,
    /// Both ends of what was carried.
    carried: Mutex<Vec<TcpStream>>,
}

impl Line {
    /// A line to `server`, joined.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::<Shared>::default();
        let own = shared.clone();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if own.is_over.load(SeqCst) {
                    return;
                }
                // Whoever cannot be carried is hung up on.
                drop(own.carry(near, server));
            }
        });
        Self { address, shared }
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all that is carried, and hangs up on who connects from now on.
    pub(crate) fn cut(&self) {
        let mut carried = self.shared.carried.lock();
        self.shared.is_cut.store(true, SeqCst);
        carried.drain(..).for_each(|end| drop(end.shutdown(Shutdown::Both)));
    }

    /// Carries who connects from now on.
    pub(crate) fn join(&self) {
        self.shared.is_cut.store(false, SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        self.cut();
        // Wakes who accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn carry(&self, near: TcpStream, server: SocketAddr) -> io::Result<()> {
        let far = TcpStream::connect(server)?;
        let mut carried = self.carried.lock();
        if self.is_cut.load(SeqCst) {
            return Ok(());
        }
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            std::thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        carried.extend([near, far]);
        Ok(())
    }
}
