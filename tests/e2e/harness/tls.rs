//! TLS for tests: an authority that issues certificates, and bridges that put
//! TLS on either side of the plain sockets that all other tests use.
//!
//! A bridge is a plain listener; what it takes goes on under TLS, and back. An
//! end of either side becomes an end of the other, and a reset a reset, so the
//! tests of clocks, cancellation and framing hold through it as they are. The
//! TLS here is rustls on tokio; `openssl` and curl check that it is not only
//! its own twin that the router gets on with.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use socket2::{SockRef, Socket};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::carry::pump;

/// An authority, and the directory its files are in.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
    issued: AtomicUsize,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// A new one, that nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("it can sign itself");
        let directory = tempfile::tempdir().expect("a directory can be made");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("it can be opened");
        let authority = Self { issuer, directory, issued: AtomicUsize::new(0) };
        write(&authority.ca(), authority.issuer.pem());
        authority
    }

    /// The file of its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for these names (or addresses), for either side.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let file = |end: &str| self.directory.path().join(format!("{number}.{end}"));
        let pair = Pair { chain: file("pem"), key: file("key") };
        self.reissue(&pair, names);
        pair
    }

    /// Puts a new certificate and key into the files of `pair`.
    pub(crate) fn reissue(&self, pair: &Pair, names: &[&str]) {
        self.reissue_as(pair, names, |_| ());
    }

    /// The same for a certificate that is special in some way.
    pub(crate) fn reissue_as(
        &self,
        pair: &Pair,
        names: &[&str],
        special: impl FnOnce(&mut CertificateParams),
    ) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are names");
        special(&mut params);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority can sign");
        write(&pair.chain, certificate.pem());
        write(&pair.key, key.serialize_pem());
    }

    /// A certificate that is an authority and somebody's own at once, as
    /// `openssl req -x509` makes it. This authority has no part in it but the
    /// directory.
    pub(crate) fn self_signed(
        &self,
        names: &[&str],
        special: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let pair = self.issue(names);
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        special(&mut params);
        let key = key();
        write(&pair.chain, params.self_signed(&key).expect("it can sign itself").pem());
        write(&pair.key, key.serialize_pem());
        pair
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("it is an authority");
        Arc::new(roots)
    }
}

impl Pair {
    /// As an entry of `certificates`, with more of its keys.
    pub(crate) fn toml_with(&self, more: &str) -> String {
        format!("{{ chain = {:?}, key = {:?}{more} }}", self.chain, self.key)
    }

    /// As an entry of `certificates`.
    pub(crate) fn toml(&self) -> String {
        self.toml_with("")
    }

    pub(super) fn read(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_file_iter(&self.chain).expect("it can be read");
        let chain = chain.collect::<Result<_, _>>().expect("it is PEM");
        (chain, PrivateKeyDer::from_pem_file(&self.key).expect("it is PEM"))
    }
}

/// P-256, the kind that costs least.
fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key can be made")
}

/// In one step, so that nobody reads half.
fn write(path: &Path, text: String) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("the directory takes files");
    std::fs::rename(&new, path).expect("a file can be renamed");
}

/// What a listener's `tls` line needs to serve one name.
pub(crate) fn listener_tls(pair: &Pair) -> String {
    format!("tls = {{ certificates = [{}] }}", pair.toml())
}

/// A plain port with TLS behind it, or before it.
pub(crate) struct Bridge {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    handshakes: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Terms {
    /// Plain in, TLS out: for clients of a router.
    /// First some bytes, if there are any, as they are.
    Client(Arc<ClientConfig>, ServerName<'static>, Vec<u8>),
    /// TLS in, plain out: for endpoints.
    Server(Arc<ServerConfig>),
}

impl Bridge {
    /// A port whose connections go to `router` under TLS, asking for `name`.
    pub(crate) fn to(router: SocketAddr, authority: &Authority, name: &str) -> Self {
        Self::to_as(router, authority, name, None)
    }

    /// The same, with bytes before the handshake.
    pub(crate) fn to_after(
        router: SocketAddr,
        authority: &Authority,
        name: &str,
        first: Vec<u8>,
    ) -> Self {
        Self::to_with(router, authority, name, None, first)
    }

    /// The same for a client that shows `own` when it is asked.
    pub(crate) fn to_as(
        router: SocketAddr,
        authority: &Authority,
        name: &str,
        own: Option<&Pair>,
    ) -> Self {
        Self::to_with(router, authority, name, own, Vec::new())
    }

    fn to_with(
        router: SocketAddr,
        authority: &Authority,
        name: &str,
        own: Option<&Pair>,
        first: Vec<u8>,
    ) -> Self {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(authority.roots());
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = own.read();
                builder.with_client_auth_cert(chain, key).expect("they belong together")
            }
        };
        let name = ServerName::try_from(name.to_owned()).expect("it is a name");
        Self::start(router, Terms::Client(Arc::new(config), name, first))
    }

    /// A port that speaks TLS as `pair` and leads to `endpoint`; clients show
    /// a certificate of `clients`, if that is given.
    pub(crate) fn before(endpoint: SocketAddr, pair: &Pair, clients: Option<&Authority>) -> Self {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authority.roots(), provider());
                builder.with_client_cert_verifier(verifier.build().expect("it has a root"))
            }
        };
        let (chain, key) = pair.read();
        let config = builder.with_single_cert(chain, key).expect("they belong together");
        Self::start(endpoint, Terms::Server(Arc::new(config)))
    }

    fn start(target: SocketAddr, terms: Terms) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let handshakes = Arc::new(AtomicUsize::new(0));
        let count = handshakes.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is non-blocking");
                let accepting = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(bridge(stream, target, terms.clone(), count.clone()));
                    }
                };
                tokio::select! { () = accepting => {}, _ = stopped => {} }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Self { address, stop: Some(stop), thread: Some(thread), handshakes }
    }

    /// The port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Handshakes that were done, so far.
    pub(crate) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

async fn bridge(near: TcpStream, target: SocketAddr, terms: Terms, handshakes: Arc<AtomicUsize>) {
    let Ok(far) = TcpStream::connect(target).await else {
        reset(&near);
        return;
    };
    let (near_socket, far_socket) = (duplicate(&near), duplicate(&far));
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let outcome = match terms {
        Terms::Client(config, name, first) => {
            let far = Preceded { first, stream: far };
            match TlsConnector::from(config).connect(name, far).await {
                Ok(far) => {
                    handshakes.fetch_add(1, Ordering::Relaxed);
                    pump((near, &near_socket), (far, &far_socket)).await
                }
                Err(error) => Err(error),
            }
        }
        Terms::Server(config) => match TlsAcceptor::from(config).accept(near).await {
            Ok(near) => {
                handshakes.fetch_add(1, Ordering::Relaxed);
                pump((near, &near_socket), (far, &far_socket)).await
            }
            Err(error) => Err(error),
        },
    };
    if outcome.is_err() {
        let _ = near_socket.set_linger(Some(Duration::ZERO));
        let _ = far_socket.set_linger(Some(Duration::ZERO));
    }
}

/// A stream whose first write has other bytes in front of it, all in one
/// segment.
struct Preceded {
    first: Vec<u8>,
    stream: TcpStream,
}

impl AsyncRead for Preceded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Preceded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        let all = [&self.first, bytes].concat();
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &all))?;
        assert_eq!(written, all.len(), "a new connection has room for so little");
        self.first.clear();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn duplicate(stream: &TcpStream) -> Socket {
    SockRef::from(stream).try_clone().expect("a descriptor can be duplicated")
}

fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
