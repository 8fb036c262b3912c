use millrace_record::convert::converter;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind as Type, MapKey, ReflectMessage, Value as Reflected};
use rand_like::*;

use super::super::memory::Memory;
use super::*;

/// Numbers out of proptest's generator.
mod rand_like {
    use proptest::prelude::Rng;
    use proptest::test_runner::TestRng;

    pub fn below(rng: &mut TestRng, n: u64) -> u64 {
        rng.next_u64() % n
    }
    /// Often an edge, else anything.
    pub fn bits(rng: &mut TestRng) -> u64 {
        match below(rng, 8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => i64::MAX as u64,
            4 => 1 << 31,
            5 => below(rng, 300),
            _ => rng.next_u64(),
        }
    }
}

struct Rig {
    memory: Arc<Memory>,
    schemas: Arc<Schemas>,
    options: Vec<(String, String)>,
}

impl Rig {
    fn new(options: &[(&str, &str)]) -> Self {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Rig { memory: Memory::new(), schemas: Schemas::new(), options }
    }

    fn converter(&self) -> ProtobufConverter {
        let config: RawConfig = self.options.iter().cloned().collect();
        ProtobufConverter::new(false, &config, &self.schemas, self.memory.clone()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Reads a message of the schema: the row, and its schema's id.
    fn read(&self, proto: &str, indexes: &[i32], payload: &[u8]) -> Result<(u32, Vec<u8>), String> {
        let id = self.memory.add("in-value", SchemaType::Protobuf, proto);
        let mut bytes = Vec::new();
        write_header(id, &mut bytes);
        wire::put_indexes(indexes, &mut bytes);
        bytes.extend_from_slice(payload);
        let mut converter = self.converter();
        let mut out = None;
        // Twice: the second takes the path of what was seen before.
        for _ in 0..2 {
            let mut rows = RowBuf::new();
            let schema = converter.decode("in", Some(&bytes), &mut rows).map_err(|e| e.failed().to_string())?;
            out = Some((schema.flatten().expect("a schema"), rows.into_bytes()));
        }
        Ok(out.expect("read twice"))
    }

    /// Writes a row: the registered text, the indexes and the payload.
    fn write(&self, schema: u32, row: &[u8]) -> Result<(Arc<str>, Vec<i32>, Vec<u8>), String> {
        let mut out = Vec::new();
        let row = Row::new(row).expect("a row");
        let mut converter = self.converter();
        for _ in 0..2 {
            out.clear();
            assert!(converter.encode("out", Some(schema), Some(row), &mut out).map_err(|e| e.failed().to_string())?);
        }
        let (id, rest) = read_header(&out).expect("a header");
        let mut reader = wire::Reader::new(rest);
        let indexes = wire::indexes(&mut reader).expect("indexes");
        Ok((self.memory.text(id), indexes, reader.rest().to_vec()))
    }

    /// A row as JSON, by Connect's JsonConverter.
    fn json(&self, schema: u32, row: &[u8]) -> String {
        let config: RawConfig = [("schemas.enable".to_owned(), "false".to_owned())].into();
        let mut json = converter("JsonConverter", false, &config, &self.schemas).unwrap_or_else(|e| panic!("{e}"));
        let mut out = Vec::new();
        json.encode("t", Some(schema), Row::new(row), &mut out).unwrap_or_else(|e| panic!("{e:?}"));
        String::from_utf8(out).unwrap_or_else(|e| panic!("{e}"))
    }

    /// A row out of Connect's JSON with its schema.
    fn row(&self, envelope: &str) -> (u32, Vec<u8>) {
        let mut json = converter("JsonConverter", false, &RawConfig::new(), &self.schemas).unwrap_or_else(|e| panic!("{e}"));
        let mut rows = RowBuf::new();
        let schema = json.decode("t", Some(envelope.as_bytes()), &mut rows).unwrap_or_else(|e| panic!("{e:?}"));
        (schema.flatten().expect("a schema"), rows.into_bytes())
    }
}

fn parsed(text: &str) -> ProtobufSchema {
    ProtobufSchema::parse(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

const ALL: &str = r#"syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";
import "google/type/timeofday.proto";
import "confluent/meta.proto";
import "confluent/type/decimal.proto";

message All {
  double f_double = 1; float f_float = 2; int32 f_int32 = 3; int64 f_int64 = 4; uint32 f_uint32 = 5; uint64 f_uint64 = 6;
  sint32 f_sint32 = 7; sint64 f_sint64 = 8; fixed32 f_fixed32 = 9; fixed64 f_fixed64 = 10; sfixed32 f_sfixed32 = 11;
  sfixed64 f_sfixed64 = 12; bool f_bool = 13; string f_string = 14; bytes f_bytes = 15;
  optional int32 o_int32 = 16; optional string o_string = 17; optional bool o_bool = 18;
  repeated int32 r_int32 = 19; repeated string r_string = 20; repeated double r_double = 21 [packed = false];
  repeated Inner r_inner = 22; repeated Color r_color = 23; repeated bool r_bool = 400;
  map<string, int32> m_int32 = 24; map<int64, Inner> m_inner = 25; map<bool, Color> m_color = 26;
  Inner inner = 27; Color color = 28;
  oneof choice { int32 c_int = 29; string c_text = 30; Inner c_inner = 31; Color c_color = 32; }
  google.protobuf.Timestamp at = 33; google.type.Date on = 34; google.type.TimeOfDay time = 35;
  confluent.type.Decimal price = 36 [(confluent.field_meta) = { params: [ { key: "scale", value: "2" } ] }];
  message Inner { string name = 1; Deep deep = 2; message Deep { repeated int64 path = 1; } }
  enum Color { NONE = 0; RED = 1; GREEN = 5; MINUS = -1; }
  oneof other { string x = 38; bytes y = 39; }
}
"#;

fn text(rng: &mut TestRng) -> String {
    const PARTS: [&str; 6] =
        ["", "a", "größe ", "\u{1F600}", "\"\\\n", "long text that is longer than one length byte holds, twice and "];
    (0..below(rng, 6)).map(|_| PARTS[below(rng, 6) as usize]).collect()
}

fn single(kind: &Type, rng: &mut TestRng) -> Reflected {
    let n = bits(rng);
    match kind {
        Type::Double => Reflected::F64(if n == 3 { f64::NEG_INFINITY } else { n as i64 as f64 / 8.0 }),
        Type::Float => Reflected::F32((n as i32 as f32) / 4.0),
        Type::Int32 | Type::Sint32 | Type::Sfixed32 => Reflected::I32(n as i32),
        Type::Int64 | Type::Sint64 | Type::Sfixed64 => Reflected::I64(n as i64),
        Type::Uint32 | Type::Fixed32 => Reflected::U32(n as u32),
        Type::Uint64 | Type::Fixed64 => Reflected::U64(n),
        Type::Bool => Reflected::Bool(n & 1 == 1),
        Type::String => Reflected::String(text(rng)),
        Type::Bytes => Reflected::Bytes(text(rng).into_bytes().into()),
        Type::Enum(of) => {
            let values: Vec<_> = of.values().collect();
            // A number without a symbol too.
            Reflected::EnumNumber(if n == 1 { 77 } else { values[below(rng, values.len() as u64) as usize].number() })
        }
        Type::Message(of) => Reflected::Message(generated(of, rng)),
    }
}

fn generated(of: &MessageDescriptor, rng: &mut TestRng) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let mut set = |name: &str, value: Reflected| message.set_field_by_name(name, value);
    match of.full_name() {
        "google.protobuf.Timestamp" => {
            set("seconds", Reflected::I64(bits(rng) as i32 as i64));
            set("nanos", Reflected::I32(below(rng, 1000) as i32 * 1_000_000));
        }
        "google.type.Date" => {
            for (name, value) in [("year", 1 + below(rng, 9999)), ("month", 1 + below(rng, 12)), ("day", 1 + below(rng, 28))] {
                set(name, Reflected::I32(value as i32));
            }
        }
        "google.type.TimeOfDay" => {
            for (name, most) in [("hours", 24), ("minutes", 60), ("seconds", 60)] {
                set(name, Reflected::I32(below(rng, most) as i32));
            }
            set("nanos", Reflected::I32(below(rng, 1000) as i32 * 1_000_000));
        }
        "confluent.type.Decimal" => {
            let unscaled = 100 + below(rng, 1 << 40);
            let digits = unscaled.to_string();
            set("value", Reflected::Bytes(decimal_bytes(&digits).into()));
            set("precision", Reflected::U32(digits.len() as u32));
            set("scale", Reflected::I32(2));
        }
        _ => {
            for field in of.fields() {
                let chosen = match field.containing_oneof().filter(|o| !o.is_synthetic()) {
                    Some(_) => below(rng, 4) == 0,
                    None => below(rng, 4) != 0,
                };
                if !chosen {
                    continue;
                }
                if field.is_map() {
                    let Type::Message(entry) = field.kind() else { unreachable!("an entry") };
                    let pairs = (0..below(rng, 4)).filter_map(|_| {
                        let key = single(&entry.map_entry_key_field().kind(), rng);
                        let key = match key {
                            Reflected::String(s) => MapKey::String(s),
                            Reflected::I64(v) => MapKey::I64(v),
                            Reflected::Bool(v) => MapKey::Bool(v),
                            _ => return None,
                        };
                        Some((key, single(&entry.map_entry_value_field().kind(), rng)))
                    });
                    let map = pairs.collect();
                    message.set_field(&field, Reflected::Map(map));
                } else if field.is_list() {
                    let list = (0..below(rng, 5)).map(|_| single(&field.kind(), rng)).collect();
                    message.set_field(&field, Reflected::List(list));
                } else {
                    let value = single(&field.kind(), rng);
                    message.set_field(&field, value);
                }
            }
        }
    }
    message
}

fn decimal_bytes(digits: &str) -> Vec<u8> {
    millrace_record::decimal::from_text(digits, 0).expect("digits")
}

/// Reads, writes by the schema that comes of it, and reads that with the descriptor it was first written by.
fn round(options: &[(&str, &str)], message: &DynamicMessage, indexes: &[i32], proto: &str) {
    let rig = Rig::new(options);
    let (schema, row) = rig.read(proto, indexes, &message.encode_to_vec()).unwrap_or_else(|e| panic!("{e}"));
    let (text, _, payload) = rig.write(schema, &row).unwrap_or_else(|e| panic!("{e}"));
    let again = DynamicMessage::decode(message.descriptor(), payload.as_slice()).unwrap_or_else(|e| panic!("{e}: {text}"));
    // As both are after the wire, where a default of proto3 is not there.
    let wired = |m: &DynamicMessage| DynamicMessage::decode(m.descriptor(), m.encode_to_vec().as_slice()).expect("its own bytes");
    assert_eq!(wired(message), wired(&again), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Messages written by another implementation come back equal from it.
    #[test]
    fn messages_survive(seed in any::<[u8; 32]>()) {
        let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let schema = parsed(ALL);
        let of = schema.message(&[0]).expect("All");
        let message = generated(&of, &mut rng);
        for options in [
            &[][..],
            &[("enhanced.protobuf.schema.support", "true"), ("generate.index.for.unions", "false")],
            &[("int.for.enums", "true")],
            &[("generalized.sum.type.support", "true")],
        ] {
            // Else a field that says `optional` and one that does not are the same.
            let options = [options, &[("optional.for.nullables", "true")]].concat();
            round(&options, &message, &[0], ALL);
        }
    }

    /// Whatever the bytes, they are read or refused, and nothing is left behind.
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), cut in 0usize..400, seed in any::<[u8; 32]>()) {
        let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let rig = Rig::new(&[]);
        let of = parsed(ALL).message(&[0]).expect("All");
        let good = generated(&of, &mut rng).encode_to_vec();
        let mut broken = good[..cut.min(good.len())].to_vec();
        broken.extend_from_slice(&bytes);
        for payload in [&broken, &bytes] {
            let _ = rig.read(ALL, &[0], payload);
        }
        let mut rows = RowBuf::new();
        if rig.converter().decode("in", Some(&bytes), &mut rows).is_err() {
            prop_assert_eq!(rows.size(), 0);
        }
    }
}

mod rules;
