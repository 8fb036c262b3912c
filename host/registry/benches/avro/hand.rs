//! What one would write for each of these schemas and no other: straight from the row's slots into bytes and back, with every
//! slot's number, every branch and every kind known to the compiler.

use millrace_record::row::{Row, RowBuf, RowMark};

pub type Write = fn(Row<'_>, &mut Vec<u8>);
pub type Read = fn(&mut &[u8], &mut RowBuf);

pub fn of(shape: &str) -> (Write, Read) {
    match shape {
        "flat" => (order, |i, r| _ = read_order(i, r)),
        "strings" => (strings, read_strings),
        "nested" => (nested, read_nested),
        "array" => (array, read_array),
        "map" => (map, read_map),
        "envelope" => (envelope, read_envelope),
        "logical" => (logical, read_logical),
        _ => (nullable, read_nullable),
    }
}

#[inline]
fn long(v: i64, out: &mut Vec<u8>) {
    let mut z = ((v << 1) ^ (v >> 63)) as u64;
    while z >= 0x80 {
        out.push(z as u8 | 0x80);
        z >>= 7;
    }
    out.push(z as u8);
}

#[inline]
fn bytes(v: &[u8], out: &mut Vec<u8>) {
    long(v.len() as i64, out);
    out.extend_from_slice(v);
}

#[inline]
fn optional(r: Row<'_>, i: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if r.is_null(i) {
        out.push(0);
    } else {
        out.push(2);
        write(out);
    }
}

fn order(r: Row<'_>, out: &mut Vec<u8>) {
    long(r.i64(0), out);
    long(r.i64(1), out);
    bytes(r.get_bytes(2), out);
    long(r.i64(3), out);
    out.extend_from_slice(&r.f64(4).to_le_bytes());
    bytes(r.get_bytes(5), out);
    optional(r, 6, out, |out| bytes(r.get_bytes(6), out));
    optional(r, 7, out, |out| bytes(r.get_bytes(7), out));
    out.push(r.bool(8).into());
    long(r.i64(9), out);
}

fn strings(r: Row<'_>, out: &mut Vec<u8>) {
    for i in 0..12 {
        bytes(r.get_bytes(i), out);
    }
}

fn address(r: Row<'_>, out: &mut Vec<u8>) {
    for i in 0..4 {
        bytes(r.get_bytes(i), out);
    }
}

fn nested(r: Row<'_>, out: &mut Vec<u8>) {
    long(r.i64(0), out);
    let customer = r.row(1).expect("a row");
    long(customer.i64(0), out);
    bytes(customer.get_bytes(1), out);
    address(customer.row(2).expect("a row"), out);
    optional(customer, 3, out, |out| address(customer.row(3).expect("a row"), out));
    out.extend_from_slice(&r.f64(2).to_le_bytes());
}

fn list(r: Row<'_>, out: &mut Vec<u8>, mut write: impl FnMut(usize, &mut Vec<u8>)) {
    let n = r.len();
    if n > 0 {
        long(n as i64, out);
        for i in 0..n {
            write(i, out);
        }
    }
    out.push(0);
}

fn array(r: Row<'_>, out: &mut Vec<u8>) {
    long(r.i64(0), out);
    let items = r.row(1).expect("a row");
    list(items, out, |i, out| {
        let item = items.row(i).expect("a row");
        bytes(item.get_bytes(0), out);
        long(item.i64(1), out);
        out.extend_from_slice(&item.f64(2).to_le_bytes());
    });
    let tags = r.row(2).expect("a row");
    list(tags, out, |i, out| bytes(tags.get_bytes(i), out));
    let readings = r.row(3).expect("a row");
    list(readings, out, |i, out| long(readings.i64(i), out));
}

fn map(r: Row<'_>, out: &mut Vec<u8>) {
    long(r.i64(0), out);
    let both = |i| r.row(i).and_then(|m| m.row(0).zip(m.row(1))).expect("two rows");
    let (keys, values) = both(1);
    list(keys, out, |i, out| {
        bytes(keys.get_bytes(i), out);
        bytes(values.get_bytes(i), out);
    });
    let (keys, values) = both(2);
    list(keys, out, |i, out| {
        bytes(keys.get_bytes(i), out);
        long(values.i64(i), out);
    });
}

