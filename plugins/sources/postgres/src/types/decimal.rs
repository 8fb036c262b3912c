//! Exact numbers: decimal text to Connect's `Decimal`, a two's complement integer in big-endian order and a scale.

/// A number's unscaled value. None: it is not a finite decimal number, or has digits that `scale` has no room for. A
/// negative scale has no room for the last digits before the point either: PostgreSQL prints zeros there.
pub fn unscaled(text: &[u8], scale: i32, out: &mut Vec<u8>) -> Option<()> {
    let (negative, digits) = sign(text);
    let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &[][..]),
    };
    let (whole, dropped) = whole.split_at(whole.len().saturating_sub(usize::try_from(-scale).unwrap_or(0)));
    let scale = usize::try_from(scale).unwrap_or(0);
    // Zeros past the scale may go, digits may not.
    let (fraction, rest) = fraction.split_at(fraction.len().min(scale));
    if (whole.is_empty() && dropped.is_empty())
        || !whole.iter().chain(fraction).all(u8::is_ascii_digit)
        || !dropped.iter().chain(rest).all(|b| *b == b'0')
    {
        return None;
    }
    let zeros = scale - fraction.len();
    let digits = whole.iter().chain(fraction).map(|b| b - b'0').chain(std::iter::repeat_n(0, zeros));
    if whole.len() + scale <= 18 {
        let n = digits.fold(0i64, |n, d| n * 10 + i64::from(d));
        minimal(&(if negative { -n } else { n }).to_be_bytes(), out);
    } else if whole.len() + scale <= 38 {
        let n = digits.fold(0i128, |n, d| n * 10 + i128::from(d));
        minimal(&(if negative { -n } else { n }).to_be_bytes(), out);
    } else {
        large(digits, negative, out);
    }
    Some(())
}

/// The digits after the point.
pub fn scale_of(text: &[u8]) -> i32 {
    text.iter().position(|b| *b == b'.').map_or(0, |dot| (text.len() - dot - 1) as i32)
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Appends the shortest form of a two's complement number.
fn minimal(bytes: &[u8], out: &mut Vec<u8>) {
    let redundant = |w: &[u8]| (w[0] == 0 && w[1] < 0x80) || (w[0] == 0xff && w[1] >= 0x80);
    let start = bytes.windows(2).take_while(|w| redundant(w)).count();
    out.extend_from_slice(&bytes[start..]);
}

/// Digits of any number, base 256 by hand: rare, and short even so.
fn large(digits: impl Iterator<Item = u8>, negative: bool, out: &mut Vec<u8>) {
    let mut little = vec![0u8];
    for digit in digits {
        let mut carry = u32::from(digit);
        for byte in &mut little {
            carry += u32::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            little.push(carry as u8);
            carry >>= 8;
        }
    }
    // Room for the sign.
    little.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut little {
            let (flipped, over) = (!*byte).overflowing_add(carry.into());
            (*byte, carry) = (flipped, over);
        }
    }
    little.reverse();
    minimal(&little, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str, scale: i32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        unscaled(text.as_bytes(), scale, &mut out).map(|()| out)
    }

    #[test]
    fn numbers_take_the_fewest_bytes() {
        assert_eq!(bytes("0", 0), Some(vec![0]));
        assert_eq!(bytes("1.23", 2), Some(vec![123]));
        assert_eq!(bytes("1.28", 2), Some(vec![0, 128]));
        assert_eq!(bytes("-1.28", 2), Some(vec![128]));
        assert_eq!(bytes("-1.29", 2), Some(vec![0xff, 0x7f]));
        assert_eq!(bytes("5", 2), Some(vec![1, 0xf4]));
        assert_eq!(bytes("1.2300", 2), Some(vec![123]));
    }

    #[test]
    fn what_is_not_a_number_or_does_not_fit_is_refused() {
        for text in ["", "NaN", "Infinity", "-", ".", "1e5", "1.x", "--1", "1.234"] {
            assert_eq!(bytes(text, 2), None, "{text}");
        }
    }

    #[test]
    fn every_length_agrees_with_the_next() {
        // 38 digits go through an i128; the same number with zeros in front goes the long way.
        for text in ["12345678901234567890123456789012345678", "99999999999999999999999999999999999999", "7", "255", "256"] {
            for sign in ["", "-"] {
                let short = bytes(&format!("{sign}{text}"), 0).unwrap();
                assert_eq!(bytes(&format!("{sign}{}{text}", "0".repeat(40)), 0).unwrap(), short, "{sign}{text}");
            }
        }
        assert_eq!(bytes(&format!("1{}", "0".repeat(40)), 0).unwrap().len(), 17);
    }
}
