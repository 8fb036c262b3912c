//! Properties of the codecs, each against a slow and plain reference.

use millrace_plugin::RowBuf;
use proptest::prelude::*;

use super::tests::{mapped, numeric_modifier};
use super::{Modes, array, decimal, time};

/// The integer behind two's complement bytes, as decimal digits: by repeated addition, whatever the length.
fn digits_of(bytes: &[u8]) -> String {
    let negative = bytes[0] & 0x80 != 0;
    let mut magnitude = bytes.to_vec();
    if negative {
        magnitude.iter_mut().for_each(|b| *b = !*b);
        for b in magnitude.iter_mut().rev() {
            let (sum, over) = b.overflowing_add(1);
            *b = sum;
            if !over {
                break;
            }
        }
        // The lowest number of its length is its own complement.
    }
    let mut decimal = vec![0u8];
    for byte in magnitude {
        let mut carry = u32::from(byte);
        for digit in &mut decimal {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            decimal.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    let text: String = decimal.iter().rev().map(|d| char::from(b'0' + d)).collect();
    if negative { format!("-{text}") } else { text }
}

/// One step a day from the year's first to the day wanted: the calendar without arithmetic on eras.
fn slow_days(year: i64, month: u32, day: u32) -> i64 {
    let leap = |y: i64| y.rem_euclid(4) == 0 && (y.rem_euclid(100) != 0 || y.rem_euclid(400) == 0);
    let years: i64 = if year >= 1970 {
        (1970..year).map(|y| 365 + i64::from(leap(y))).sum()
    } else {
        -(year..1970).map(|y| 365 + i64::from(leap(y))).sum::<i64>()
    };
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + lengths[..month as usize - 1].iter().sum::<i64>() + i64::from(day) - 1
}

/// A year as PostgreSQL prints it, and what it puts after the day or time.
fn printed(year: i64) -> (String, &'static str) {
    if year > 0 { (format!("{year:04}"), "") } else { (format!("{:04}", 1 - year), " BC") }
}

/// An array as PostgreSQL prints it, quoting every element that is not null.
fn printed_array(elements: &[Option<String>]) -> String {
    let quoted = |e: &String| format!("\"{}\"", e.replace('\\', "\\\\").replace('"', "\\\""));
    let parts: Vec<String> = elements.iter().map(|e| e.as_ref().map_or("NULL".to_owned(), quoted)).collect();
    format!("{{{}}}", parts.join(","))
}

proptest! {
    #[test]
    fn decimals_come_back_digit_by_digit(negative: bool, whole in "[1-9][0-9]{0,60}", fraction in "[0-9]{0,30}", more in 0usize..8) {
        let sign = if negative { "-" } else { "" };
        let text = if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
        let scale = fraction.len() + more;
        let mut out = Vec::new();
        prop_assert_eq!(decimal::unscaled(text.as_bytes(), scale as i32, &mut out), Some(()));
        prop_assert_eq!(digits_of(&out), format!("{sign}{whole}{fraction}{}", "0".repeat(more)));
        // The fewest bytes: the first one is no mere repetition of the sign.
        prop_assert!(out.len() == 1 || !matches!((out[0], out[1] >> 7), (0, 0) | (0xff, 1)));
    }

    #[test]
    fn decimals_of_negative_scales_lose_their_zeros(negative: bool, whole in "[1-9][0-9]{0,50}", zeros in 0usize..60) {
        let sign = if negative { "-" } else { "" };
        let mut out = Vec::new();
        let text = format!("{sign}{whole}{}", "0".repeat(zeros));
        prop_assert_eq!(decimal::unscaled(text.as_bytes(), -(zeros as i32), &mut out), Some(()));
        prop_assert_eq!(digits_of(&out), format!("{sign}{whole}"));
    }

    #[test]
    fn timestamps_agree_with_counting_days(year in -4700i64..12_000, month in 1u32..=12, day in 1u32..=28, micros in 0i64..86_400_000_000, zone in -15i64 * 3600..15 * 3600) {
        let (shown, era) = printed(year);
        let (s, us) = (micros / 1_000_000, micros % 1_000_000);
        let clock = format!("{:02}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60);
        let days = slow_days(year, month, day);
        let plain = format!("{shown}-{month:02}-{day:02} {clock}{era}");
        prop_assert_eq!(time::timestamp(plain.as_bytes()), Some(time::Moment::At(days * 86_400_000_000 + micros)));
        let (sign, z) = (if zone < 0 { '-' } else { '+' }, zone.abs());
        let zoned = format!("{shown}-{month:02}-{day:02} {clock}{sign}{:02}:{:02}:{:02}{era}", z / 3600, z / 60 % 60, z % 60);
        prop_assert_eq!(time::timestamp(zoned.as_bytes()), Some(time::Moment::At(days * 86_400_000_000 + micros - zone * 1_000_000)));
        prop_assert_eq!(time::date(format!("{shown}-{month:02}-{day:02}{era}").as_bytes()), Some(time::Moment::At(days)));
        prop_assert_eq!(time::time(clock.as_bytes()), Some(micros));
    }

    #[test]
    fn arrays_come_back(elements in prop::collection::vec(prop::option::of("(?s).{0,12}"), 0..12)) {
        let want: Vec<Option<Vec<u8>>> = elements.iter().map(|e| e.clone().map(String::into_bytes)).collect();
        prop_assert_eq!(array::elements(printed_array(&elements).as_bytes(), b','), Some(want));
    }

    #[test]
    fn no_text_makes_a_codec_panic(text in prop::collection::vec(any::<u8>(), 0..40), like in "[-+0-9:. {}\",\\\\NULBCinfty]{0,40}") {
        for text in [text.as_slice(), like.as_bytes()] {
            for name in ["int8", "numeric", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "money", "bytea", "hstore", "point", "bit", "float8"] {
                for modifier in [-1, numeric_modifier(10, 2), numeric_modifier(3, -2)] {
                    let value = mapped(name, modifier, &Modes::default());
                    let mut rows = RowBuf::new();
                    let root = rows.begin(1);
                    let size = rows.size();
                    if value.write(&mut rows, root, 0, text).is_err() {
                        prop_assert!(rows.is_null(root, 0) && rows.size() == size, "{name} left something behind");
                    }
                }
            }
            let _ = array::elements(text, b',');
        }
    }
}
