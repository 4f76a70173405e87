use super::*;

const TERMS: AdaptiveTerms = AdaptiveTerms {
    min_limit: 2,
    max_limit: 100,
    initial_limit: 20,
    tolerance_percent: 25,
    window_ms: 100,
    measure_every_ms: 30_000,
};

/// A latency without a queue, and the one at which the limit is right.
const BASE_US: u64 = 49_000;
const RIGHT_US: u64 = 62_250;

fn window(samples: u64, us: u64, peak: u64) -> Window {
    Window { samples, sum_us: samples * us, peak }
}

/// One that has measured its base at 0.
fn measured() -> Gradient {
    let mut gradient = Gradient::new(TERMS);
    assert_eq!(gradient.turn(0, 0, Window::default()), Turn::Anew);
    assert_eq!(gradient.due(), (0, 40));
    assert_eq!(gradient.turn(0, 0, window(40, 9, 9)), Turn::Used);
    assert_eq!(gradient.due(), (0, 50));
    assert_eq!(gradient.turn(0, 0, window(50, BASE_US, 9)), Turn::Anew);
    assert_eq!((gradient.base_us(), gradient.limit()), (Some(BASE_US), 20));
    gradient
}

fn is_measuring(gradient: &Gradient) -> bool {
    gradient.late_ms() != u64::MAX
}

#[test]
fn it_begins_between_its_bounds_with_a_measurement_whenever_the_first_request_comes() {
    let begins = |initial_limit| Gradient::new(AdaptiveTerms { initial_limit, ..TERMS });
    assert_eq!([1, 20, 999].map(|initial| begins(initial).limit()), [2, 20, 100]);
    let mut gradient = begins(20);
    assert_eq!((gradient.base_us(), gradient.longest_us()), (None, u64::MAX));
    assert_eq!((gradient.due(), gradient.late_ms()), ((0, 0), u64::MAX));
    assert_eq!(gradient.turn(5_000, 21, Window::default()), Turn::Goes);
    assert_eq!((gradient.due(), gradient.late_ms()), ((0, 0), 65_000));
    assert_eq!(gradient.turn(6_000, 21, Window::default()), Turn::Goes);
    assert_eq!(gradient.late_ms(), 65_000, "it does not begin again");
}

#[test]
fn a_window_ends_after_its_time_with_enough_answers_or_when_it_is_full() {
    let ends = |now_ms, samples| measured().turn(now_ms, 0, window(samples, RIGHT_US, 20));
    assert_eq!(measured().due(), (100, 25));
    assert_eq!([ends(100, 24), ends(99, 25), ends(99, FULL_WINDOW - 1)], [Turn::Goes; 3]);
    assert_eq!([ends(100, 25), ends(99, FULL_WINDOW)], [Turn::Used; 2]);
    let mut gradient = measured();
    assert_eq!(gradient.turn(170, 0, window(25, RIGHT_US, 20)), Turn::Used);
    assert_eq!(gradient.due(), (270, 25));
}

#[test]
fn the_limit_goes_half_the_way_to_its_aim_within_its_bounds() {
    let after = |us, peak| {
        let mut gradient = measured();
        gradient.turn(100, 0, window(25, us, peak));
        gradient.limit
    };
    let near = |limit: f64, expected: f64| assert!((limit - expected).abs() < 0.001, "{limit}");
    // Headroom is the root of 20: 4.472.
    near(after(RIGHT_US, 20), 20.0 + 4.472 / 2.0);
    near(after(2 * 62_250 * 2 / 3, 20), (20.0 + 15.0 + 4.472) / 2.0);
    near(after(1_000_000_000, 20), (20.0 + 10.0 + 4.472) / 2.0);
    near(after(1, 20), (20.0 + 40.0 + 4.472) / 2.0);
    near(after(1, 10), (20.0 + 40.0 + 4.472) / 2.0);
    near(after(1, 9), 20.0);
    let mut gradient = measured();
    (1..9).for_each(|n| _ = gradient.turn(n * 100, 0, window(25, 1, 999)));
    near(gradient.limit, 100.0);
    let mut gradient = measured();
    (1..10).for_each(|n| _ = gradient.turn(n * 100, 0, window(25, 1_000_000_000, 999)));
    assert_eq!((gradient.limit(), is_measuring(&gradient)), (7, false), "too soon after the first");
}

#[test]
fn an_answer_counts_as_eight_times_the_base_at_most() {
    assert_eq!(measured().longest_us(), 8 * 50_000);
}

#[test]
fn a_limit_that_has_sunk_to_seven_tenths_asks_for_another_measurement() {
    let mut gradient = measured();
    let mut turn = |now_ms, limit: f64| {
        gradient.limit = limit;
        gradient.turn(now_ms, 0, window(25, RIGHT_US, 1));
        (gradient.limit(), gradient.settled_limit(), gradient.late_ms())
    };
    assert_eq!(turn(999, 13.9), (13, 13, u64::MAX), "ten windows after the last");
    assert_eq!(turn(1_100, 14.0), (14, 14, u64::MAX));
    assert_eq!(turn(1_200, 13.9), (6, 13, 1_200 + 4 * 62 + 1), "half of it, for four latencies");
}

