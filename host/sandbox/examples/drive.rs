//! Drives one plugin from the command line, without a worker and without a log: for those who write plugins.
//!
//! `drive PLUGIN.wasm [key=value ...]` describes it, validates the configuration and then
//! - runs a source, printing each record as a line of JSON and committing every mark (`--polls N`, default 10);
//! - feeds a sink or a transform with a batch of text records read from standard input, one a line.
//!
//! All capabilities are granted.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millrace_record::{
    Batch, Kind, Plugin, PluginKind, RawConfig, Schema, Schemas, SourceOffset, TaskContext, TopicOffset, TopicPartition, Wake,
    row,
};
use millrace_sandbox::{Sandbox, SandboxConfig, componentize};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let mut file = PathBuf::from(args.next().ok_or("usage: drive PLUGIN.wasm [--polls N] [--topic T] [key=value ...]")?);
    let (mut polls, mut topic, mut config) = (10, "topic".to_owned(), RawConfig::new());
    while let Some(arg) = args.next() {
        match (arg.as_str(), arg.split_once('=')) {
            ("--polls", _) => polls = args.next().ok_or("--polls N")?.parse()?,
            ("--topic", _) => topic = args.next().ok_or("--topic T")?,
            (_, Some((key, value))) => drop(config.insert(key.into(), value.into())),
            _ => return Err(format!("not key=value: {arg}").into()),
        }
    }
    let cache = std::env::temp_dir().join(format!("millrace-drive-{}", std::env::var("USER").unwrap_or_default()));
    if let Ok(component) = componentize::component(&std::fs::read(&file)?) {
        std::fs::create_dir_all(&cache)?;
        let made = cache.join(file.file_name().ok_or("no file name")?);
        std::fs::write(&made, component)?;
        file = made;
    }
    let (sandbox, schemas) = (Sandbox::new(SandboxConfig::new(&cache))?, Schemas::new());
    let plugin = sandbox.load(&file, &schemas).await?;
    let info = plugin.info();
    eprintln!("{:?} {} {}: {} keys", info.kind, info.name, info.version, info.config.keys.len());
    let issues = info.config.validate(&config).into_iter().chain(plugin.validate(&config).await?);
    issues.for_each(|i| eprintln!("issue: {}: {}", i.name, i.message));
    let mut ctx = TaskContext {
        connector: "drive".into(),
        task: 0,
        config: config.clone(),
        alias: None,
        schemas: schemas.clone(),
        wake: Wake::default(),
        grants: vec!["files".into(), "postgres".into()],
        services: Default::default(),
    };
    if info.kind != PluginKind::Transform {
        let configs = plugin.task_configs(&config, 1).await?;
        eprintln!("tasks: {}", configs.len());
        ctx.config = configs.into_iter().next().ok_or("no task")?;
    }
    match info.kind {
        PluginKind::Source => source(&plugin, ctx, polls).await,
        PluginKind::Sink => sink(&plugin, ctx, lines(&topic, &schemas)?, &topic).await,
        PluginKind::Transform => {
            let mut transform = plugin.transform(ctx).await?;
            transform.configure().await?;
            let outcome = transform.apply(&lines(&topic, &schemas)?).await?;
            print(&outcome.records, &schemas);
            outcome.failures.iter().for_each(|f| eprintln!("failed: {f:?}"));
            transform.close().await;
            Ok(())
        }
    }
}

async fn source(plugin: &Arc<dyn Plugin>, ctx: TaskContext, polls: u32) -> Result<(), Error> {
    let schemas = ctx.schemas.clone();
    let mut task = plugin.source(ctx).await?;
    task.start(&[]).await?;
    for _ in 0..polls {
        let polled = task.poll(2_000, 4 << 20).await?;
        print(&polled.records, &schemas);
        let offsets: Vec<SourceOffset> = polled.marks.into_iter().map(|m| m.offset).collect();
        offsets.iter().for_each(|o| eprintln!("mark: {} {}", o.partition, o.offset));
        if !offsets.is_empty() {
            task.commit(&offsets).await?;
        }
        tokio::time::sleep(polled.idle.unwrap_or(Duration::ZERO)).await;
    }
    task.stop().await;
    Ok(())
}

async fn sink(plugin: &Arc<dyn Plugin>, ctx: TaskContext, batch: Batch, topic: &str) -> Result<(), Error> {
    let mut task = plugin.sink(ctx).await?;
    task.start().await?;
    task.open(&[TopicPartition { topic: topic.into(), partition: 0 }]).await?;
    task.put(&batch).await?.iter().for_each(|f| eprintln!("failed: {f:?}"));
    let upto = TopicOffset { topic: topic.into(), partition: 0, offset: batch.len() as i64 };
    eprintln!("{:?}", task.flush(&[upto]).await?);
    task.stop().await;
    Ok(())
}

/// Standard input as records of text.
fn lines(topic: &str, schemas: &Schemas) -> Result<Batch, Error> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let schema = schemas.intern(Schema::new(Kind::Text));
    let mut out = row::BatchWriter::new();
    let topic = out.topic(topic);
    for (i, line) in text.lines().enumerate() {
        out.begin(row::RecordMeta {
            topic,
            partition: Some(0),
            offset: Some(i as i64),
            timestamp: None,
            key_schema: None,
            value_schema: Some(schema),
        });
        let value = out.rows().begin(1);
        out.rows().text(value, 0, line);
        out.end_value(value);
        out.end();
    }
    Ok(Batch::trusted(out))
}

fn print(batch: &Batch, schemas: &Schemas) {
    let view = batch.view();
    for record in view.iter() {
        let part = |id: Option<u32>, row: Option<row::Row<'_>>| match (id.and_then(|id| schemas.get(id)), row) {
            (_, None) => "null".to_owned(),
            (Some(schema), Some(row)) => root(&schema, &row),
            (None, Some(row)) => row.text(0).to_owned(),
        };
        let (key, value) = (part(record.key_schema(), record.key()), part(record.value_schema(), record.value()));
        println!("{{\"topic\":{:?},\"key\":{key},\"value\":{value}}}", view.topic_of(&record));
    }
}

fn root(schema: &Schema, row: &row::Row<'_>) -> String {
    if schema.kind != Kind::Struct {
        return slot(schema, row, 0);
    }
    let fields = schema.fields.iter().enumerate().map(|(i, f)| format!("{:?}:{}", f.name, slot(&f.schema, row, i)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn slot(schema: &Schema, row: &row::Row<'_>, i: usize) -> String {
    if row.is_null(i) {
        return "null".into();
    }
    match schema.kind {
        Kind::Boolean => row.bool(i).to_string(),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => row.i64(i).to_string(),
        Kind::Float32 | Kind::Float64 => row.f64(i).to_string(),
        Kind::Text => serde_json::Value::from(row.text(i)).to_string(),
        Kind::Any => row.text(i).to_owned(),
        Kind::Bytes => format!("\"{}\"", row.get_bytes(i).escape_ascii()),
        Kind::Struct => row.row(i).map_or("null".into(), |nested| root(schema, &nested)),
        Kind::List => list(schema.element.as_deref(), row.row(i)),
        Kind::Map => {
            let Some(map) = row.row(i) else { return "null".into() };
            format!("[{},{}]", list(schema.key.as_deref(), map.row(0)), list(schema.element.as_deref(), map.row(1)))
        }
    }
}

fn list(element: Option<&Schema>, list: Option<row::Row<'_>>) -> String {
    let (Some(element), Some(list)) = (element, list) else { return "null".into() };
    format!("[{}]", (0..list.len()).map(|j| slot(element, &list, j)).collect::<Vec<_>>().join(","))
}
