//! From a connection just accepted to one that requests can come on.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::listen::tls::certificates::normal;
use crate::listen::tls::{ListenerTls, TlsFacts};
use crate::transport::{HandshakeError, Records, TlsStream, Transport, Wire};

/// What is said to a client that speaks HTTP where TLS is spoken.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: pointsman\r\n\
    Connection: close\r\nCache-Control: no-store\r\nContent-Type: text/plain\r\n\
    Content-Length: 50\r\n\r\nThis port speaks HTTPS; use https:// in the URL.\r\n";

/// What is read of a plain request before the connection closes.
const PLAIN_BYTES: usize = 64 << 10;

/// What a client turned out to be.
pub(crate) enum Arrived {
    /// Through the handshake.
    Tls(Box<TlsStream>),
    /// One that speaks plain HTTP; it has been told.
    PlainHttp,
}

/// Does the handshake on `io` with what is in force on the listener of this
/// index, however long the client takes; `asked` becomes the server name that
/// it asks for.
///
/// # Errors
/// Why there is no connection; the client has been sent the alert.
pub(crate) async fn arrive(
    io: Box<dyn Transport>,
    listener: usize,
    context: &ListenerTls,
    asked: &mut Option<String>,
) -> Result<Arrived, HandshakeError> {
    let mut io = First { io, first: Vec::new(), received: Records::default() };
    let mut acceptor = Acceptor::default();
    let accepted = poll_fn(|cx| poll_hello(&mut io, &mut acceptor, cx)).await;
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(_) if io.speaks_http() => {
            tell_plain(&mut *io.io).await;
            return Ok(Arrived::PlainHttp);
        }
        Err(error) => return Err(error),
    };
    *asked = accepted.client_hello().server_name().map(normal);
    let config = context.config_for(asked.as_deref());
    let tls = match accepted.into_connection(config) {
        Ok(tls) => tls,
        Err((error, mut alert)) => {
            // One that does not take it at once goes without.
            poll_fn(|cx| {
                let _ = alert.write_all(&mut Wire { io: &mut *io.io, cx });
                Poll::Ready(())
            })
            .await;
            return Err(error.into());
        }
    };
    let mut stream = Box::new(TlsStream::new(io.io, Connection::Server(tls), io.received));
    poll_fn(|cx| stream.poll_handshake(cx)).await?;
    let facts = TlsFacts::new(listener, context, stream.tls());
    stream.set_facts(Arc::new(facts));
    Ok(Arrived::Tls(stream))
}

/// A transport that remembers how it began.
struct First {
    io: Box<dyn Transport>,
    first: Vec<u8>,
    received: Records,
}

impl First {
    /// Whether what came looks like a request line and not like TLS.
    fn speaks_http(&self) -> bool {
        // TLS begins with 0x16 (RFC 8446 section 5.1).
        !self.first.is_empty() && self.first.iter().all(u8::is_ascii_uppercase)
    }
}

fn poll_hello(
    io: &mut First,
    acceptor: &mut Acceptor,
    cx: &mut Context<'_>,
) -> Poll<Result<Accepted, HandshakeError>> {
    loop {
        match acceptor.accept() {
            Ok(Some(accepted)) => return Poll::Ready(Ok(accepted)),
            Ok(None) => {}
            Err((error, mut alert)) => {
                if !io.speaks_http() {
                    let _ = alert.write_all(&mut Wire { io: &mut *io.io, cx });
                }
                return Poll::Ready(Err(error.into()));
            }
        }
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut *io.io).poll_read(cx, &mut buffer))?;
        let mut read = buffer.filled();
        if read.is_empty() {
            let silent = io.first.is_empty();
            let error = if silent { HandshakeError::Silent } else { HandshakeError::Closed };
            return Poll::Ready(Err(error));
        }
        let missing = 3usize.saturating_sub(io.first.len()).min(read.len());
        io.first.extend_from_slice(&read[..missing]);
        io.received.pass(read);
        while !read.is_empty() {
            acceptor.read_tls(&mut read)?;
        }
    }
}

/// Says what is wrong, and closes without a reset that could overtake it.
async fn tell_plain(io: &mut dyn Transport) {
    let told = async {
        io.write_all(PLAIN_HTTP).await?;
        io.shutdown().await
    };
    if told.await.is_err() {
        return;
    }
    let mut discarded = 0;
    let mut bytes = [0; 1024];
    while discarded < PLAIN_BYTES {
        match io.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(read) => discarded += read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_answer_says_its_length() {
        let text = str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", content.len())), "{head}");
    }
}
