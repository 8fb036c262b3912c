use millrace_record::RawConfig;

use super::*;

fn config(pairs: &[(&str, &str)]) -> RawConfig {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn headers_are_confluents() {
    let mut out = Vec::new();
    write_header(0x0102_0304, &mut out);
    out.push(9);
    assert_eq!(out, [0, 1, 2, 3, 4, 9]);
    assert_eq!(read_header(&out), Some((0x0102_0304, &[9][..])));
    for bad in [&[][..], &[0, 1, 2, 3], &[1, 0, 0, 0, 1, 9], b"{\"a\":1}"] {
        assert_eq!(read_header(bad), None);
    }
}

#[test]
fn subjects_are_named_by_their_strategy() {
    let check = |is_key, strategy: &str, record, subject: Result<&str, &str>| {
        let role = if is_key { "key" } else { "value" };
        let config = config(&[(&format!("{role}.subject.name.strategy"), strategy)]);
        let common = Common::new(SchemaType::Avro, is_key, &Settings::without_empty(&config)).unwrap_or_else(|e| panic!("{e}"));
        let named = common.subjects.name(common.failures, "orders", record);
        match (named, subject) {
            (Ok(named), Ok(subject)) => assert_eq!(named, subject),
            (Err(e), Err(text)) => assert!(e.to_string().contains(text), "{e}"),
            (named, _) => panic!("{named:?}"),
        }
    };
    check(true, "", Some("a.B"), Ok("orders-key"));
    check(false, "io.confluent.kafka.serializers.subject.TopicNameStrategy", None, Ok("orders-value"));
    check(false, "io.confluent.kafka.serializers.subject.RecordNameStrategy", Some("a.B"), Ok("a.B"));
    check(false, "TopicRecordNameStrategy", Some("a.B"), Ok("orders-a.B"));
    check(true, "RecordNameStrategy", None, Err("the message key must only be a record schema"));
    let of = config(&[("value.subject.name.strategy", "my.Strategy")]);
    let error = Common::new(SchemaType::Avro, false, &Settings::without_empty(&of)).err().unwrap();
    assert!(error.contains("my.Strategy") && error.contains("io.confluent.kafka.serializers.subject.RecordNameStrategy"));
}

#[test]
fn what_a_record_is_written_with_is_chosen_as_confluents_serializers_do() {
    let of = |pairs: &[(&str, &str)]| {
        Common::new(SchemaType::Json, false, &Settings::without_empty(&config(pairs))).unwrap().writing.from
    };
    assert_eq!(of(&[]), Source::Register);
    // The default of auto.register.schemas goes before.
    assert_eq!(of(&[("use.latest.version", "true")]), Source::Register);
    let off = ("auto.register.schemas", "false");
    assert_eq!(of(&[off]), Source::LookUp);
    assert_eq!(of(&[off, ("use.latest.version", "true")]), Source::Latest);
    assert_eq!(of(&[off, ("use.latest.version", "true"), ("use.schema.id", "7")]), Source::Id(7));
}

#[test]
fn failures_read_like_confluents() {
    let avro = Failures { of: SchemaType::Avro, is_key: true };
    let error = avro.because(Direction::From, "t", "Error retrieving Avro key schema for id 5", "Schema 5 not found");
    assert_eq!(error.class, "org.apache.kafka.connect.errors.DataException");
    assert_eq!(error.message, "Failed to deserialize data for topic t to Avro:");
    let shown = "Failed to deserialize data for topic t to Avro: Error retrieving Avro key schema for id 5: Schema 5 not found";
    assert_eq!(error.to_string(), shown);
}
