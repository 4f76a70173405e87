//! `pointsman explain`, as text.

use pointsman::cli::explain;
use pointsman::error::Code;

#[test]
fn without_a_code_it_lists_them_all_with_status_and_summary() {
    let list = explain(None).unwrap();
    for code in Code::ALL {
        let line = list
            .lines()
            .find(|line| line.split(' ').next() == Some(code.as_str()))
            .unwrap_or_else(|| panic!("{code} is not in the list"));
        assert!(line.ends_with(code.summary()), "{line}");
        if let Some(status) = code.status() {
            assert!(line.contains(status.as_str()), "{line}");
        }
    }
}

#[test]
fn a_code_is_explained_with_what_is_known_about_it() {
    let text = explain(Some("connect-timeout")).unwrap();
    let code = Code::ConnectTimeout;
    for part in [
        "connect-timeout: ",
        code.title(),
        "504 Gateway Timeout",
        "error=connection_timeout",
        code.blame().phrase(),
        "any method",
        "Cause\n",
        "What to do\n",
    ] {
        assert!(text.contains(part), "{part} is missing from:\n{text}");
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [code.explanation().cause, code.explanation().advice] {
        assert!(words(&text).contains(sentence), "{sentence}");
    }
}

#[test]
fn every_explanation_fits_a_terminal_of_80_columns() {
    for code in Code::ALL {
        let text = explain(Some(code.as_str())).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn what_waits_says_how_long_and_what_does_not_is_silent() {
    assert!(explain(Some("overloaded")).unwrap().contains("Retry-After    1 s"));
    assert!(!explain(Some("bad-request")).unwrap().contains("Retry-After"));
}

#[test]
fn a_code_without_an_answer_says_why() {
    for (code, why) in [
        ("client-closed", "logged as 499"),
        ("drain-cut", "the response had begun"),
        ("tls-handshake-failed", "no request yet"),
        ("retry-budget-exhausted", "the last attempt's"),
    ] {
        assert!(explain(Some(code)).unwrap().contains(why), "{code}");
    }
}

#[test]
fn an_unknown_code_names_the_nearest() {
    let error = explain(Some("conect-timeout")).unwrap_err();
    assert_eq!(error.nearest, [Code::ConnectTimeout]);
    assert!(error.to_string().contains("`connect-timeout`"), "{error}");
    let error = explain(Some("xyzzy")).unwrap_err();
    assert!(error.nearest.is_empty());
    assert!(error.to_string().contains("lists them all"), "{error}");
}
