use proptest::prelude::*;

use super::DateFormat;

/// Midnight of 14 November 2023: years of two digits begin in 1943.
const NOW: i64 = 1_699_920_000_000;

fn format(pattern: &str) -> DateFormat {
    DateFormat::new(pattern, NOW).unwrap()
}

#[test]
fn patterns_that_are_none() {
    let refused = |pattern: &str| DateFormat::new(pattern, NOW).unwrap_err();
    assert_eq!(refused("bogus{"), "Illegal pattern character 'b'");
    assert_eq!(refused("yyyy 'T"), "Unterminated quote");
    assert_eq!(refused("XXXX"), "invalid ISO 8601 format: length=4");
}

/// One line: `F` pattern, time, text; `P` pattern, text, time; `E` pattern, error. What differs is answered.
fn differs(line: &str) -> Option<String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [kind, pattern, given @ ..] = &columns[..] else { return Some(line.into()) };
    let ours = match (*kind, DateFormat::new(pattern, NOW)) {
        ("F", Ok(format)) => format.format(given[0].parse().unwrap()),
        ("P", Ok(format)) => format.parse(given[0]).map_or("null".into(), |ms| ms.to_string()),
        (_, Ok(_)) => "no error".into(),
        (_, Err(e)) => e,
    };
    (given.last() != Some(&ours.as_str())).then(|| format!("{line}\n    ours: {ours}"))
}

#[test]
fn every_date_is_javas() {
    let lines = include_str!("../vectors/dates.tsv").lines();
    let wrong: Vec<_> = lines.clone().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.count(), wrong.join("\n"));
}

proptest! {
    /// Milliseconds of the years 1 to 9999, which four digits hold.
    #[test]
    fn what_was_formatted_is_parsed(ms in -62_135_769_600_000i64..253_402_300_800_000) {
        for pattern in [
            "yyyy-MM-dd'T'HH:mm:ss.SSS",
            "yyyyMMddHHmmssSSS",
            "EEEE, d MMMM yyyy h:mm:ss.SSS a z",
            "yyyy-DDD kk:mm:ss,SSS XXX",
            "YYYY'W'ww-u K mm ss SSS a Z",
            "G yyyy LLL F E HH mm ss SSS",
            "yyyy M W E HH mm ss SSS",
        ] {
            let format = format(pattern);
            let text = format.format(ms);
            let changed = (-12_300_000_000_000..-12_190_000_000_000).contains(&ms);
            // Around the change of calendars, weeks and numbered days of 1582 mean more than one day.
            prop_assert!(changed || format.parse(&text) == Some(ms), "{} by {}", text, pattern);
        }
    }

    #[test]
    fn no_text_is_too_strange(pattern in "[GyMdkHmsSEDFwWahKzZYuXL' :.-]{0,20}", text in "\\PC{0,30}", ms: i64) {
        if let Ok(format) = DateFormat::new(&pattern, NOW) {
            format.parse(&text);
            format.parse(&format.format(ms));
        }
    }
}
