//! What clients do.

use std::net::SocketAddr;

use crate::harness::Connection;

use super::endpoints::Target;

/// How one client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// Asks, reads the answer.
    Gets,
    /// Sends content with a length, reads the answer.
    Posts,
    /// Sends content in chunks, reads the answer.
    PostsChunks,
    /// Asks three times at once, reads the answers.
    Pipelines,
    /// Reads the answer and never comes back, without closing at once.
    AsksToClose,
    /// Connects, says nothing, leaves.
    SaysNothing,
    /// Leaves within its request's head.
    LeavesWithinHead,
    /// Leaves within its request's content.
    LeavesWithinContent,
    /// Leaves within its request's content, with a reset.
    ResetsWithinContent,
    /// Leaves once its request is sent.
    LeavesAtOnce,
    /// Leaves once its request is sent, with a reset.
    ResetsAtOnce,
    /// Leaves with more requests unread than the router reads ahead.
    LeavesManyUnread,
    /// Shuts its sending side and waits to be let go.
    HalfCloses,
    /// Leaves once it has the head.
    LeavesAfterHead,
    /// Leaves once it has the head, with a reset.
    ResetsAfterHead,
}

/// Those that stay for their whole answer.
pub(super) const STAYING: &[Client] =
    &[Client::Gets, Client::Posts, Client::PostsChunks, Client::Pipelines, Client::AsksToClose];

/// Those that leave before.
pub(super) const LEAVING: &[Client] = &[
    Client::SaysNothing,
    Client::LeavesWithinHead,
    Client::LeavesWithinContent,
    Client::ResetsWithinContent,
    Client::LeavesAtOnce,
    Client::ResetsAtOnce,
    Client::LeavesManyUnread,
    Client::HalfCloses,
    Client::LeavesAfterHead,
    Client::ResetsAfterHead,
];

/// Content of the requests that have some, in bytes.
const CONTENT: usize = 30_000;

/// One client's visit. What it gets is not looked at: other tests do.
pub(super) fn behave(client: Client, router: SocketAddr, (host, target): Target) {
    let head = |method: &str, more: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
    };
    let get = head("GET", "");
    let post = head("POST", &format!("Content-Length: {CONTENT}\r\n"));
    let content = "x".repeat(CONTENT);
    let mut connection = Connection::open(router);
    // An endpoint that fails early may have had the connection closed.
    let mut send = |text: &str| drop(connection.try_send(text));
    match client {
        Client::Gets | Client::LeavesAtOnce | Client::LeavesAfterHead => send(&get),
        Client::ResetsAtOnce | Client::ResetsAfterHead | Client::HalfCloses => send(&get),
        Client::Posts => send(&(post + &content)),
        Client::PostsChunks => {
            let head = head("POST", "Transfer-Encoding: chunked\r\n");
            send(&format!("{head}{CONTENT:x}\r\n{content}\r\n0\r\nx-sum: 1\r\n\r\n"));
        }
        Client::Pipelines => send(&get.repeat(3)),
        Client::AsksToClose => send(&head("GET", "Connection: close\r\n")),
        Client::SaysNothing => {}
        Client::LeavesWithinHead => send(&get[..get.len() / 2]),
        Client::LeavesWithinContent | Client::ResetsWithinContent => {
            send(&(post + &content[..CONTENT / 2]));
        }
        Client::LeavesManyUnread => send(&get.repeat(2000)),
    }
    let answers = if client == Client::Pipelines { 3 } else { 1 };
    match client {
        client if STAYING.contains(&client) => {
            // The first one that is not whole is the last.
            let _ = (0..answers).try_for_each(|_| connection.try_answer("GET").map(drop));
        }
        Client::HalfCloses => {
            connection.finish_sending();
            connection.ending();
        }
        Client::LeavesAfterHead => drop(connection.answer_head()),
        Client::ResetsAfterHead => {
            drop(connection.answer_head());
            connection.reset();
        }
        Client::ResetsAtOnce | Client::ResetsWithinContent => connection.reset(),
        _ => {}
    }
}
