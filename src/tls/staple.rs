//! A stapled OCSP response: which certificate it is about, and until when it
//! may be shown.
//!
//! Whether it is genuine is for clients to find out, who verify it. But one
//! that is past its time, or before it, makes some of them refuse the
//! connection, where none at all would not (RFC 6960 sections 3.2 and 4.2.2.1).
//! So its times are found here, by stepping over what stands before them
//! (section 4.2.1). What cannot be read to there is shown as it is.

use std::time::SystemTime;

use super::validity::{element, time, unix_s};

/// How far the clock of who responds may be ahead of ours.
const SKEW_S: i64 = 5 * 60;

/// A response, DER, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Staple {
    pub(crate) der: Vec<u8>,
    /// The serial number of the certificate it is about.
    serial: Option<Vec<u8>>,
    /// When it began to hold, in seconds since 1970.
    this_update_s: Option<i64>,
    /// When the next one is due, likewise.
    next_update_s: Option<i64>,
}

/// Whether a response may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It may.
    Fresh,
    /// It says of itself that it does not hold yet.
    Early,
    /// The next one is overdue.
    Past,
}

impl Staple {
    /// Reads a successful response; `None` if it is none.
    pub(super) fn read(der: Vec<u8>) -> Option<Self> {
        let (response, _) = element(&der, 0x30)?;
        let (status, rest) = element(response, 0x0a)?;
        if status != [0] {
            return None;
        }
        let single = single(rest);
        let serial = single.and_then(serial).map(<[u8]>::to_vec);
        let (this_update_s, next_update_s) = single.map_or((None, None), updates);
        Some(Self { serial, this_update_s, next_update_s, der })
    }

    /// Whether it may be shown at `now`.
    pub(crate) fn freshness(&self, now: SystemTime) -> Freshness {
        let now_s = unix_s(now);
        if self.next_update_s.is_some_and(|due| now_s > due) {
            Freshness::Past
        } else if self.this_update_s.is_some_and(|from| now_s < from.saturating_sub(SKEW_S)) {
            Freshness::Early
        } else {
            Freshness::Fresh
        }
    }

    /// Whether it is about another certificate than this one.
    pub(super) fn is_about_another(&self, certificate: &[u8]) -> bool {
        match (&self.serial, certificate_serial(certificate)) {
            (Some(about), Some(serial)) => about != serial,
            _ => false,
        }
    }
}

/// The first SingleResponse behind the status.
fn single(rest: &[u8]) -> Option<&[u8]> {
    let (bytes, _) = element(rest, 0xa0)?;
    let (bytes, _) = element(bytes, 0x30)?;
    let (_, rest) = element(bytes, 0x06)?; // id-pkix-ocsp-basic
    let (basic, _) = element(rest, 0x04)?;
    let (basic, _) = element(basic, 0x30)?;
    let (mut data, _) = element(basic, 0x30)?;
    if data.first() == Some(&0xa0) {
        data = element(data, 0xa0)?.1; // version
    }
    // Who responds: by name or by key.
    data = element(data, 0xa1).or_else(|| element(data, 0xa2))?.1;
    data = element(data, 0x18)?.1; // when it was made
    let (all, _) = element(data, 0x30)?;
    element(all, 0x30).map(|(single, _)| single)
}

fn serial(single: &[u8]) -> Option<&[u8]> {
    let (mut id, _) = element(single, 0x30)?;
    id = element(id, 0x30)?.1; // hash algorithm
    id = element(id, 0x04)?.1; // issuer's name
    id = element(id, 0x04)?.1; // issuer's key
    element(id, 0x02).map(|(serial, _)| serial)
}

/// When it began to hold, and when the next is due.
fn updates(single: &[u8]) -> (Option<i64>, Option<i64>) {
    let this = element(single, 0x30).and_then(|(_, rest)| {
        // Good, revoked or unknown.
        let status = [0x80, 0xa1, 0x82].into_iter().find_map(|tag| element(rest, tag));
        time(status?.1)
    });
    let next = this.and_then(|(_, rest)| element(rest, 0xa0)).and_then(|(next, _)| time(next));
    (this.map(|(from, _)| from), next.map(|(due, _)| due))
}

