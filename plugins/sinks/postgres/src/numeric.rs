//! PostgreSQL's binary `numeric` out of Connect's unscaled big-endian two's complement and of text.

/// The decimal digits of an unscaled value, and whether it is negative.
pub fn digits(unscaled: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let negative = unscaled.first().is_some_and(|b| b & 0x80 != 0);
    if unscaled.len() <= 16 {
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[16 - unscaled.len()..].copy_from_slice(unscaled);
        let mut n = i128::from_be_bytes(wide).unsigned_abs();
        loop {
            out.push(b'0' + (n % 10) as u8);
            n /= 10;
            if n == 0 {
                break;
            }
        }
        out.reverse();
        return negative;
    }
    let mut magnitude = unscaled.to_vec();
    if negative {
        let mut carry = true;
        for b in magnitude.iter_mut().rev() {
            let (v, c) = (!*b).overflowing_add(carry as u8);
            (*b, carry) = (v, c);
        }
    }
    while magnitude.iter().any(|b| *b != 0) {
        let mut rest = 0u32;
        for b in &mut magnitude {
            let n = rest << 8 | *b as u32;
            (*b, rest) = ((n / 10) as u8, n % 10);
        }
        out.push(b'0' + rest as u8);
    }
    if out.is_empty() {
        out.push(b'0');
    }
    out.reverse();
    negative
}

/// The text of a decimal, for columns of text.
pub fn text(unscaled: &[u8], scale: i32) -> String {
    let mut d = Vec::new();
    let negative = digits(unscaled, &mut d);
    let mut s = String::from_utf8(d).expect("digits are ASCII");
    if scale <= 0 {
        s.extend(std::iter::repeat_n('0', if s == "0" { 0 } else { scale.unsigned_abs() as usize }));
    } else {
        let scale = scale as usize;
        if s.len() <= scale {
            s.insert_str(0, &"0".repeat(scale + 1 - s.len()));
        }
        s.insert(s.len() - scale, '.');
    }
    if negative {
        s.insert(0, '-');
    }
    s
}

/// Appends the body of a binary `numeric`: digits of base 10,000 aligned at the decimal point.
pub fn write(unscaled: &[u8], scale: i32, out: &mut Vec<u8>) -> Result<(), String> {
    if !(-1000..=16383).contains(&scale) {
        return Err(format!("a decimal of scale {scale} is beyond what numeric holds"));
    }
    if unscaled.len() <= 8 && (0..=18).contains(&scale) {
        let negative = unscaled.first().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[8 - unscaled.len()..].copy_from_slice(unscaled);
        write_small(i64::from_be_bytes(wide) as i128, scale as u32, out);
        return Ok(());
    }
    let mut d = Vec::new();
    let negative = digits(unscaled, &mut d);
    if scale < 0 {
        d.extend(std::iter::repeat_n(b'0', scale.unsigned_abs() as usize));
    }
    let scale = scale.max(0) as usize;
    // Pad the fraction to whole groups, then the front.
    d.extend(std::iter::repeat_n(b'0', (4 - scale % 4) % 4));
    let fraction_groups = scale.div_ceil(4);
    while d.len() < 4 * fraction_groups || d.len() % 4 != 0 {
        d.insert(0, b'0');
    }
    let groups: Vec<u16> = d.chunks_exact(4).map(|c| c.iter().fold(0, |n, b| n * 10 + (b - b'0') as u16)).collect();
    finish(&groups, groups.len() as i32 - fraction_groups as i32 - 1, negative, scale, out)
}

fn write_small(n: i128, scale: u32, out: &mut Vec<u8>) {
    let (negative, mut n) = (n < 0, n.unsigned_abs() * 10u128.pow((4 - scale % 4) % 4));
    let mut groups = [0u16; 12];
    let mut at = 12;
    while n > 0 {
        at -= 1;
        groups[at] = (n % 10_000) as u16;
        n /= 10_000;
    }
    let weight = (12 - at) as i32 - scale.div_ceil(4) as i32 - 1;
    finish(&groups[at..], weight, negative, scale as usize, out).expect("twelve groups at most");
}

/// A whole number.
pub fn write_int(n: i64, out: &mut Vec<u8>) {
    write_small(n as i128, 0, out);
}

fn finish(mut groups: &[u16], mut weight: i32, negative: bool, scale: usize, out: &mut Vec<u8>) -> Result<(), String> {
    while let [0, rest @ ..] = groups {
        (groups, weight) = (rest, weight - 1);
    }
    while let [rest @ .., 0] = groups {
        groups = rest;
    }
    let (Ok(n), Ok(w)) = (i16::try_from(groups.len()), i16::try_from(if groups.is_empty() { 0 } else { weight })) else {
        return Err("a decimal of more digits than numeric holds".into());
    };
    let sign: u16 = if negative && !groups.is_empty() { 0x4000 } else { 0 };
    out.extend_from_slice(&n.to_be_bytes());
    out.extend_from_slice(&w.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(scale as u16).to_be_bytes());
    groups.iter().for_each(|g| out.extend_from_slice(&g.to_be_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(n: i128, scale: i32) -> (i16, i16, u16, u16, Vec<u16>) {
        let mut out = Vec::new();
        write(&n.to_be_bytes(), scale, &mut out).unwrap();
        let at = |i: usize| u16::from_be_bytes([out[i], out[i + 1]]);
        (at(0) as i16, at(2) as i16, at(4), at(6), (0..(out.len() - 8) / 2).map(|i| at(8 + 2 * i)).collect())
    }

    #[test]
    fn groups_align_at_the_point() {
        assert_eq!(groups(1234, 2), (2, 0, 0, 2, vec![12, 3400]));
        assert_eq!(groups(-5, 3), (1, -1, 0x4000, 3, vec![50]));
        assert_eq!(groups(0, 2), (0, 0, 0, 2, vec![]));
        assert_eq!(groups(10_000, 0), (1, 1, 0, 0, vec![1]));
        assert_eq!(groups(1, -5), (1, 1, 0, 0, vec![10]));
        assert_eq!(groups(1, 9), (1, -3, 0, 9, vec![1000]));
    }

    #[test]
    fn short_and_long_forms_agree() {
        for n in [0i64, 1, -1, 9999, 10_000, 123_456_789, i64::MAX, i64::MIN] {
            for scale in 0..=18 {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                write(&n.to_be_bytes(), scale, &mut a).unwrap();
                write(&(n as i128).to_be_bytes(), scale, &mut b).unwrap();
                assert_eq!(a, b, "{n} at scale {scale}");
            }
        }
    }

    #[test]
    fn text_keeps_the_scale() {
        assert_eq!(text(&[5], 2), "0.05");
        assert_eq!(text(&[0xff], 0), "-1");
        assert_eq!(text(&(-123456i64).to_be_bytes(), 3), "-123.456");
        assert_eq!(text(&[12], -2), "1200");
    }
}
