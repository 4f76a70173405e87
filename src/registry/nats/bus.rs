//! The connection to the bus: the one module that knows async-nats.
//!
//! async-nats connects again by itself and renews the subscription. What it
//! tells of that comes through a queue that can be full, so events only wake
//! the one who looks, and the state of the connection itself is the truth.

use std::error::Error;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use bytes::Bytes;
use tokio::sync::Notify;

use super::credentials::{self, Credentials, CredentialsFault};
use super::intake::Subject;
use crate::config::NatsSettings;
use crate::router::Shared;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A connection that is silent for three of them is lost; the client knows no
/// other number. A busy one is not asked.
const PING_EVERY: Duration = Duration::from_secs(2);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
const PUBLISH_PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    #[error("the credentials cannot be used: {0}")]
    Credentials(#[from] CredentialsFault),
    #[error("a server's URL is wrong: {0}")]
    Url(std::io::Error),
    #[error("{}", why(.0))]
    Connect(#[from] async_nats::ConnectError),
    #[error("cannot subscribe: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
}

/// One message.
#[derive(Debug)]
pub(super) struct Said {
    /// `None` for what this router does not listen to.
    pub(super) subject: Option<Subject>,
    pub(super) payload: Bytes,
    pub(super) reply: Option<String>,
}

pub(super) struct Bus {
    client: Client,
    messages: Subscriber,
    signals: Arc<Signals>,
    /// Bytes of a subject before what tells one from the other.
    prefix_bytes: usize,
    /// Messages that may wait.
    queue: u64,
    /// Messages taken out of the queue.
    taken: u64,
    /// Messages known to be lost.
    lost: u64,
    /// Those of them that were told.
    lost_told: u64,
}

/// What the events of async-nats come to.
#[derive(Default)]
pub(super) struct Signals {
    connects: AtomicU64,
    changed: Notify,
    refused: Mutex<Option<String>>,
}

impl Signals {
    /// Notes what the server complains of. That it lets this router send
    /// nothing does no harm: emitters say all they know now and then, asked or
    /// not. That it may not listen does.
    fn note(&self, error: &str) {
        if error.to_lowercase().contains("permissions violation for subscription") {
            *self.refused.lock() = Some(error.to_owned());
        } else {
            tracing::warn!(error, "NATS");
        }
    }

    /// Waits until something has happened to the connection.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Bus {
    pub(super) async fn connect(settings: &NatsSettings) -> Result<Self, BusError> {
        let signals = Arc::new(Signals::default());
        let options = options(settings, &signals).await?;
        let servers = settings.urls.iter().map(|url| url.parse());
        let servers: Vec<async_nats::ServerAddr> =
            servers.collect::<Result<_, _>>().map_err(BusError::Url)?;
        let client = options.connect(servers).await?;
        let messages = client.subscribe(format!("{}.*", settings.subject_prefix)).await?;
        let prefix_bytes = settings.subject_prefix.len() + 1;
        let queue = settings.queue as u64;
        let (taken, lost, lost_told) = (0, 0, 0);
        Ok(Self { client, messages, signals, prefix_bytes, queue, taken, lost, lost_told })
    }

    /// The next message; `None` once async-nats has given up.
    pub(super) async fn next(&mut self) -> Option<Said> {
        let message = std::future::poll_fn(|cx| self.poll(cx)).await?;
        Some(self.said(message))
    }

    /// The next message, if it is there already.
    pub(super) fn waiting(&mut self) -> Option<Said> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(message)) => Some(self.said(message)),
            // An end is found by `next`.
            Poll::Ready(None) | Poll::Pending => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<async_nats::Message>> {
        // One that has had its share of the thread is told "none" whatever waits.
        let is_truthful = tokio::task::coop::has_budget_remaining();
        let polled = futures_core::Stream::poll_next(Pin::new(&mut self.messages), cx);
        match polled {
            Poll::Ready(Some(_)) => self.taken += 1,
            Poll::Pending if is_truthful => self.note_lost(0),
            _ => {}
        }
        polled
    }

    /// Works out what was lost, with so many at most in the queue.
    ///
    /// async-nats counts what it reads, and drops what finds no room; it tells
    /// of that through a queue that is the first to be full then. But what was
    /// read, and neither was taken nor still waits, is lost. The client runs on
    /// this very thread, so that at no look anything is on its way from the one
    /// to the other.
    fn note_lost(&mut self, waiting: u64) {
        let read = self.client.statistics().in_messages.load(Relaxed);
        self.lost = self.lost.max(read.saturating_sub(self.taken + waiting));
    }

    /// Messages that were lost for want of room in the queue, and were not
    /// told before.
    pub(super) fn newly_lost(&mut self) -> u64 {
        self.note_lost(self.queue);
        let newly = self.lost - self.lost_told;
        self.lost_told = self.lost;
        newly
    }

    /// Why the server does not let this router listen, if it said so.
    pub(super) fn refused(&self) -> Option<String> {
        self.signals.refused.lock().clone()
    }

    /// Whether the server knows who this router is, and may have more to say
    /// of what it is allowed to.
    pub(super) fn is_known_to_server(&self) -> bool {
        self.client.server_info().auth_required
    }

    fn said(&self, message: async_nats::Message) -> Said {
        let subject = message.subject.get(self.prefix_bytes..).and_then(Subject::named);
        let reply = message.reply.map(|reply| reply.to_string());
        Said { subject, payload: message.payload, reply }
    }

    /// What tells that something has happened to the connection.
    pub(super) fn signals(&self) -> Arc<Signals> {
        self.signals.clone()
    }

    /// How often a connection was made.
    pub(super) fn connects(&self) -> u64 {
        self.signals.connects.load(Relaxed)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The server's own name for itself.
    pub(super) fn server(&self) -> String {
        self.client.server_info().server_name
    }

    /// Where this router is reached: the addresses it listens on, and for "all
    /// of them" the one the server sees.
    pub(super) fn hosts(&self, shared: &Shared) -> Vec<IpAddr> {
        let seen: Option<IpAddr> = self.client.server_info().client_ip.parse().ok();
        let settings = &shared.snapshots.current().settings;
        let bound = settings.listeners.iter().map(|listener| listener.address.ip());
        let mut hosts: Vec<IpAddr> =
            bound.filter_map(|ip| if ip.is_unspecified() { seen } else { Some(ip) }).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Sends, or gives up soon: what is said to nobody is said again later.
    pub(super) async fn publish(&self, subject: String, payload: Vec<u8>) {
        let sending = async {
            self.client.publish(subject, payload.into()).await.map_err(|e| e.to_string())?;
            self.client.flush().await.map_err(|e| e.to_string())
        };
        let outcome = tokio::time::timeout(PUBLISH_PATIENCE, sending).await;
        if let Ok(Err(error)) = outcome {
            tracing::warn!(%error, "NATS: a message could not be sent");
        }
    }
}

async fn options(
    settings: &NatsSettings,
    signals: &Arc<Signals>,
) -> Result<ConnectOptions, BusError> {
    let signals = signals.clone();
    let mut options = ConnectOptions::new()
        .name("pointsman")
        .no_echo()
        .connection_timeout(CONNECT_PATIENCE)
        .ping_interval(PING_EVERY)
        .subscription_capacity(settings.queue)
        // One round, then all is begun anew: with the credentials as they are
        // then, and with the whole reason where it fails.
        .max_reconnects(settings.urls.len())
        .reconnect_delay_callback(|_| super::RETRY.0.mul_f64(0.5 + 0.5 * fastrand::f64()))
        .event_callback(move |event| {
            let signals = signals.clone();
            async move {
                match event {
                    Event::Connected => {
                        signals.connects.fetch_add(1, Relaxed);
                    }
                    Event::ServerError(error) => signals.note(&error.to_string()),
                    Event::ClientError(error) => tracing::debug!(%error, "NATS"),
                    _ => {}
                }
                signals.changed.notify_one();
            }
        });
    if let Some((user, password)) = settings.urls.iter().find_map(|url| credentials::user(url)) {
        options = match password {
            Some(password) => options.user_and_password(user, password),
            None => options.token(user),
        };
    }
    if let Some(file) = &settings.credentials {
        options = Credentials::read(file.clone())
            .await?
            .put_into(options)
            .map_err(CredentialsFault::from)?;
    }
    if let Some(tls) = &settings.tls {
        options = options.require_tls(true);
        if let Some(ca) = &tls.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
    }
    Ok(options)
}

/// What kept the connection from being made, in words that lead to the cause.
fn why(error: &async_nats::ConnectError) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let fault = loop {
        let Some(now) = cause else { return error.to_string() };
        let io = now.downcast_ref::<std::io::Error>();
        if let Some(tls) = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>()) {
            break tls;
        }
        cause = now.source();
    };
    match fault {
        rustls::Error::InvalidMessage(_) => "the server speaks no TLS".into(),
        rustls::Error::InvalidCertificate(why) => {
            format!("the server's certificate is not accepted: {why}")
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake: {alert:?}")
        }
        other => format!("TLS with the server failed: {other}"),
    }
}