fn certificate_serial(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate, 0x30)?;
    let (mut rest, _) = element(certificate, 0x30)?;
    if rest.first() == Some(&0xa0) {
        rest = element(rest, 0xa0)?.1; // version
    }
    element(rest, 0x02).map(|(serial, _)| serial)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut out = vec![tag];
        if length < 0x80 {
            out.push(length as u8);
        } else {
            out.extend([0x82, (length >> 8) as u8, length as u8]);
        }
        out.extend_from_slice(content);
        out
    }

    /// A response about serial number 7; next due in 2030, if at all.
    fn response(with_next: bool) -> Vec<u8> {
        let of = |tag: u8, parts: &[Vec<u8>]| tlv(tag, &parts.concat());
        let id = of(0x30, &[tlv(0x30, &[]), tlv(4, &[1; 20]), tlv(4, &[2; 20]), tlv(2, &[7])]);
        let this = tlv(0x18, b"20260101000000Z");
        let next = of(0xa0, &[tlv(0x18, b"20300101000000Z")]);
        let next = if with_next { next } else { Vec::new() };
        let single = of(0x30, &[id, tlv(0x80, &[]), this.clone(), next]);
        let data = of(0x30, &[tlv(0xa2, &[4, 1, 9]), this, tlv(0x30, &single)]);
        let basic = of(0x30, &[data, tlv(0x30, &[]), tlv(3, &[0])]);
        let bytes = of(0x30, &[tlv(6, &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1]), tlv(4, &basic)]);
        of(0x30, &[tlv(0x0a, &[0]), tlv(0xa0, &bytes)])
    }

    #[test]
    fn a_response_is_fresh_until_the_next_is_due() {
        let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let due = 1_893_456_000;
        let staple = Staple::read(response(true)).unwrap();
        assert_eq!(staple.freshness(at(due)), Freshness::Fresh);
        assert_eq!(staple.freshness(at(due + 1)), Freshness::Past);
        let timeless = Staple::read(response(false)).unwrap();
        assert_eq!(timeless.freshness(at(due + 1)), Freshness::Fresh);
        assert_eq!(timeless.serial.as_deref(), Some(&[7][..]));
        let odd = Staple::read(vec![0x30, 3, 0x0a, 1, 0]).unwrap();
        assert_eq!(odd.freshness(at(due + 1)), Freshness::Fresh);
    }

    #[test]
    fn a_response_of_a_time_to_come_is_not_fresh_but_clocks_may_differ() {
        let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let from = 1_767_225_600;
        for with_next in [true, false] {
            let staple = Staple::read(response(with_next)).unwrap();
            assert_eq!(staple.freshness(at(from - 300)), Freshness::Fresh);
            assert_eq!(staple.freshness(at(from - 301)), Freshness::Early);
        }
    }

    #[test]
    fn a_response_about_another_certificate_is_told() {
        let staple = Staple::read(response(true)).unwrap();
        let certificate = |serial: u8| {
            let inner = [tlv(0xa0, &tlv(2, &[2])), tlv(2, &[serial])].concat();
            tlv(0x30, &tlv(0x30, &inner))
        };
        assert!(!staple.is_about_another(&certificate(7)));
        assert!(staple.is_about_another(&certificate(8)));
    }

    #[test]
    fn what_is_cut_or_not_successful_never_panics() {
        let whole = response(true);
        for cut in 0..whole.len() {
            assert!(Staple::read(whole[..cut].to_vec()).is_none());
        }
        for at in 0..whole.len() {
            for value in [0, 0x30, 0x80, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                Staple::read(bent);
            }
        }
        assert!(Staple::read(vec![0x30, 3, 0x0a, 1, 6]).is_none());
    }
}
