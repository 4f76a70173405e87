use pointsman::attempt::{AttemptHead, AttemptParts};

fn made_up(endpoint: std::net::SocketAddr, parts: AttemptParts) -> AttemptHead {
    AttemptHead { endpoint, number: 1, parts }
}

fn main() {}
