//! `X-Forwarded-Client-Cert`: what an app is told of the client's certificate.
//!
//! It is settled before the head is frozen, so that the router reads it as the
//! app will. Its value is the base64 of the certificate's DER, as platform
//! routers send it.

use http::header::HeaderName;

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
    if !passes && fields.contains(&NAME) {
        fields.remove(&NAME);
    }
    if let (ForwardedClientCert::Set, Some(shown)) = (mode, shown) {
        fields.append(NAME.clone(), shown.clone());
    }
}
