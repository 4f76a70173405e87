//! Taking connections off a listening socket.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::config::ListenerSettings;
use crate::descriptors::{ClientLimit, is_shortage, remedy, somebody_waits};
use crate::lifecycle::Phase;
use crate::listen::Listener;
use crate::listen::at_once::AtOnce;
use crate::listen::connections::Connections;
use crate::listen::http1;
use crate::listen::newcomers::{HANDSHAKES_END, turn_newcomers_away};
use crate::listen::prelude::{self, Prelude, Preludes};
use crate::listen::socket::BACKLOG;
use crate::request::ClientAddress;
use crate::router::Router;

/// Wait after an accept that failed for want of descriptors or memory: the
/// connection stays in the queue, and asking again at once would spin.
const STARVED_WAIT: Duration = Duration::from_millis(50);

/// The same where an idle connection was asked to make room, which it does at
/// its next turn.
const ROOM_WAIT: Duration = Duration::from_millis(1);

/// The same where nobody is in the queue: there is nothing to make room for.
const NOBODY_WAIT: Duration = Duration::from_millis(5);

/// Between two lines of the log about accepts that failed.
const LOG_EVERY_MS: u64 = 1_000;

/// What accepting needs; one for each worker.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) router: Router,
    pub(crate) connections: Arc<Connections>,
    /// The listener it accepts for, and its place in the configuration.
    pub(crate) listener: Arc<ListenerSettings>,
    pub(crate) index: usize,
    /// What comes before HTTP on this worker's connections.
    pub(crate) preludes: Arc<Preludes>,
    /// Set while connections wait in the queue that cannot be accepted.
    pub(crate) failing: Arc<AtomicBool>,
}

/// Accepts from `listener` until the drain, then until its queue is empty for
/// good, and closes it.
///
/// # Errors
/// If the socket cannot be registered with the worker's runtime.
pub(crate) async fn accept(
    listener: Listener,
    acceptor: Acceptor,
    mut phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let Listener { socket, outlives_us } = listener;
    let socket = TcpListener::from_std(socket)?;
    acceptor.take_until(&socket, reached(&mut phase, Phase::stops_accepting)).await;
    if !outlives_us {
        match turn_newcomers_away(&socket) {
            Ok(()) => {
                let cut = reached(&mut phase, |phase| *phase == Phase::Cut);
                let over = async { drop(tokio::time::timeout(HANDSHAKES_END, cut).await) };
                acceptor.take_until(&socket, over).await;
            }
            Err(error) => tracing::debug!(%error, "the listener closes with the door open"),
        }
    }
    acceptor.take_the_rest(socket.into_std()?).await
}

/// Waits for a phase.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: impl FnMut(&Phase) -> bool) {
    // Without a control side nobody will ever ask for connections either.
    drop(phase.wait_for(wanted).await);
}

