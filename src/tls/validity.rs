//! When a certificate is valid.
//!
//! Verifying is webpki's; but it does not say until when a certificate of our
//! own is good, and an operator wants to hear of it before the clients do. So
//! the two times are found here, by stepping over what stands before them
//! (RFC 5280 section 4.1).

use std::time::{Duration, SystemTime};

/// From this long before the end on, a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The validity period of a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    not_before_s: i64,
    not_after_s: i64,
}

impl Validity {
    /// Reads it from a certificate; `None` if that is no certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, 0x30)?;
        let (mut rest, _) = element(certificate, 0x30)?;
        if rest.first() == Some(&0xa0) {
            rest = element(rest, 0xa0)?.1; // version
        }
        rest = element(rest, 0x02)?.1; // serial number
        rest = element(rest, 0x30)?.1; // signature algorithm
        rest = element(rest, 0x30)?.1; // issuer
        let (period, _) = element(rest, 0x30)?;
        let (not_before_s, rest) = time(period)?;
        let (not_after_s, _) = time(rest)?;
        Some(Self { not_before_s, not_after_s })
    }

    /// What there is to be said of it at `now`.
    pub(super) fn complaint(self, now: SystemTime) -> Option<&'static str> {
        let now_s = unix_s(now);
        if now_s < self.not_before_s {
            Some("the certificate is not valid yet")
        } else if now_s > self.not_after_s {
            Some("the certificate has expired")
        } else if self.not_after_s.saturating_sub(now_s) < SOON.as_secs() as i64 {
            Some("the certificate expires within 7 days")
        } else {
            None
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_s(moment: SystemTime) -> i64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The content of the first element, which must have this tag, and what
/// follows it.
pub(super) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A UTCTime or GeneralizedTime, both in Zulu and to the second.
pub(super) fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest, century) = match der.first()? {
        0x17 => element(der, 0x17).map(|(text, rest)| (text, rest, None))?,
        _ => {
            let (text, rest) = element(der, 0x18)?;
            let (century, text) = text.split_at_checked(2)?;
            (text, rest, Some(two_digits(century)?))
        }
    };
    let [y, mo, d, h, mi, s] = [0, 2, 4, 6, 8, 10].map(|at| text.get(at..at + 2));
    let year = two_digits(y?)?;
    // RFC 5280 section 4.1.2.5.1: of two digits, 50 and more are 19YY.
    let century = century.unwrap_or(if year >= 50 { 19 } else { 20 });
    let days = days_since_1970(century * 100 + year, two_digits(mo?)?, two_digits(d?)?);
    let seconds = two_digits(h?)? * 3600 + two_digits(mi?)? * 60 + two_digits(s?)?;
    Some((days * 86_400 + seconds, rest))
}

fn two_digits(text: &[u8]) -> Option<i64> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Days of the Gregorian calendar; years are counted from March, so that the
/// leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + (153 * months + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, to: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.test".into()]).unwrap();
        params.not_before = date_time_ymd(from, 2, 28);
        params.not_after = date_time_ymd(to, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_times_are_read_in_either_form() {
        // UTCTime up to 2049, GeneralizedTime from 2050.
        let validity = Validity::of(&certificate(2000, 2052)).unwrap();
        assert_eq!((validity.not_before_s, validity.not_after_s), (951_696_000, 2_592_864_000));
    }

    #[test]
    fn an_operator_hears_of_the_end_before_it_comes() {
        let validity = Validity::of(&certificate(2000, 2010)).unwrap();
        let at = |s: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(s as u64);
        let (start, end) = (validity.not_before_s, validity.not_after_s);
        assert!(validity.complaint(at(start - 1)).unwrap().contains("not valid yet"));
        assert_eq!(validity.complaint(at(start)), None);
        assert!(validity.complaint(at(end - 86_400)).unwrap().contains("7 days"));
        assert!(validity.complaint(at(end + 1)).unwrap().contains("expired"));
    }

    #[test]
    fn what_is_no_certificate_has_no_validity() {
        let whole = certificate(2000, 2010);
        for cut in 0..200 {
            assert_eq!(Validity::of(&whole[..cut]), None);
        }
    }
}