#[test]
fn a_base_that_is_old_is_measured_again_where_load_may_hide_it() {
    let measures = |now_ms, short_of_full: u64| {
        let mut gradient = measured();
        gradient.turn(now_ms, 0, window(25, RIGHT_US, 20 - short_of_full));
        is_measuring(&gradient)
    };
    assert!(!measures(29_999, 0) && measures(30_000, 0));
    assert!(!measures(99_000, 1));
}

#[test]
fn a_base_that_is_seen_again_under_little_load_is_as_good_as_measured() {
    let measures = |now_ms, us, peak| {
        let mut gradient = measured();
        gradient.turn(20_000, 0, window(25, us, peak));
        let full = gradient.settled_limit();
        gradient.turn(now_ms, 0, window(25, RIGHT_US, full));
        is_measuring(&gradient)
    };
    assert!(!measures(49_999, BASE_US, 5) && measures(50_000, BASE_US, 5));
    assert!(measures(49_999, BASE_US, 20), "that many may have queued");
    // A fifth more or less is the same, and a millisecond more.
    for (us, same) in [(40_833, false), (40_834, true), (59_800, true), (59_801, false)] {
        assert_eq!(!measures(49_999, us, 5), same, "{us}");
    }
}

/// Measures again at 30,000, by `took_ms`; what it found.
fn measured_again(found_us: u64, took_ms: u64) -> Gradient {
    let mut gradient = measured();
    gradient.turn(30_000, 0, window(25, RIGHT_US, 20));
    let level = gradient.limit();
    assert_eq!(level, 11);
    assert_eq!(gradient.turn(30_000, level, Window::default()), Turn::Anew);
    assert_eq!(gradient.turn(30_000, level, window(22, 9, 9)), Turn::Used);
    assert_eq!(gradient.turn(30_000 + took_ms, level, window(50, found_us, 9)), Turn::Anew);
    assert!(!is_measuring(&gradient));
    gradient
}

#[test]
fn a_base_that_is_confirmed_is_the_mean_of_both_and_else_the_new_one() {
    let found = |us| measured_again(us, 0).base_us();
    assert_eq!([50_000, 60_000, 30_000].map(found), [49_500, 60_000, 30_000].map(Some));
}

#[test]
fn measurements_take_a_twentieth_of_the_time_at_most() {
    let gradient = |now_ms, took_ms| {
        let mut gradient = measured_again(BASE_US, took_ms);
        assert_eq!(gradient.due(), (30_000 + took_ms + 100, 25));
        gradient.limit = 13.0;
        gradient.turn(now_ms, 0, window(25, RIGHT_US, 1));
        is_measuring(&gradient)
    };
    assert!(!gradient(40_499, 500) && gradient(40_500, 500));
    assert!(!gradient(31_009, 10) && gradient(31_010, 10), "ten windows");
}

#[test]
fn after_a_measurement_the_limit_is_compared_with_what_it_was_then() {
    let mut gradient = measured_again(BASE_US, 0);
    assert!((gradient.limit_then - gradient.limit).abs() < f64::EPSILON && gradient.limit > 22.0);
    gradient.turn(50_000, 0, window(25, BASE_US, gradient.settled_limit()));
    assert!(!is_measuring(&gradient), "it is not old");
}

#[test]
fn a_first_measurement_that_comes_to_nothing_is_made_again_at_half_of_the_limit() {
    let mut gradient = Gradient::new(TERMS);
    assert_eq!(gradient.turn(0, 21, Window::default()), Turn::Goes);
    assert_eq!(gradient.turn(60_000, 21, Window::default()), Turn::Used);
    assert_eq!((gradient.limit(), is_measuring(&gradient)), (20, false));
    assert_eq!(gradient.turn(61_000, 21, window(25, BASE_US, 20)), Turn::Used);
    assert_eq!((gradient.limit(), gradient.settled_limit()), (10, 20));
    assert!(is_measuring(&gradient) && gradient.base_us().is_none());
}

#[test]
fn other_bounds_hold_at_once_and_what_was_learnt_stays() {
    let narrow = AdaptiveTerms { max_limit: 10, ..TERMS };
    let mut gradient = measured();
    gradient.set_terms(narrow);
    assert_eq!((gradient.limit(), gradient.base_us()), (10, Some(BASE_US)));
    assert!(*gradient.terms() == narrow && !is_measuring(&gradient));
    gradient.set_terms(AdaptiveTerms { min_limit: 50, ..TERMS });
    assert_eq!(gradient.limit(), 50);
    // The first measurement begins anew, another is over.
    let mut first = Gradient::new(TERMS);
    first.turn(0, 21, Window::default());
    first.set_terms(narrow);
    assert_eq!((first.limit(), first.due(), first.late_ms()), (10, (0, 0), u64::MAX));
    let mut again = measured();
    again.turn(30_000, 0, window(25, RIGHT_US, 20));
    assert!(is_measuring(&again));
    again.set_terms(narrow);
    assert_eq!((again.limit(), is_measuring(&again)), (10, false));
    assert_eq!(again.due(), (30_100, 25), "windows go on");
}
