//! The loop that drives the apps: a small HTTP/1 server over the house's own
//! codec, on a thread of its own, with a bound on everything.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::StatusCode;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::apps::{App, Content, Flaked, Then, Turn};
use crate::http1::{
    BodyDecoder, Decoded, FieldLines, HeadLimits, HeadReader, ParsedRequest, encode_informational,
};

/// Connections of all apps together; more wait in the accept queue.
const CONNECTIONS: usize = 1024;
/// What a request's head, and its trailers, may have.
const HEAD: HeadLimits = HeadLimits { bytes: 128 << 10, fields: 256 };
/// Bytes read at a time.
const READ: usize = 16 << 10;
/// Bytes of a request's content that are kept to be shown.
const KEPT: usize = 64 << 10;
/// The wait for bytes, and for room to write. Longer than the router keeps an
/// idle connection, so that it is never the app that closes one.
const IDLE: Duration = Duration::from_secs(90);
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The apps, running. Dropping it ends them.
pub(super) struct Apps {
    addresses: Vec<(App, SocketAddr)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Apps {
    /// Starts every app on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If the system gives no port, runtime or thread.
    pub(super) fn start() -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for app in App::ALL {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            addresses.push((app, listener.local_addr()?));
            listeners.push((app, listener));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut accepting = JoinSet::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let flaked = Arc::new(Flaked::default());
        {
            let _entered = runtime.enter();
            for (app, listener) in listeners {
                let listener = TcpListener::from_std(listener)?;
                accepting.spawn_on(
                    accept(listener, app, flaked.clone(), slots.clone()),
                    runtime.handle(),
                );
            }
        }
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("apps".into()).spawn(move || {
            // Stopped by a word or by the other half's end, all the same; the
            // connections end with the runtime.
            let _ = runtime.block_on(stopped);
        })?;
        accepting.detach_all();
        Ok(Self { addresses, stop: Some(stop), thread: Some(thread) })
    }

    /// Each app's endpoint.
    pub(super) fn addresses(&self) -> Vec<(App, SocketAddr)> {
        self.addresses.clone()
    }
}

impl Drop for Apps {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, app: App, flaked: Arc<Flaked>, slots: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    while let Ok(slot) = slots.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let flaked = flaked.clone();
                connections.spawn(async move {
                    // How a conversation fails is the router's to tell.
                    let _ = converse(stream, app, &flaked).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the requests of one connection until either side ends it.
async fn converse(mut stream: TcpStream, app: App, flaked: &Flaked) -> io::Result<()> {
    let mut input = BytesMut::new();
    while let Some(request) = read_head(&mut stream, &mut input).await? {
        let then = if app.is_hasty(&request) {
            let turn = app.answer(&request, &Content::default(), flaked);
            let then = take_turn(&mut stream, turn).await?;
            read_content(&mut stream, &mut input, &request).await?;
            then
        } else {
            if request.expect_continue {
                let mut word = BytesMut::new();
                encode_informational(&mut word, StatusCode::CONTINUE, &FieldLines::new());
                in_time(stream.write_all(&word)).await?;
            }
            let content = read_content(&mut stream, &mut input, &request).await?;
            take_turn(&mut stream, app.answer(&request, &content, flaked)).await?
        };
        match then {
            Then::Keep => {}
            Then::Close => break,
            Then::Reset => {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                break;
            }
        }
    }
    Ok(())
}

async fn take_turn(stream: &mut TcpStream, mut turn: Turn) -> io::Result<Then> {
    if !turn.wait.is_zero() {
        tokio::time::sleep(turn.wait).await;
    }
    while turn.bytes.has_remaining() {
        in_time(stream.write_buf(&mut turn.bytes)).await?;
    }
    Ok(turn.then)
}

/// The next request's head; `None` if the connection ended before it.
async fn read_head(
    stream: &mut TcpStream,
    input: &mut BytesMut,
) -> io::Result<Option<ParsedRequest>> {
    let mut reader = HeadReader::new();
    loop {
        match reader.request(input, &HEAD) {
            Ok(Some(request)) => return Ok(Some(request)),
            Ok(None) => {}
            Err(refusal) => return Err(io::Error::other(refusal.kind.to_string())),
        }
        if read(stream, input).await? == 0 {
            return Ok(None);
        }
    }
}

/// All of a request's content, of which the beginning is kept.
async fn read_content(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    request: &ParsedRequest,
) -> io::Result<Content> {
    let mut decoder = BodyDecoder::new(request.framing, HEAD);
    let mut content = Content::default();
    loop {
        let refused = |refusal: crate::http1::Refusal| io::Error::other(refusal.kind.to_string());
        match decoder.decode(input).map_err(refused)? {
            Decoded::End => return Ok(content),
            Decoded::Trailers(_) => {}
            Decoded::Data(data) => {
                content.length += data.len() as u64;
                let room = KEPT - content.start.len();
                content.start.extend_from_slice(&data[..data.len().min(room)]);
            }
            Decoded::NeedMore => {
                if read(stream, input).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

async fn read(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<usize> {
    input.reserve(READ);
    in_time(stream.read_buf(input)).await
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(IDLE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
