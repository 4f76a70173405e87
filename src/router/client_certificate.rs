//! `X-Forwarded-Client-Cert`: what an app is told of the client's certificate.
//!
//! It is settled before the head is frozen, so that the router reads it as the
//! app will. Its value is the base64 of the certificate's DER, as platform
//! routers send it.

use http::header::HeaderName;

use crate::attempt::hygiene::is_alias;
use crate::config::ForwardedClientCert;
use crate::http1::FieldLines;
use crate::listen::tls::TlsFacts;

/// The field, in the one spelling that counts.
static NAME: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Lets the field of a request say what `mode` allows it to say.
pub(super) fn settle(fields: &mut FieldLines, mode: ForwardedClientCert, tls: Option<&TlsFacts>) {
    let shown = tls.and_then(TlsFacts::client_certificate);
    let passes = match mode {
        ForwardedClientCert::Strip | ForwardedClientCert::Set => false,
        ForwardedClientCert::ForwardIfMtls => shown.is_some(),
        ForwardedClientCert::Pass => true,
    };
    let says = |name: &HeaderName| *name == NAME || is_alias(name.as_str(), NAME.as_str());
    // Spellings that a server may fold into the field go with it: what an app
    // would hear from them does not hang on whether their sender is trusted.
    if !passes && fields.iter().any(|(name, _)| says(name)) {
        fields.retain(|name, _| !says(name));
    }
    if let (ForwardedClientCert::Set, Some(shown)) = (mode, shown) {
        fields.append(NAME.clone(), shown.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPELLINGS: [&str; 3] =
        ["x-forwarded-client-cert", "x_forwarded_client_cert", "x-forwarded_client.cert"];

    fn left(mode: ForwardedClientCert) -> Vec<String> {
        let mut fields: FieldLines = ["x-before"]
            .into_iter()
            .chain(SPELLINGS)
            .chain(["x-after"])
            .map(|name| (HeaderName::from_static(name), "1".parse().unwrap()))
            .collect();
        settle(&mut fields, mode, None);
        fields.iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn folded_spellings_go_where_the_field_goes() {
        use ForwardedClientCert::{ForwardIfMtls, Pass, Set, Strip};
        for mode in [Strip, Set, ForwardIfMtls] {
            assert_eq!(left(mode), ["x-before", "x-after"], "{mode:?}");
        }
        assert_eq!(left(Pass).len(), 5);
    }
}