impl Acceptor {
    async fn take_until(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                accepted = self.next(listener) => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer),
                    Err(error) => self.rest_after(&error, listener).await,
                },
                () = &mut end => return,
            }
        }
    }

    /// The next connection of the queue.
    async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let polled = listener.poll_accept(cx);
            // With nobody in the queue there is nobody who cannot be accepted.
            let fails = match &polled {
                Poll::Ready(Err(error)) => !is_over(error) && somebody_waits(listener),
                _ => false,
            };
            if self.failing.load(Relaxed) != fails {
                self.failing.store(fails, Relaxed);
            }
            polled
        })
        .await
    }

    /// Empties the queue; what comes meanwhile on a socket that others share
    /// is theirs. The system is asked each time: the runtime would say that
    /// nothing waits until it has polled again.
    async fn take_the_rest(&self, listener: std::net::TcpListener) -> io::Result<()> {
        let mut taken = 0;
        while taken < BACKLOG {
            match listener.accept() {
                Ok((stream, peer)) => {
                    taken += 1;
                    // One that cannot be served must not cost the others.
                    let ready = stream.set_nonblocking(true);
                    match ready.and_then(|()| TcpStream::from_std(stream)) {
                        Ok(stream) => self.take(stream, peer),
                        Err(error) => tracing::debug!(%error, %peer, "accepted in vain"),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) if !somebody_waits(&listener) => break,
                Err(error) => self.rest_after(&error, &listener).await,
            }
        }
        Ok(())
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            // The client has gone already.
            return;
        }
        let (open, limit) = (self.connections.len(), self.limit());
        let full = self.connections.staying() >= limit;
        let crowded = full && !self.connections.evict_longest_idle();
        if crowded {
            self.connections.turned_away();
        }
        let entry = self.connections.enter(peer);
        if crowded {
            // Nobody else's room is to be had from it.
            entry.active();
        }
        let client = ClientAddress { peer, local, secure: false };
        let router = self.router.clone();
        let half_close_allowed = self.listener.half_close_allowed;
        if crowded && open.saturating_sub(limit) >= router.worker().shared.descriptors.refusals {
            if !prelude::has_any(&self.listener) {
                let connection = http1::open(Box::new(AtOnce(stream)), false, &router);
                let refusing =
                    pin!(http1::refuse_crowded(&connection, &client, &router, &entry, None));
                // Whatever would be waited for is not.
                let _ = refusing.poll(&mut Context::from_waker(Waker::noop()));
            }
            return;
        }
        if prelude::has_any(&self.listener) {
            let (listener, index) = (self.listener.clone(), self.index);
            let preludes = self.preludes.clone();
            let prelude =
                Prelude { stream, client, listener, index, router: router.clone(), preludes };
            tokio::spawn(async move {
                let serving = pin!(async {
                    let passed =
                        prelude::unless_evicted(&entry, Box::pin(prelude.pass(&entry))).await;
                    let Some((stream, client)) = passed else { return };
                    let connection = http1::open(stream, half_close_allowed, &router);
                    if crowded {
                        http1::refuse_crowded(&connection, &client, &router, &entry, None).await;
                    } else {
                        http1::serve(&connection, &client, &router, &entry).await;
                    }
                });
                entry.until_cut(serving).await;
            });
            return;
        }
        tokio::spawn(async move {
            let connection = http1::open(Box::new(stream), half_close_allowed, &router);
            if crowded {
                let refusing =
                    pin!(http1::refuse_crowded(&connection, &client, &router, &entry, None));
                entry.until_cut(refusing).await;
            } else {
                let serving = pin!(http1::serve(&connection, &client, &router, &entry));
                entry.until_cut(serving).await;
            }
        });
    }

    /// Connections this worker may hold now.
    fn limit(&self) -> usize {
        client_limit(&self.router).most
    }

    /// Makes room if the system has none left for who waits in this queue, and
    /// waits until it is worth trying again.
    async fn rest_after(&self, error: &io::Error, queue: &impl AsFd) {
        if is_over(error) {
            return;
        }
        if !somebody_waits(queue) {
            tokio::time::sleep(NOBODY_WAIT).await;
            return;
        }
        let worker = self.router.worker();
        let now_ms = worker.shared.now_ms(Instant::now());
        if let Some(unsaid) = worker.shared.failed_accepts.turn(now_ms, LOG_EVERY_MS) {
            let remedy = remedy(error);
            tracing::warn!(%error, unsaid, "cannot accept a connection; trying again shortly{remedy}");
        }
        // An idle client is the first to go: the newcomer may then use its
        // endpoint's connection, which would not be there otherwise. Who was
        // asked before and has not left yet leaves for this newcomer.
        let room = is_shortage(error)
            && (self.connections.some_leave()
                || self.connections.evict_longest_idle()
                || worker.pool.close_idle());
        tokio::time::sleep(if room { ROOM_WAIT } else { STARVED_WAIT }).await;
    }
}

/// Connections that a worker may hold now: as configured, and as those to
/// endpoints leave descriptors over.
pub(crate) fn client_limit(router: &Router) -> ClientLimit {
    let worker = router.worker();
    let shared = &worker.shared;
    let limit = router.look(|snapshot| snapshot.settings.limits.connections);
    shared.descriptors.clients_under(limit, shared.workers, worker.seats.clients_beside())
}

