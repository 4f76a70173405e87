//! What both sides of TLS share: files of certificates and keys, and the
//! cryptography they are for.

mod files;
mod listed;
mod staple;
mod validity;
mod watch;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub(crate) use files::{FileFault, certificates, complaints, identity, ocsp, roots};
pub(crate) use listed::{in_words, is_listed_itself, of_webpki};
pub(crate) use staple::{Freshness, Staple};
pub(crate) use watch::{Stamps, watch};

/// aws-lc-rs with its defaults: X25519MLKEM768 first, then X25519 and the
/// curves of NIST.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    PROVIDER.clone()
}
