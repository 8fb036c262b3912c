//! Numbers as Java prints them: the shortest digits that read back, in Java's own layout.

/// Appends a double as `Double.toString` does: plain from 10^-3 to below 10^7, else `1.234E10`; `NaN`, `Infinity`.
pub fn java_f64(v: f64, out: &mut Vec<u8>) {
    if !v.is_finite() {
        return not_finite(v, out);
    }
    let mut buffer = ryu::Buffer::new();
    match two_digits(v, 1e-322, |text| text.parse() == Ok(v)) {
        Some(text) => layout(text.as_bytes(), false, out),
        None => layout(buffer.format_finite(v).as_bytes(), v == 0.0 || (1e-3..1e7).contains(&v.abs()), out),
    }
}

/// Java prints two digits at least, and of those that read back the nearest. That is not the one shortest digit with a zero
/// behind it only among the very least numbers.
fn two_digits(v: impl Into<f64>, below: f64, reads_back: impl Fn(&str) -> bool) -> Option<String> {
    let v = v.into();
    let text = (v != 0.0 && v.abs() < below).then(|| format!("{v:.1e}"))?;
    reads_back(&text).then_some(text)
}

/// Appends a float as `Float.toString` does.
pub fn java_f32(v: f32, out: &mut Vec<u8>) {
    if !v.is_finite() {
        return not_finite(v as f64, out);
    }
    let mut buffer = ryu::Buffer::new();
    match two_digits(v, 1e-43, |text| text.parse() == Ok(v)) {
        Some(text) => layout(text.as_bytes(), false, out),
        None => layout(buffer.format_finite(v).as_bytes(), v == 0.0 || (1e-3..1e7).contains(&v.abs()), out),
    }
}

fn not_finite(v: f64, out: &mut Vec<u8>) {
    let text: &[u8] = match (v.is_nan(), v > 0.0) {
        (true, _) => b"NaN",
        (false, true) => b"Infinity",
        (false, false) => b"-Infinity",
    };
    out.extend_from_slice(text);
}

/// `text` is ryu's: `12.5`, `1e21`, `1.5e-9`. Only outside Java's plain range its layout differs.
fn layout(text: &[u8], plain: bool, out: &mut Vec<u8>) {
    if plain && !text.contains(&b'e') {
        out.extend_from_slice(text);
        return;
    }
    let (sign, text) = text.strip_prefix(b"-").map_or((false, text), |t| (true, t));
    let (mantissa, exponent) = match text.iter().position(|b| *b == b'e') {
        Some(at) => (&text[..at], std::str::from_utf8(&text[at + 1..]).ok().and_then(|e| e.parse::<i32>().ok()).unwrap_or(0)),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let all: Vec<u8> = mantissa.iter().copied().filter(|b| *b != b'.').collect();
    let lead = all.iter().take_while(|b| **b == b'0').count();
    let digits = &all[lead..];
    let digits = &digits[..digits.iter().rposition(|b| *b != b'0').map_or(0, |i| i + 1)];
    // The value is 0.d1d2d3... times ten to this.
    let scale = point as i32 - lead as i32 + exponent;
    if sign {
        out.push(b'-');
    }
    if plain {
        // ryu writes an exponent below 10^-5 only, so this is not reached for what Java writes plainly; kept exact anyway.
        if scale <= 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', -scale as usize));
            out.extend_from_slice(digits);
        } else {
            for i in 0..scale as usize {
                out.push(*digits.get(i).unwrap_or(&b'0'));
            }
            out.push(b'.');
            out.extend_from_slice(digits.get(scale as usize..).filter(|d| !d.is_empty()).unwrap_or(b"0"));
        }
        return;
    }
    out.push(digits[0]);
    out.push(b'.');
    out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
    out.push(b'E');
    out.extend_from_slice(itoa::Buffer::new().format(scale - 1).as_bytes());
}