/// Whether an error was that of one connection, which is out of the queue by
/// now: Linux tells what has befallen it on the network as well, and that a
/// firewall forbids it (accept(2)).
fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    let of_one = [
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
        libc::EPERM,
    ];
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || error.raw_os_error().is_some_and(|code| of_one.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use super::*;
    use crate::lifecycle::{Drain, Health};
    use crate::listen::{PassedSockets, listen};
    use crate::router::Shared;
    use crate::telemetry::access_log::AccessLogHandle;

    fn acceptor() -> Acceptor {
        acceptor_of(1, "")
    }

    fn acceptor_of(workers: usize, more: &str) -> Acceptor {
        let text = format!("{more}\n[[listener]]\naddress = \"127.0.0.1:0\"\n");
        let settings = crate::config::parse(&text, "test").unwrap();
        let shared = Arc::new(Shared::new(settings, workers, Health::embedded()).unwrap());
        let router = Router::for_worker(shared, 0, AccessLogHandle::off());
        let connections = router.worker().connections.clone();
        let listener = Arc::new(router.pin().settings.listeners[0].clone());
        let (preludes, failing) = (Arc::default(), Arc::default());
        Acceptor { router, connections, listener, index: 0, preludes, failing }
    }

    fn listener() -> (Listener, SocketAddr) {
        let loopback = ([127, 0, 0, 1], 0).into();
        let listener = listen(loopback, 1, &mut PassedSockets::default()).unwrap().remove(0);
        let address = listener.socket.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn workers_share_the_limit_of_connections_and_each_has_one_at_least() {
        for (limit, workers, share) in [(10, 1, 10), (10, 2, 5), (7, 3, 2), (1, 4, 1)] {
            let acceptor = acceptor_of(workers, &format!("limits.connections = {limit}"));
            assert_eq!(acceptor.limit(), share, "{limit} for {workers}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_want_of_descriptors_accepting_rests_and_after_a_client_that_left_it_goes_on() {
        const EMFILE: i32 = 24;
        let (acceptor, (listener, address)) = (acceptor(), listener());
        let rest = async |error: io::Error| {
            let begun = tokio::time::Instant::now();
            acceptor.rest_after(&error, &listener.socket).await;
            begun.elapsed()
        };
        let idle = acceptor.connections.enter(address);
        assert_eq!(rest(io::Error::from_raw_os_error(EMFILE)).await, NOBODY_WAIT);
        assert!(!idle.is_evicted(), "there is nobody to make room for");
        let _waiting = Client::connect(address).unwrap();
        let next = acceptor.connections.enter(address);
        for _ in 0..2 {
            assert_eq!(rest(io::Error::from_raw_os_error(EMFILE)).await, ROOM_WAIT);
            assert!(idle.is_evicted() && !next.is_evicted(), "one is enough");
        }
        drop(idle);
        assert_eq!(rest(io::Error::from_raw_os_error(EMFILE)).await, ROOM_WAIT);
        assert!(next.is_evicted());
        drop(next);
        assert_eq!(rest(io::Error::from_raw_os_error(EMFILE)).await, STARVED_WAIT);
        assert_eq!(rest(io::ErrorKind::OutOfMemory.into()).await, STARVED_WAIT);
        assert_eq!(rest(io::ErrorKind::ConnectionAborted.into()).await, Duration::ZERO);
        assert_eq!(rest(io::ErrorKind::ConnectionReset.into()).await, Duration::ZERO);
        for code in [libc::EHOSTUNREACH, libc::EPROTO, libc::EPERM] {
            assert_eq!(rest(io::Error::from_raw_os_error(code)).await, Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn even_at_the_cut_the_queue_is_emptied_before_the_listener_closes() {
        let (listener, address) = listener();
        let queued: Vec<_> = (0..50).map(|_| Client::connect(address).unwrap()).collect();
        let (drain, acceptor) = (Drain::new(), acceptor());
        drain.cut();
        accept(listener, acceptor.clone(), drain.watch()).await.unwrap();
        assert_eq!(acceptor.connections.len(), queued.len());
        assert!(Client::connect(address).is_err(), "it is closed");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn while_a_listener_closes_nobody_is_let_in_and_nobody_is_turned_away() {
        let (listener, address) = listener();
        let (drain, acceptor) = (Drain::new(), acceptor());
        drain.begin();
        let running = drain.run(Duration::ZERO, Duration::from_secs(10));
        let closing = accept(listener, acceptor, drain.watch());
        let arriving = async {
            let mut phase = drain.watch();
            reached(&mut phase, Phase::stops_accepting).await;
            // The listener has heard of it too at the next turn.
            tokio::task::yield_now().await;
            let short = Duration::from_millis(100);
            let connect = move || Client::connect_timeout(&address, short);
            let arrived = tokio::task::spawn_blocking(connect).await.unwrap();
            drain.cut();
            arrived
        };
        let ((), closed, arrived) = tokio::join!(running, closing, arriving);
        closed.unwrap();
        // It asks again in a second; being refused would be kinder only if no
        // other router were about to listen here.
        assert_eq!(arrived.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
