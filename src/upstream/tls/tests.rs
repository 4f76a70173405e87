//! One identity for each name, and what an alert says of a request.

use rustls::AlertDescription as Alert;

use super::*;

#[test]
fn names_that_come_and_go_do_not_pile_up() {
    let identities = Identities::default();
    let kept = identities.registered(Some("kept.test"));
    for n in 0..1_000 {
        drop(identities.registered(Some(&format!("{n}.test"))));
    }
    assert!(identities.known.lock().len() <= 4);
    assert!(Arc::ptr_eq(&kept, &identities.registered(Some("kept.test"))));
}

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

#[test]
fn a_registered_endpoint_has_one_identity_a_name_and_none_without_a_proof() {
    let identities = Identities::default();
    let (one, same) =
        (identities.registered(Some("a.test")), identities.registered(Some("a.test")));
    assert!(Arc::ptr_eq(&one, &same));
    assert_ne!(one.id(), identities.registered(Some("b.test")).id());
    assert_ne!(one.id(), 0, "that is no TLS");
    // What is no name can be proved by nobody; it is not taken for plain.
    assert_ne!(identities.registered(Some("not a name")).id(), 0);
    assert!(Arc::ptr_eq(&identities.by_id(one.id()).unwrap(), &one));
}