fn envelope(r: Row<'_>, out: &mut Vec<u8>) {
    optional(r, 0, out, |out| order(r.row(0).expect("a row"), out));
    optional(r, 1, out, |out| order(r.row(1).expect("a row"), out));
    let s = r.row(2).expect("a row");
    bytes(s.get_bytes(0), out);
    bytes(s.get_bytes(1), out);
    bytes(s.get_bytes(2), out);
    long(s.i64(3), out);
    optional(s, 4, out, |out| bytes(s.get_bytes(4), out));
    bytes(s.get_bytes(5), out);
    optional(s, 6, out, |out| bytes(s.get_bytes(6), out));
    bytes(s.get_bytes(7), out);
    bytes(s.get_bytes(8), out);
    optional(s, 9, out, |out| long(s.i64(9), out));
    optional(s, 10, out, |out| long(s.i64(10), out));
    optional(s, 11, out, |out| long(s.i64(11), out));
    optional(s, 12, out, |out| bytes(s.get_bytes(12), out));
    bytes(r.get_bytes(3), out);
    optional(r, 4, out, |out| long(r.i64(4), out));
}

fn logical(r: Row<'_>, out: &mut Vec<u8>) {
    long(r.i64(0), out);
    bytes(r.get_bytes(1), out);
    optional(r, 2, out, |out| bytes(r.get_bytes(2), out));
    long(r.i64(3), out);
    optional(r, 4, out, |out| long(r.i64(4), out));
    long(r.i64(5), out);
    long(r.i64(6), out);
    optional(r, 7, out, |out| long(r.i64(7), out));
}

fn nullable(r: Row<'_>, out: &mut Vec<u8>) {
    for i in (0..20).step_by(5) {
        optional(r, i, out, |out| long(r.i64(i), out));
        optional(r, i + 1, out, |out| bytes(r.get_bytes(i + 1), out));
        optional(r, i + 2, out, |out| out.push(r.bool(i + 2).into()));
        optional(r, i + 3, out, |out| out.extend_from_slice(&r.f64(i + 3).to_le_bytes()));
        optional(r, i + 4, out, |out| long(r.i64(i + 4), out));
    }
}

#[inline]
fn take_long(input: &mut &[u8]) -> i64 {
    let (mut z, mut shift) = (0u64, 0);
    loop {
        let b = input[0];
        *input = &input[1..];
        z |= u64::from(b & 0x7F) << shift;
        if b < 0x80 {
            return (z >> 1) as i64 ^ -((z & 1) as i64);
        }
        shift += 7;
    }
}

#[inline]
fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(n);
    *input = rest;
    taken
}

#[inline]
fn take_bytes<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let n = take_long(input) as usize;
    take(input, n)
}

/// A text is checked, as rows promise UTF-8: a word at a time while it is ASCII.
#[inline]
fn text(input: &mut &[u8], rows: &mut RowBuf, row: RowMark, i: usize) {
    let bytes = take_bytes(input);
    let (words, rest) = bytes.as_chunks::<8>();
    let seen = words.iter().fold(0, |seen, w| seen | u64::from_le_bytes(*w));
    let seen = rest.iter().fold(seen, |seen, b| seen | u64::from(*b));
    if seen & 0x8080_8080_8080_8080 != 0 {
        std::str::from_utf8(bytes).expect("UTF-8");
    }
    rows.bytes(row, i, bytes);
}

#[inline]
fn integer(input: &mut &[u8], rows: &mut RowBuf, row: RowMark, i: usize) {
    rows.i64(row, i, take_long(input));
}

#[inline]
fn double(input: &mut &[u8], rows: &mut RowBuf, row: RowMark, i: usize) {
    rows.f64(row, i, f64::from_le_bytes(take(input, 8).try_into().expect("eight bytes")));
}

#[inline]
fn boolean(input: &mut &[u8], rows: &mut RowBuf, row: RowMark, i: usize) {
    rows.bool(row, i, take(input, 1)[0] == 1);
}

#[inline]
fn when(input: &mut &[u8], read: impl FnOnce(&mut &[u8])) {
    if take(input, 1)[0] == 2 {
        read(input);
    }
}

fn read_order(input: &mut &[u8], rows: &mut RowBuf) -> RowMark {
    let row = rows.begin(10);
    integer(input, rows, row, 0);
    integer(input, rows, row, 1);
    text(input, rows, row, 2);
    integer(input, rows, row, 3);
    double(input, rows, row, 4);
    text(input, rows, row, 5);
    when(input, |input| text(input, rows, row, 6));
    when(input, |input| text(input, rows, row, 7));
    boolean(input, rows, row, 8);
    integer(input, rows, row, 9);
    row
}

