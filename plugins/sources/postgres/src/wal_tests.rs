use super::*;

fn cstr(out: &mut Vec<u8>, s: &str) {
    out.extend_from_slice(s.as_bytes());
    out.push(0);
}

fn tuple(values: &[Datum]) -> Vec<u8> {
    let mut out = (values.len() as u16).to_be_bytes().to_vec();
    for v in values {
        match v {
            Datum::Null => out.push(b'n'),
            Datum::Unchanged => out.push(b'u'),
            Datum::Text(t) => {
                out.push(b't');
                out.extend_from_slice(&(t.len() as u32).to_be_bytes());
                out.extend_from_slice(t);
            }
        }
    }
    out
}

#[test]
fn positions_print_as_the_server_prints_them() {
    assert_eq!(Lsn(0x16_B374_D848).to_string(), "16/B374D848");
    assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
    assert_eq!("16".parse::<Lsn>(), Err(()));
}

#[test]
fn an_update_with_its_old_key_is_read() {
    let (old, new) = ([Datum::Text(b"1"), Datum::Null], [Datum::Text(b"2"), Datum::Unchanged]);
    let bytes = [&b"U\0\0\0\x07K"[..], &tuple(&old), b"N", &tuple(&new)].concat();
    let Ok(Message::Update { relation: 7, old: Some(was), new: is }) = message(&bytes) else { panic!("{:?}", message(&bytes)) };
    assert!(!was.full);
    assert_eq!(was.tuple.values().collect::<Vec<_>>(), old);
    assert_eq!(is.values().collect::<Vec<_>>(), new);
}

#[test]
fn a_relation_is_read() {
    let mut bytes = b"R\0\0\0\x07".to_vec();
    cstr(&mut bytes, "public");
    cstr(&mut bytes, "t");
    bytes.extend_from_slice(b"d\0\x01\x01");
    cstr(&mut bytes, "id");
    bytes.extend_from_slice(&23u32.to_be_bytes());
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    let columns = vec![RelationColumn { name: "id", type_oid: 23, modifier: -1, identity: true }];
    let relation = Relation { oid: 7, schema: "public", name: "t", identity: b'd', columns };
    assert_eq!(message(&bytes), Ok(Message::Relation(relation)));
}

#[test]
fn a_type_is_read() {
    let mut bytes = b"Y\0\0\0\x09".to_vec();
    cstr(&mut bytes, "");
    cstr(&mut bytes, "int4");
    assert_eq!(message(&bytes), Ok(Message::Type { oid: 9, schema: "pg_catalog", name: "int4" }));
}

#[test]
fn what_is_cut_short_is_refused_wherever_it_is_cut() {
    let new = tuple(&[Datum::Text(b"abc"), Datum::Null]);
    let whole = [&b"U\0\0\0\x07O"[..], &new, b"N", &new].concat();
    assert!(message(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(message(&whole[..end]).is_err(), "cut at {end}");
    }
    assert!(message(b"T\xff\xff\xff\xff\0").is_err());
    assert!(frame(b"w12345678").is_err());
}

#[test]
fn times_are_of_the_unix_epoch() {
    let bytes = [&b"B"[..], &9u64.to_be_bytes(), &0i64.to_be_bytes(), &5u32.to_be_bytes()].concat();
    assert_eq!(message(&bytes), Ok(Message::Begin { commit: Lsn(9), time_us: 946_684_800_000_000, xid: 5 }));
}
