//! Why there is no TLS with an endpoint, and what is said of it to whom.

use rustls::{AlertDescription, CertificateError, Error};

use crate::tls::{in_words, of_webpki};
use crate::transport::HandshakeError;

/// Why there is no TLS with an endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFailure {
    /// The endpoint is not who it should be.
    #[error("{reason}")]
    Untrusted {
        /// In what way, without a name or an address.
        detail: &'static str,
        /// The same with all that is known of it, for the operator alone.
        reason: String,
    },
    /// It sent an alert.
    #[error("{0}")]
    Rejected(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// What a handshake that came to nothing says of the endpoint.
pub(super) fn explain(error: HandshakeError) -> TlsFailure {
    match error {
        HandshakeError::Tls(Error::InvalidCertificate(why)) => TlsFailure::Untrusted {
            detail: flaw(&why),
            reason: format!("the endpoint's certificate is not accepted: {}", whole(&why)),
        },
        HandshakeError::Tls(Error::NoCertificatesPresented) => {
            let detail = "the endpoint has shown no certificate";
            TlsFailure::Untrusted { detail, reason: detail.into() }
        }
        HandshakeError::Tls(Error::AlertReceived(alert)) => {
            TlsFailure::Rejected(format!("the endpoint refused the handshake: {alert:?}"))
        }
        other => TlsFailure::Failed(other.to_string()),
    }
}

/// All that is known of what is wrong with a certificate.
fn whole(why: &CertificateError) -> String {
    let words = of_webpki(why).and_then(in_words);
    words.map_or_else(|| why.to_string(), str::to_owned)
}

/// What is wrong with a certificate, in words that tell clients nothing of the
/// network behind the router: what is expected, and what is shown instead, are
/// names and addresses of endpoints.
fn flaw(why: &CertificateError) -> &'static str {
    use CertificateError as Flaw;
    match why {
        Flaw::Expired | Flaw::ExpiredContext { .. } => "the endpoint's certificate has expired",
        Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => {
            "the endpoint's certificate is not valid yet"
        }
        Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => {
            "the endpoint's certificate is not for the name that is expected of it"
        }
        Flaw::UnknownIssuer => {
            "the endpoint's certificate is not signed by an authority that is trusted"
        }
        Flaw::Revoked => "the endpoint's certificate is revoked",
        other => match of_webpki(other) {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "the endpoint's certificate is an authority's own, and not one that is trusted"
            }
            _ => "the endpoint's certificate is not accepted",
        },
    }
}

/// The alert that ended a connection, and whether it says that the endpoint
/// did not accept the handshake.
///
/// In TLS 1.3 the client is done first: what an endpoint thinks of its
/// certificate comes after the request has been sent, and before any of it was
/// looked at (RFC 8446 section 4.4.2.4).
pub(crate) fn alert(error: &std::io::Error) -> Option<(AlertDescription, bool)> {
    use AlertDescription as Alert;
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let Error::AlertReceived(alert) = error else { return None };
    let of_handshake = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
    );
    Some((*alert, of_handshake))
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription as Alert;

    use super::*;

    #[test]
    fn only_an_alert_about_who_the_router_is_says_that_nothing_was_done() {
        // Of any other a request may have been the cause, and not be repeated.
        let of = |alert| {
            let error = std::io::Error::other(Error::AlertReceived(alert));
            super::alert(&error).map(|(_, of_handshake)| of_handshake)
        };
        for alert in [
            Alert::CertificateRequired,
            Alert::NoCertificate,
            Alert::BadCertificate,
            Alert::UnsupportedCertificate,
            Alert::CertificateRevoked,
            Alert::CertificateExpired,
            Alert::CertificateUnknown,
            Alert::UnknownCA,
            Alert::AccessDenied,
            Alert::HandshakeFailure,
        ] {
            assert_eq!(of(alert), Some(true), "{alert:?}");
        }
        for alert in [
            Alert::CloseNotify,
            Alert::UnexpectedMessage,
            Alert::BadRecordMac,
            Alert::RecordOverflow,
            Alert::DecodeError,
            Alert::DecryptError,
            Alert::InternalError,
            Alert::UserCanceled,
        ] {
            assert_eq!(of(alert), Some(false), "{alert:?}");
        }
        assert!(super::alert(&std::io::ErrorKind::ConnectionReset.into()).is_none());
        assert!(super::alert(&std::io::Error::other(Error::DecryptError)).is_none());
    }
}