fn texts(n: usize, input: &mut &[u8], rows: &mut RowBuf) -> RowMark {
    let row = rows.begin(n);
    for i in 0..n {
        text(input, rows, row, i);
    }
    row
}

fn read_strings(input: &mut &[u8], rows: &mut RowBuf) {
    texts(12, input, rows);
}

fn read_nested(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(3);
    integer(input, rows, row, 0);
    let customer = rows.begin(4);
    integer(input, rows, customer, 0);
    text(input, rows, customer, 1);
    let address = texts(4, input, rows);
    rows.end_nested(customer, 2, address);
    when(input, |input| {
        let address = texts(4, input, rows);
        rows.end_nested(customer, 3, address);
    });
    rows.end_nested(row, 1, customer);
    double(input, rows, row, 2);
}

/// Of one block, as they are written here.
fn read_list(input: &mut &[u8], rows: &mut RowBuf, mut read: impl FnMut(&mut &[u8], &mut RowBuf, RowMark, usize)) -> RowMark {
    let n = take_long(input) as usize;
    let list = rows.begin(n);
    for i in 0..n {
        read(input, rows, list, i);
    }
    if n > 0 {
        take(input, 1);
    }
    list
}

fn read_array(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(4);
    integer(input, rows, row, 0);
    let items = read_list(input, rows, |input, rows, list, i| {
        let item = rows.begin(3);
        text(input, rows, item, 0);
        integer(input, rows, item, 1);
        double(input, rows, item, 2);
        rows.end_nested(list, i, item);
    });
    rows.end_nested(row, 1, items);
    let tags = read_list(input, rows, text);
    rows.end_nested(row, 2, tags);
    let readings = read_list(input, rows, integer);
    rows.end_nested(row, 3, readings);
}

fn entries(input: &mut &[u8], rows: &mut RowBuf, row: RowMark, i: usize, read: fn(&mut &[u8], &mut RowBuf, RowMark, usize)) {
    let lists = rows.begin(2);
    let n = take_long(input) as usize;
    let (keys, values) = (rows.begin(n), rows.begin(n));
    for j in 0..n {
        text(input, rows, keys, j);
        read(input, rows, values, j);
    }
    if n > 0 {
        take(input, 1);
    }
    rows.end_nested(lists, 0, keys);
    rows.end_nested(lists, 1, values);
    rows.end_nested(row, i, lists);
}

fn read_map(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(3);
    integer(input, rows, row, 0);
    entries(input, rows, row, 1, text);
    entries(input, rows, row, 2, integer);
}

fn read_envelope(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(5);
    for i in 0..2 {
        when(input, |input| {
            let order = read_order(input, rows);
            rows.end_nested(row, i, order);
        });
    }
    let source = rows.begin(13);
    text(input, rows, source, 0);
    text(input, rows, source, 1);
    text(input, rows, source, 2);
    integer(input, rows, source, 3);
    when(input, |input| text(input, rows, source, 4));
    text(input, rows, source, 5);
    when(input, |input| text(input, rows, source, 6));
    text(input, rows, source, 7);
    text(input, rows, source, 8);
    for i in 9..12 {
        when(input, |input| integer(input, rows, source, i));
    }
    when(input, |input| text(input, rows, source, 12));
    rows.end_nested(row, 2, source);
    text(input, rows, row, 3);
    when(input, |input| integer(input, rows, row, 4));
}

fn read_logical(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(8);
    integer(input, rows, row, 0);
    rows.bytes(row, 1, take_bytes(input));
    when(input, |input| rows.bytes(row, 2, take_bytes(input)));
    integer(input, rows, row, 3);
    when(input, |input| integer(input, rows, row, 4));
    integer(input, rows, row, 5);
    integer(input, rows, row, 6);
    when(input, |input| integer(input, rows, row, 7));
}

fn read_nullable(input: &mut &[u8], rows: &mut RowBuf) {
    let row = rows.begin(20);
    for i in (0..20).step_by(5) {
        when(input, |input| integer(input, rows, row, i));
        when(input, |input| text(input, rows, row, i + 1));
        when(input, |input| boolean(input, rows, row, i + 2));
        when(input, |input| double(input, rows, row, i + 3));
        when(input, |input| integer(input, rows, row, i + 4));
    }
}
