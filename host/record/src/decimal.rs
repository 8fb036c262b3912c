//! Decimals: Connect's bytes (the unscaled value, two's complement, big endian) to text and back, of any size.

/// `BigDecimal.toString` of an unscaled value and its scale.
pub fn to_text(unscaled: &[u8], scale: i32) -> String {
    let (negative, digits) = digits(unscaled);
    let mut out = String::with_capacity(digits.len() + 4);
    if negative {
        out.push('-');
    }
    let adjusted = digits.len() as i64 - 1 - scale as i64;
    if scale == 0 {
        out.push_str(&digits);
    } else if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        if digits.len() > scale {
            out.push_str(&digits[..digits.len() - scale]);
            out.push('.');
            out.push_str(&digits[digits.len() - scale..]);
        } else {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(&digits);
        }
    } else {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        if adjusted != 0 {
            out.push('E');
            if adjusted > 0 {
                out.push('+');
            }
            out.push_str(&adjusted.to_string());
        }
    }
    out
}

/// The unscaled value of a number's text at `scale`. None: it is not a number, is longer than a thousand digits, or has digits
/// below the scale.
pub fn from_text(text: &str, scale: i32) -> Option<Vec<u8>> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |m| (true, m));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = String::with_capacity(whole.len() + fraction.len());
    digits.push_str(whole);
    digits.push_str(fraction);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The value is digits * 10^(exponent - fraction.len()); the unscaled value is that times 10^scale.
    let shift = exponent as i64 - fraction.len() as i64 + scale as i64;
    if shift >= 0 {
        if digits.bytes().all(|b| b == b'0') {
            return Some(vec![0]);
        }
        if shift + digits.len() as i64 > 1000 {
            return None;
        }
        digits.extend(std::iter::repeat_n('0', shift as usize));
    } else {
        let cut = digits.len() as i64 + shift;
        let tail = cut.max(0) as usize;
        if digits.as_bytes()[tail..].iter().any(|b| *b != b'0') {
            return None;
        }
        digits.truncate(tail);
    }
    if digits.len() > 1000 {
        return None;
    }
    Some(bytes(negative, &digits))
}

fn digits(unscaled: &[u8]) -> (bool, String) {
    if unscaled.len() <= 16 {
        let negative = unscaled.first().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[16 - unscaled.len()..].copy_from_slice(unscaled);
        let v = i128::from_be_bytes(wide);
        return (negative, v.unsigned_abs().to_string());
    }
    let negative = unscaled[0] & 0x80 != 0;
    let mut magnitude = unscaled.to_vec();
    if negative {
        negate(&mut magnitude);
    }
    let mut limbs: Vec<u32> = magnitude.rchunks(4).rev().map(|c| c.iter().fold(0u32, |v, b| v << 8 | *b as u32)).collect();
    let mut groups = Vec::new();
    while limbs.iter().any(|l| *l != 0) {
        let mut rest = 0u64;
        for l in limbs.iter_mut() {
            let v = rest << 32 | *l as u64;
            *l = (v / 1_000_000_000) as u32;
            rest = v % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut out = groups.pop().unwrap_or(0).to_string();
    for g in groups.iter().rev() {
        out.push_str(&format!("{g:09}"));
    }
    (negative, out)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for b in bytes.iter_mut().rev() {
        let (v, c) = (!*b).overflowing_add(carry as u8);
        *b = v;
        carry = c;
    }
}

fn bytes(negative: bool, digits: &str) -> Vec<u8> {
    let mut big = if digits.len() <= 38 {
        digits.parse::<u128>().unwrap_or(0).to_be_bytes().to_vec()
    } else {
        let mut limbs: Vec<u32> = Vec::new();
        for d in digits.bytes() {
            let mut carry = (d - b'0') as u64;
            for l in limbs.iter_mut() {
                let v = *l as u64 * 10 + carry;
                *l = v as u32;
                carry = v >> 32;
            }
            if carry != 0 {
                limbs.push(carry as u32);
            }
        }
        limbs.iter().rev().flat_map(|l| l.to_be_bytes()).collect()
    };
    big.insert(0, 0);
    if negative {
        negate(&mut big);
    }
    // The fewest bytes that keep the sign, as `BigInteger.toByteArray`.
    let sign = if big[0] & 0x80 != 0 { 0xff } else { 0 };
    let spare = big.windows(2).take_while(|w| w[0] == sign && (w[1] ^ sign) & 0x80 == 0).count();
    big.split_off(spare)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_javas() {
        for (bytes, scale, text) in [
            (&[0x30, 0x39][..], 2, "123.45"),
            (&[0xff][..], 0, "-1"),
            (&[1][..], 7, "1E-7"),
            (&[1][..], 6, "0.000001"),
            (&[12][..], -3, "1.2E+4"),
            (&[][..], 0, "0"),
        ] {
            assert_eq!(to_text(bytes, scale), text);
        }
        assert_eq!(from_text("123.45", 2).unwrap(), [0x30, 0x39]);
        assert_eq!(from_text("128", 0).unwrap(), [0, 0x80]);
        assert_eq!(from_text("-128", 0).unwrap(), [0x80]);
        assert_eq!(from_text("1.005", 2), None);
        assert_eq!(from_text("1e99999", 0), None);
        assert_eq!(from_text("0e99999", 0), Some(vec![0]));
    }

    proptest! {
        #[test]
        fn round_trips(digits in "-?[1-9][0-9]{0,90}", scale in -5i32..40) {
            let unscaled = from_text(&digits, 0).unwrap();
            prop_assert_eq!(to_text(&unscaled, 0), digits);
            prop_assert_eq!(from_text(&to_text(&unscaled, scale), scale), Some(unscaled));
        }
    }
}
