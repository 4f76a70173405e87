//! Certificates that are trusted because they are listed themselves.
//!
//! `openssl req -x509` makes a certificate that is its own authority
//! (`cA=TRUE`), and who runs one endpoint mostly shows it as it is and lists it
//! as the authority. webpki builds chains alone and never takes an authority's
//! certificate for somebody's own. Here it is: whoever has its key could as well
//! have signed another with it, so nobody is trusted that was not before.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};

/// Whether all that webpki has against `leaf` is that it is an authority's own,
/// and it is one of those `listed`.
///
/// webpki looks at a certificate's time first, so that holds then. Its name has
/// not been looked at.
pub(crate) fn is_listed_itself(
    refused: &Error,
    leaf: &CertificateDer<'_>,
    listed: &[Vec<u8>],
) -> bool {
    let Error::InvalidCertificate(why) = refused else { return false };
    let of_authority = matches!(of_webpki(why), Some(webpki::Error::CaUsedAsEndEntity));
    of_authority && listed.iter().any(|one| one[..] == leaf[..])
}

/// webpki's own error, where rustls has none for it.
pub(crate) fn of_webpki(why: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(other) = why else { return None };
    other.0.downcast_ref()
}

/// What webpki has against a certificate, where its word for it needs
/// explaining.
pub(crate) fn in_words(error: &webpki::Error) -> Option<&'static str> {
    match error {
        webpki::Error::CaUsedAsEndEntity => {
            Some("it is an authority's own (CA:TRUE), and not listed itself")
        }
        webpki::Error::UnsupportedCertVersion => {
            Some("it is of X.509 version 1, as openssl signs without extensions; 3 is needed")
        }
        _ => None,
    }
}
