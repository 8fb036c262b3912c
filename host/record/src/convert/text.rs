//! Java's `toString` of Connect's values, as `StringConverter` writes them.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use millrace_row::Row;

use super::logical::{Logical, civil, clock};
use crate::json::{Bad, NodeType, Scanner, java_f32, java_f64};
use crate::{Kind, Schema, decimal};

/// A root row: `Struct{id=1,name=x}`, `[1, 2]`, `{a=1}`. Without a schema it is JSON.
pub fn to_string(schema: Option<&Schema>, row: &Row<'_>, out: &mut Vec<u8>) {
    match schema {
        None => untyped(row.text(0), out),
        Some(s) if s.kind == Kind::Struct => fields(s, row, out),
        Some(s) => slot(s, row, 0, out),
    }
}

/// Connect leaves null fields out.
fn fields(schema: &Schema, row: &Row<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Struct{");
    let mut first = true;
    for (i, f) in schema.fields.iter().enumerate().filter(|(i, _)| !row.is_null(*i)) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(f.name.as_bytes());
        out.push(b'=');
        slot(&f.schema, row, i, out);
    }
    out.push(b'}');
}

fn slot(schema: &Schema, row: &Row<'_>, i: usize, out: &mut Vec<u8>) {
    if row.is_null(i) {
        out.extend_from_slice(b"null");
        return;
    }
    match schema.kind {
        Kind::Boolean => out.extend_from_slice(if row.bool(i) { b"true" } else { b"false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => match Logical::of(schema).millis(row.i64(i)) {
            Some(millis) => date(millis, out),
            None => out.extend_from_slice(itoa::Buffer::new().format(row.i64(i)).as_bytes()),
        },
        Kind::Float32 => java_f32(row.f64(i) as f32, out),
        Kind::Float64 => java_f64(row.f64(i), out),
        Kind::Text => out.extend_from_slice(row.get_bytes(i)),
        Kind::Any => untyped(row.text(i), out),
        Kind::Bytes => match Logical::of(schema) {
            Logical::Decimal { scale } => out.extend_from_slice(decimal::to_text(row.get_bytes(i), scale).as_bytes()),
            // Java prints an object's identity here, which tells nobody anything.
            _ => out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(row.get_bytes(i)).as_bytes()),
        },
        Kind::Struct => {
            if let Some(nested) = row.row(i) {
                fields(schema, &nested, out);
            }
        }
        Kind::List => {
            let (Some(element), Some(list)) = (schema.element.as_deref(), row.row(i)) else { return };
            out.push(b'[');
            for j in 0..list.len() {
                out.extend_from_slice(if j > 0 { b", " } else { b"" });
                slot(element, &list, j, out);
            }
            out.push(b']');
        }
        Kind::Map => {
            let (Some(key), Some(element), Some(map)) = (schema.key.as_deref(), schema.element.as_deref(), row.row(i)) else {
                return;
            };
            let (Some(keys), Some(values)) = (map.row(0), map.row(1)) else { return };
            out.push(b'{');
            for j in 0..keys.len() {
                out.extend_from_slice(if j > 0 { b", " } else { b"" });
                slot(key, &keys, j, out);
                out.push(b'=');
                slot(element, &values, j, out);
            }
            out.push(b'}');
        }
    }
}

/// `java.util.Date.toString` in UTC.
fn date(millis: i64, out: &mut Vec<u8>) {
    const WEEK: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = millis.div_euclid(super::logical::DAY_MS);
    let ((year, month, of_month), (h, m, s, _)) = (civil(day), clock(millis));
    let (week, month) = (WEEK[day.rem_euclid(7) as usize], MONTHS[month as usize - 1]);
    out.extend_from_slice(format!("{week} {month} {of_month:02} {h:02}:{m:02}:{s:02} UTC {year}").as_bytes());
}

/// What Java prints of JSON without a schema. Rows hold checked JSON: what is none all the same is left as it is.
fn untyped(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if json(&mut Scanner::new(text), out).is_err() {
        out.truncate(start);
        out.extend_from_slice(text.as_bytes());
    }
}

fn json(json: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Bad> {
    match json.node_type()? {
        NodeType::String => out.extend_from_slice(json.string()?.as_bytes()),
        NodeType::Number => number(json, out)?,
        NodeType::Null | NodeType::Boolean => out.extend_from_slice(json.skip()?.as_bytes()),
        NodeType::Object => {
            out.push(b'{');
            for (i, (key, value)) in hashed(json)?.into_iter().enumerate() {
                out.extend_from_slice(if i > 0 { b", " } else { b"" });
                out.extend_from_slice(key.as_bytes());
                out.push(b'=');
                self::json(&mut Scanner::new(value), out)?;
            }
            out.push(b'}');
        }
        NodeType::Array => {
            json.at += 1;
            out.push(b'[');
            let mut first = true;
            while !json.eat(b']') {
                if !std::mem::take(&mut first) {
                    json.expect(b',', "no comma between elements")?;
                    out.extend_from_slice(b", ");
                }
                self::json(json, out)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}

type Member<'a> = (Cow<'a, str>, &'a str);

/// The members of an object in the order of the `HashMap` that Connect holds them in. Of several of one name the last.
pub(super) fn hashed<'a>(json: &mut Scanner<'a>) -> Result<Vec<Member<'a>>, Bad> {
    json.expect(b'{', "no object")?;
    let (mut members, mut places): (Vec<Member<'a>>, HashMap<Cow<'a, str>, usize>) = Default::default();
    while !json.eat(b'}') {
        if !members.is_empty() {
            json.expect(b',', "no comma or } in an object")?;
        }
        let key = json.string()?;
        json.expect(b':', "no colon after a key")?;
        let value = json.skip()?;
        match places.get(&key) {
            Some(place) => members[*place].1 = value,
            None => {
                places.insert(key.clone(), members.len());
                members.push((key, value));
            }
        }
    }
    // Its table has a power of two buckets, of which three in four may be taken; within one the earlier comes first.
    let buckets = (members.len() * 4).div_ceil(3).next_power_of_two().max(16) as u32;
    members.sort_by_cached_key(|(key, _)| {
        let hash = key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    Ok(members)
}

/// A whole number as it stands; any other as the double that Connect makes of it.
pub(super) fn number(json: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Bad> {
    let (text, integer) = json.number()?;
    match text.parse() {
        Ok(v) if !integer => java_f64(v, out),
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}
