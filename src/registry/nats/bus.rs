//! The connection to the bus: the one module that knows async-nats.
//!
//! async-nats connects again by itself and renews the subscription. What it
//! tells of that comes through a queue that can be full, so events only wake
//! the one who looks, and the state of the connection itself is the truth.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use bytes::Bytes;
use tokio::sync::Notify;

use super::intake::Subject;
use super::status::NatsStatus;
use crate::config::NatsSettings;
use crate::router::Shared;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A connection that does not answer within three of them is lost.
const PING_EVERY: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
const PUBLISH_PATIENCE: Duration = Duration::from_secs(1);
/// Attempts of async-nats, at most 2 s apart, before all is begun anew: then
/// the credentials are read again, which may have been replaced.
const ATTEMPTS: usize = 30;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    #[error("the credentials cannot be read: {0}")]
    Credentials(std::io::Error),
    #[error("a server's URL is wrong: {0}")]
    Url(std::io::Error),
    #[error("{0}")]
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
}

/// What the events of async-nats come to.
#[derive(Default)]
pub(super) struct Signals {
    connects: AtomicU64,
    changed: Notify,
}

impl Signals {
    /// Waits until something has happened to the connection.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Bus {
    pub(super) async fn connect(
        settings: &NatsSettings,
        status: &Arc<NatsStatus>,
    ) -> Result<Self, BusError> {
        let signals = Arc::new(Signals::default());
        let options = options(settings, &signals, status).await?;
        let servers = settings.urls.iter().map(|url| url.parse());
        let servers: Vec<async_nats::ServerAddr> =
            servers.collect::<Result<_, _>>().map_err(BusError::Url)?;
        let client = options.connect(servers).await?;
        let messages = client.subscribe(format!("{}.*", settings.subject_prefix)).await?;
        let prefix_bytes = settings.subject_prefix.len() + 1;
        Ok(Self { client, messages, signals, prefix_bytes })
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
        futures_core::Stream::poll_next(Pin::new(&mut self.messages), cx)
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
    status: &Arc<NatsStatus>,
) -> Result<ConnectOptions, BusError> {
    let (signals, figures) = (signals.clone(), status.figures.clone());
    let mut options = ConnectOptions::new()
        .name("pointsman")
        .no_echo()
        .connection_timeout(CONNECT_PATIENCE)
        .ping_interval(PING_EVERY)
        .subscription_capacity(settings.queue)
        .max_reconnects(ATTEMPTS)
        .reconnect_delay_callback(|attempt| {
            let doubled = super::RETRY.0 * (1 << (attempt.clamp(1, 5) as u32 - 1));
            doubled.min(super::RETRY.1).mul_f64(0.5 + 0.5 * fastrand::f64())
        })
        .event_callback(move |event| {
            let (signals, figures) = (signals.clone(), figures.clone());
            async move {
                match event {
                    Event::SlowConsumer(_) => figures.lost_one(),
                    Event::Connected => {
                        signals.connects.fetch_add(1, Relaxed);
                    }
                    Event::ServerError(error) => tracing::warn!(%error, "NATS"),
                    Event::ClientError(error) => tracing::warn!(%error, "NATS"),
                    _ => {}
                }
                signals.changed.notify_one();
            }
        });
    if let Some((user, password)) = settings.urls.iter().find_map(|url| user(url)) {
        options = match password {
            Some(password) => options.user_and_password(user, password),
            None => options.token(user),
        };
    }
    if let Some(file) = &settings.credentials {
        options = options.credentials_file(file).await.map_err(BusError::Credentials)?;
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

/// The user and password of a URL, or the token that stands there alone.
/// async-nats reads them in a URL and does not use them.
fn user(url: &str) -> Option<(String, Option<String>)> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    Some(match user.split_once(':') {
        Some((user, password)) => (decoded(user), Some(decoded(password))),
        None => (decoded(user), None),
    })
}

/// `%40` is `@` (RFC 3986 section 2.1); what is no such triplet stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_tokens_are_taken_out_of_urls() {
        let both = |user: &str, password: &str| Some((user.into(), Some(password.into())));
        assert_eq!(user("nats://a.test:4222"), None);
        assert_eq!(user("nats://u:p@a.test"), both("u", "p"));
        assert_eq!(user("tls://u%3A:p%40%2:%@a.test:1"), both("u:", "p@%2:%"));
        assert_eq!(user("nats://token@a.test"), Some(("token".into(), None)));
    }
}
