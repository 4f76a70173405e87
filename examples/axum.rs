//! The router inside an axum app: the app answers the paths it knows, and
//! everything else goes to endpoints by host and path, with the router's safe
//! retries and error answers.
//!
//! `cargo run --example axum`, then the commands it prints.
#![allow(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::{HeaderMap, Uri};
use axum::middleware::map_request;
use axum::routing::get;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

use pointsman::request::ClientAddress;
use pointsman::{Router, config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // An app to route to; in earnest, it runs elsewhere.
    let endpoint = TcpListener::bind("127.0.0.1:0").await?;
    let settings = config::parse(&configuration(endpoint.local_addr()?), "example")?;
    tokio::spawn(axum::serve(endpoint, axum::Router::new().fallback(show)).into_future());

    let app = axum::Router::new()
        .route("/about", get(|| async { "answered by axum itself\n" }))
        .fallback_service(Router::new(settings)?)
        .layer(map_request(say_who_asks));
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    let address = listener.local_addr()?;
    println!("listening http://{address}");
    println!("  curl -i http://{address}/about");
    println!("  curl -i http://shop.localhost:{}/cart -d 'two apples'", address.port());
    println!("  curl -i http://nobody.localhost:{}/", address.port());
    axum::serve(listener, app.into_make_service_with_connect_info::<Client>())
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

/// The same text as in a file for `pointsman run`. Inside axum its listener is
/// not bound: axum has its own.
fn configuration(endpoint: SocketAddr) -> String {
    format!(
        r#"
        [[listener]]
        address = "127.0.0.1:0"

        [[route]]
        host = "shop.localhost"
        endpoints = ["{endpoint}"]
        "#
    )
}

/// The two ends of a client's connection, as axum knows them.
#[derive(Clone, Copy)]
struct Client(ClientAddress);

impl Connected<IncomingStream<'_, TcpListener>> for Client {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let peer = *stream.remote_addr();
        let local = stream.io().local_addr().unwrap_or(peer);
        Self(ClientAddress { peer, local, secure: false })
    }
}

/// Tells the router who asks, for `X-Forwarded-For`, trust and the access log.
async fn say_who_asks(ConnectInfo(client): ConnectInfo<Client>, mut request: Request) -> Request {
    request.extensions_mut().insert(client.0);
    request
}

/// The app behind the router: shows what reached it.
async fn show(uri: Uri, fields: HeaderMap, content: String) -> String {
    let mut text = format!("answered by the app behind the router, asked for {uri}\n");
    for (name, value) in &fields {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text.extend(["\n", &content]);
    text
}
