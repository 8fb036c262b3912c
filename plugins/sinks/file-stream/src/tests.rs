use std::rc::Rc;

use millrace_plugin::{Batch, BatchWriter, Config, Kind, RecordMeta, Schema, Sink, TaskContext, TopicOffset, files, schema};

use crate::sink::FileStreamSink;

fn begin(writer: &mut BatchWriter, value_schema: Option<u32>) {
    let topic = writer.topic("lines");
    let offset = Some(writer.len() as i64);
    writer.begin(RecordMeta { topic, partition: Some(0), offset, timestamp: None, key_schema: None, value_schema });
}

#[test]
fn values_are_appended_as_java_prints_them() {
    let path = std::env::temp_dir().join(format!("file-stream-sink-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    files::bind("file", &path);
    let text = schema::intern(&Rc::new(Schema::text())).unwrap();
    let order = Schema::record()
        .field("id", Schema::int64())
        .field("note", Schema::text().optional())
        .field("price", Schema::float64())
        .field("tags", Schema::list(Schema::text()))
        .field("counts", Schema::map(Schema::text(), Schema::int32()));
    let order = schema::intern(&Rc::new(order)).unwrap();

    let mut w = BatchWriter::new();
    begin(&mut w, Some(text));
    let row = w.rows().begin(1);
    w.rows().text(row, 0, "plain");
    w.end_value(row);
    w.end();

    begin(&mut w, Some(order));
    let rows = w.rows();
    let row = rows.begin(5);
    rows.i64(row, 0, 7);
    rows.f64(row, 2, 3.0);
    let tags = rows.begin(2);
    rows.text(tags, 0, "a");
    rows.text(tags, 1, "b");
    rows.end_nested(row, 3, tags);
    let counts = rows.begin(2);
    let keys = rows.begin(1);
    rows.text(keys, 0, "k");
    rows.end_nested(counts, 0, keys);
    let values = rows.begin(1);
    rows.i64(values, 0, 2);
    rows.end_nested(counts, 1, values);
    rows.end_nested(row, 4, counts);
    w.end_value(row);
    w.end();

    begin(&mut w, None);
    w.end();

    let any = schema::intern(&Rc::new(Schema::new(Kind::Any))).unwrap();
    for json in [r#""fine""#, r#"{"b":1,"a":[true,null,"x"],"c":2.0}"#, "7"] {
        begin(&mut w, Some(any));
        let row = w.rows().begin(1);
        w.rows().text(row, 0, json);
        w.end_value(row);
        w.end();
    }

    let mut sink = FileStreamSink::start(TaskContext::for_test(Config::new([("file", "x")]))).unwrap();
    assert!(sink.put(&Batch::from_rows(w.finish())).unwrap().is_empty());
    let upto = vec![TopicOffset { topic: "lines".into(), partition: 0, offset: 3 }];
    assert_eq!(sink.flush(upto.clone()).unwrap().offsets, upto);
    let written = std::fs::read_to_string(&path).unwrap();
    let _ = std::fs::remove_file(&path);
    assert_eq!(
        written,
        "plain\nStruct{id=7,price=3.0,tags=[a, b],counts={k=2}}\nnull\nfine\n{b=1, a=[true, null, x], c=2.0}\n7\n"
    );
}

#[test]
fn without_a_file_the_setting_is_at_fault() {
    let issues = FileStreamSink::validate(&Config::default());
    assert_eq!(issues[0].name, "file");
    assert!(issues[0].message.contains("give it the path"), "{}", issues[0].message);
}
