use proptest::prelude::*;

use super::*;

fn double(v: f64) -> String {
    let mut out = Vec::new();
    java_f64(v, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn doubles_are_laid_out_as_java_does() {
    for (v, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-12_345_678.5, "-1.23456785E7"),
        (1e21, "1.0E21"),
        (1.5e-9, "1.5E-9"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(double(v), text);
    }
    let mut out = Vec::new();
    java_f32(0.1, &mut out);
    java_f32(1.0e10, &mut out);
    assert_eq!(out, b"0.11.0E10");
}

#[test]
fn strings_are_escaped_as_jackson_does() {
    let mut out = Vec::new();
    quoted("a\"b\\c\n\t\u{1}\u{1f}é\u{7f}/ 😀".as_bytes(), &mut out);
    assert_eq!(std::str::from_utf8(&out).unwrap(), "\"a\\\"b\\\\c\\n\\t\\u0001\\u001Fé\u{7f}/ \\uD83D\\uDE00\"");
}

#[test]
fn skipping_validates() {
    for good in ["{}", "[]", " [1, {\"a\" : null} , -0.5e+3,\"\\u00e9\\ud83d\\ude00\"] ", "0", "\"\"", "{\"a\":[[],{}]}"] {
        let mut s = Scanner::new(good);
        assert_eq!(s.skip().unwrap(), good.trim(), "{good}");
        s.end().unwrap();
    }
    for wrong in [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "01",
        "1.",
        "-",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"a",
        "tru",
        "[1 2]",
        "\"\n\"",
        "{]",
        "[}",
        "\"\\é\"",
    ] {
        let mut s = Scanner::new(wrong);
        assert!(s.skip().and_then(|_| s.end()).is_err(), "{wrong}");
    }
    let deep = "[".repeat(1001) + &"]".repeat(1001);
    assert!(Scanner::new(&deep).skip().is_err());
    assert!(Scanner::new(&deep[1..2001]).skip().is_ok());
}

proptest! {
    #[test]
    fn doubles_read_back(v in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
        prop_assert_eq!(double(v).parse::<f64>().unwrap().to_bits(), v.to_bits());
    }
    #[test]
    fn strings_read_back(s in any::<String>()) {
        let mut out = Vec::new();
        quoted(s.as_bytes(), &mut out);
        let text = std::str::from_utf8(&out).unwrap();
        prop_assert_eq!(&serde_json::from_str::<String>(text).unwrap(), &s);
        prop_assert_eq!(Scanner::new(text).string().unwrap().into_owned(), s);
    }
    /// Whatever the text, the scanner agrees with serde_json on what is a value, but for the surrogates it is stricter or alike.
    #[test]
    fn agrees_with_serde_json(s in "[\\[\\]{}\",:0-9a-f\\\\u.eE+\\- tn]{0,24}") {
        let mut sc = Scanner::new(&s);
        let ours = sc.skip().and_then(|_| sc.end()).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&s).map_or_else(|e| e.to_string().contains("number out of range"), |_| true);
        prop_assert_eq!(ours, theirs);
    }
    #[test]
    fn integers_read_back(v in any::<i64>()) {
        let text = v.to_string();
        prop_assert_eq!(Scanner::new(&text).integer(), Some(v));
    }
}
