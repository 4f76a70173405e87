//! What a write counts, and what is held of half a record.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Both ends through a pipe that holds so many bytes.
async fn pair(pipe_bytes: usize) -> (TlsStream, TlsStream) {
    let (near, far) = duplex(pipe_bytes);
    over(Box::new(near), Box::new(far)).await
}

/// A client and a server that are through their handshake.
async fn over(near: Box<dyn Transport>, far: Box<dyn Transport>) -> (TlsStream, TlsStream) {
    let (mut client, mut server) = strangers(near, far);
    let (one, other) = tokio::join!(
        std::future::poll_fn(|cx| client.poll_handshake(cx)),
        std::future::poll_fn(|cx| server.poll_handshake(cx)),
    );
    one.unwrap();
    other.unwrap();
    (client, server)
}

/// The two before it.
fn strangers(near: Box<dyn Transport>, far: Box<dyn Transport>) -> (TlsStream, TlsStream) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = params.self_signed(&key).unwrap().der().clone();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = crate::tls::provider();
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], secret)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("a.test").unwrap();
    let client = ClientConnection::new(Arc::new(client), name).unwrap();
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    let stream = |io, tls| TlsStream::new(io, tls, Records::default());
    (stream(near, Connection::Client(client)), stream(far, Connection::Server(server)))
}

fn poll_write(stream: &mut TlsStream, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_write(&mut cx, bytes)
}

#[tokio::test]
async fn a_write_to_an_endpoint_counts_once_its_one_record_is_on_its_way_whole() {
    let (mut client, mut server) = pair(1_000).await;
    let bytes: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
    // The pipe has taken some of it, and the endpoint can open none of it.
    assert!(poll_write(&mut client, &bytes).is_pending());
    let mut came = vec![0; 40_000];
    let (sent, read) = tokio::join!(
        async {
            let mut counts = Vec::new();
            let mut left = &bytes[..];
            while !left.is_empty() {
                let count = client.write(left).await.unwrap();
                counts.push(count);
                left = &left[count..];
            }
            counts
        },
        server.read_exact(&mut came),
    );
    read.unwrap();
    assert!(came == bytes);
    assert_eq!(sent, [16_384, 16_384, 7_232]);
}

#[tokio::test]
async fn a_write_to_a_client_takes_two_records_and_counts_both_or_none() {
    let (mut client, mut server) = pair(1 << 20).await;
    let bytes = vec![7; 40_000];
    assert!(matches!(poll_write(&mut server, &bytes), Poll::Ready(Ok(32_768))));
    let mut came = vec![0; 32_768];
    client.read_exact(&mut came).await.unwrap();
    let (_client, mut server) = pair(20_000).await;
    assert!(poll_write(&mut server, &bytes).is_pending(), "one of two");
}

#[tokio::test]
async fn half_a_record_is_no_plaintext_and_no_silence() {
    let (mut client, mut server) = pair(1 << 20).await;
    assert!(!server.holds_part() && !client.is_disturbed());
    client.tls.writer().write_all(b"whole").unwrap();
    let mut wire = Vec::new();
    client.tls.write_tls(&mut wire).unwrap();
    let (half, rest) = wire.split_at(wire.len() / 2);
    client.io.write_all(half).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(server.poll_readable(&mut cx).is_pending());
    assert!(server.holds_part() && server.is_disturbed());
    client.io.write_all(rest).await.unwrap();
    let mut came = [0; 5];
    server.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"whole");
    assert!(!server.holds_part());
}

#[tokio::test]
async fn an_idle_connection_of_an_endpoint_is_disturbed_by_bytes_or_an_end_and_not_by_tickets() {
    for spoilt in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (mut client, mut server) = over(Box::new(near), Box::new(far)).await;
        let patience = std::time::Duration::from_secs(60);
        // The server's tickets have come, or are about to.
        let rests = async {
            while client.is_disturbed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, rests).await.unwrap();
        if spoilt {
            server.write_all(b"unasked").await.unwrap();
        } else {
            server.shutdown().await.unwrap();
        }
        let noticed = async {
            while !client.is_disturbed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, noticed).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_is_one_of_the_socket_and_not_only_a_missing_goodbye() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let far = listener.accept().await.unwrap().0;
    let (mut client, server) = over(Box::new(near), Box::new(far)).await;
    server.reset_on_close();
    drop(server);
    let error = client.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Balancers look so whether a port speaks TLS (HAProxy's `check ssl`): they
/// are through when they have said their last, and take no session tickets.
#[tokio::test]
async fn a_client_that_leaves_behind_its_last_word_was_through_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let far = listener.accept().await.unwrap().0;
    let (mut client, mut server) = strangers(Box::new(near), Box::new(far));
    let through = std::future::poll_fn(|cx| {
        let polled = client.poll_handshake(cx);
        if polled.is_pending() {
            assert!(server.poll_handshake(cx).is_pending());
        }
        polled
    });
    through.await.unwrap();
    client.reset_on_close();
    drop(client);
    std::future::poll_fn(|cx| server.poll_handshake(cx)).await.unwrap();
    let error = server.read(&mut [0; 64]).await;
    assert!(matches!(error, Err(_) | Ok(0)), "{error:?}");
}
