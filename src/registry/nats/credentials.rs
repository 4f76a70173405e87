//! Who this router is on the bus: a file with its key, or what stands in the
//! URL of a server.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use async_nats::ConnectOptions;

/// Far longer than any.
const LONGEST_FILE: u64 = 64 << 10;

/// What a file of credentials has.
pub(super) enum Credentials {
    /// A user's JWT and its seed, as `nsc` writes them.
    Jwt(String),
    /// A seed alone: the server knows the public key.
    Seed(String),
}

/// Why a file of credentials is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsFault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("there is neither a user's JWT nor the seed of a user's key (SU…) in the file")]
    Neither,
}

impl Credentials {
    /// Reads them on a thread that may block.
    pub(super) async fn read(file: PathBuf) -> Result<Self, CredentialsFault> {
        let read = move || -> io::Result<String> {
            let mut text = String::new();
            File::open(file)?.take(LONGEST_FILE).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
        Self::of(&text)
    }

    fn of(text: &str) -> Result<Self, CredentialsFault> {
        if text.contains("NATS USER JWT") {
            return Ok(Self::Jwt(text.to_owned()));
        }
        let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
        seed.map(|seed| Self::Seed(seed.to_owned())).ok_or(CredentialsFault::Neither)
    }

    /// Has a connection use them.
    pub(super) fn put_into(self, options: ConnectOptions) -> Result<ConnectOptions, io::Error> {
        match self {
            Self::Jwt(text) => options.credentials(&text),
            Self::Seed(seed) => Ok(options.nkey(seed)),
        }
    }
}

/// The user and password of a URL, or the token that stands there alone.
/// async-nats reads them in a URL and does not use them.
pub(super) fn user(url: &str) -> Option<(String, Option<String>)> {
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
    fn a_file_has_a_jwt_and_its_seed_or_a_seed_alone() {
        let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
        let alone = format!("# the router's\n{seed}\n");
        assert!(matches!(Credentials::of(&alone), Ok(Credentials::Seed(found)) if found == seed));
        let both = format!(
            "-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        assert!(matches!(Credentials::of(&both), Ok(Credentials::Jwt(_))));
        for neither in ["", "SA", "password"] {
            assert!(matches!(Credentials::of(neither), Err(CredentialsFault::Neither)));
        }
    }

    #[test]
    fn users_passwords_and_tokens_are_taken_out_of_urls() {
        let both = |user: &str, password: &str| Some((user.into(), Some(password.into())));
        assert_eq!(user("nats://a.test:4222"), None);
        assert_eq!(user("nats://u:p@a.test"), both("u", "p"));
        assert_eq!(user("tls://u%3A:p%40%2:%@a.test:1"), both("u:", "p@%2:%"));
        assert_eq!(user("nats://token@a.test"), Some(("token".into(), None)));
    }
}
