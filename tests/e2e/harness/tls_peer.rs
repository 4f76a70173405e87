//! A client that decides for itself how TLS begins and how it ends: with
//! `close_notify`, without, or with half a record.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WantsClientCert;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, HandshakeKind, NamedGroup};
use socket2::SockRef;

use super::tls::{Authority, Pair, provider};
use super::wait::PATIENCE;

/// How the other side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsEnd {
    /// `close_notify`.
    Said,
    /// The end of the connection alone.
    Bare,
    /// A reset, or an alert.
    Broken,
    /// It has not.
    Stalled,
}

/// What clients have in common: who they trust, and their tickets.
pub(crate) fn client_config(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(trusting(authority).with_no_client_auth())
}

/// The same for clients that show `own` when they are asked.
pub(crate) fn client_config_as(authority: &Authority, own: &Pair) -> Arc<ClientConfig> {
    let (chain, key) = own.read();
    let config = trusting(authority).with_client_auth_cert(chain, key);
    Arc::new(config.expect("they belong together"))
}

fn trusting(authority: &Authority) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(authority.roots())
}

/// A client.
pub(crate) struct TlsClient {
    tls: ClientConnection,
    tcp: TcpStream,
    /// Made and not sent.
    held_back: Vec<u8>,
}

impl TlsClient {
    /// A client whose connection stands, and whose handshake has not begun.
    pub(crate) fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).expect("it is a name");
        let tls = ClientConnection::new(config.clone(), name).expect("the settings are good");
        Ok(Self { tls, tcp, held_back: Vec::new() })
    }

    /// A client that is through its handshake.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, authority: &Authority, name: &str) -> Self {
        let client = Self::connect(address, &client_config(authority), name);
        let mut client = client.unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"));
        client.shake_hands().unwrap_or_else(|e| panic!("no handshake with {address}: {e}"));
        client
    }

    /// Does the handshake, or the rest of it.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        self.send_held_back()?;
        while self.tls.is_handshaking() {
            self.tls.complete_io(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Whether the handshake was one of a session known before.
    pub(crate) fn resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// How the keys were agreed on, once the handshake is over.
    pub(crate) fn key_exchange(&self) -> Option<NamedGroup> {
        self.tls.negotiated_key_exchange_group().map(|group| group.name())
    }

    /// Sends half of what TLS has to send now, and holds the rest back.
    pub(crate) fn send_half(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire)?;
        }
        self.held_back = wire.split_off(wire.len() / 2);
        self.tcp.write_all(&wire)
    }

    /// Sends the other half.
    pub(crate) fn send_held_back(&mut self) -> io::Result<()> {
        self.tcp.write_all(&std::mem::take(&mut self.held_back))
    }

    /// Sends all of `bytes`.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.tls.writer().write_all(bytes.as_ref())?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Changes the keys, and asks the other side to do so too.
    pub(crate) fn change_keys(&mut self) -> io::Result<()> {
        self.tls.refresh_traffic_keys().map_err(io::Error::other)?;
        self.send([])
    }

    /// Says `close_notify` and shuts the sending side.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.send([])?;
        self.finish_bare()
    }

    /// Shuts the sending side without a word.
    pub(crate) fn finish_bare(&mut self) -> io::Result<()> {
        self.tcp.shutdown(Shutdown::Write)
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        drop(SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)));
    }

    /// Reads until `enough`, or to the end, which then is told.
    pub(crate) fn read_until(
        &mut self,
        enough: impl Fn(&[u8]) -> bool,
    ) -> (Vec<u8>, Option<TlsEnd>) {
        let mut came = Vec::new();
        loop {
            let mut block = [0; 4096];
            match self.tls.reader().read(&mut block) {
                Ok(0) => return (came, Some(TlsEnd::Said)),
                Ok(read) => {
                    came.extend_from_slice(&block[..read]);
                    if enough(&came) {
                        return (came, None);
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return (came, Some(TlsEnd::Bare)),
            }
            let read = self.tls.read_tls(&mut self.tcp);
            let stalled = |error: &io::Error| {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            };
            if read.as_ref().is_err_and(stalled) {
                return (came, Some(TlsEnd::Stalled));
            }
            if read.is_err() || self.tls.process_new_packets().is_err() {
                return (came, Some(TlsEnd::Broken));
            }
        }
    }

    /// Reads to the end.
    pub(crate) fn ending(&mut self) -> (String, TlsEnd) {
        let (came, end) = self.read_until(|_| false);
        (String::from_utf8_lossy(&came).into_owned(), end.expect("nothing is enough"))
    }
}
