use proptest::prelude::*;

use super::*;

#[test]
fn a_duration_is_a_sum_of_numbers_with_units() {
    let seconds = |text| parse_duration(text).unwrap().as_millis();
    assert_eq!(seconds("250ms"), 250);
    assert_eq!(seconds("5s"), 5_000);
    assert_eq!(seconds("15m"), 900_000);
    assert_eq!(seconds("1h30m"), 5_400_000);
    assert_eq!(seconds("1d2h3m4s5ms"), 93_784_005);
    assert_eq!(seconds("0s"), 0);
    assert_eq!(seconds("365d"), LONGEST_DURATION.as_millis());
}

#[test]
fn a_size_is_binary_or_decimal_or_bare() {
    for (text, bytes) in [
        ("0", 0),
        ("65536", 65_536),
        ("1B", 1),
        ("1kB", 1_000),
        ("1KiB", 1_024),
        ("2MB", 2_000_000),
        ("2MiB", 2_097_152),
        ("3GB", 3_000_000_000),
        ("3GiB", 3_221_225_472),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn a_rate_is_a_size_a_second() {
    assert_eq!(parse_rate("240B/s"), Ok(240));
    assert_eq!(parse_rate("1KiB/s"), Ok(1_024));
    assert_eq!(parse_rate("240/s"), Err(UnitError::NoUnit("240".into())));
    assert_eq!(parse_rate("/s"), Err(UnitError::NoNumber));
}

#[test]
fn what_overflows_is_too_large() {
    assert_eq!(parse_size("18446744073709551616"), Err(UnitError::TooLarge));
    assert_eq!(parse_size("17179869184GiB"), Err(UnitError::TooLarge));
    assert_eq!(parse_duration("18446744073709551616ms"), Err(UnitError::TooLarge));
    assert_eq!(parse_duration("213503982335d"), Err(UnitError::TooLarge));
    assert_eq!(parse_duration("365d1ms"), Err(UnitError::TooLarge));
    // Each part fits, their sum in milliseconds does not.
    assert_eq!(parse_duration("213503982334d18446744073709551615ms"), Err(UnitError::TooLarge));
}

#[test]
fn the_unit_meant_is_named() {
    let near = |text: &str| match parse_size(text) {
        Err(UnitError::UnknownUnit { near, .. }) => near,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(near("64K"), Some("KiB"));
    assert_eq!(near("64KB"), Some("kB"));
    assert_eq!(near("1 GiB"), Some("GiB"));
    assert_eq!(near("1 parsec"), None);
    assert_eq!(near("1 "), None);
}

proptest! {
    #[test]
    fn a_duration_is_read_back_as_it_was(millis in 0..=365 * 86_400_000_u64) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn a_size_and_a_rate_are_read_back_as_they_were(bytes: u64, shift in 0..63_u32) {
        for bytes in [bytes, bytes >> shift, bytes << shift] {
            let text = format_size(bytes);
            prop_assert_eq!(parse_size(&text), Ok(bytes));
            if bytes > 0 {
                prop_assert_eq!(parse_rate(&format!("{text}/s")), Ok(bytes));
            }
        }
    }

    #[test]
    fn no_text_makes_a_unit_panic(text in "[0-9dhmsKMGiB/. ü]{0,12}|.{0,40}") {
        if let Ok(duration) = parse_duration(&text) {
            prop_assert!(duration <= LONGEST_DURATION);
        }
        if let Ok(rate) = parse_rate(&text) {
            prop_assert_eq!(parse_size(text.trim_end_matches("/s")), Ok(rate));
        }
    }
}
