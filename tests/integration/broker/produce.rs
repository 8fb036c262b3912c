//! What a producer may rely on.

use super::*;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::{Message, Timestamp};

async fn round_trip(settings: &[(&str, &str)]) -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let wanted = numbers(0..1_000);
    send(&cluster.producer(settings)?, &topic, &wanted).await?;
    let read = cluster.read(&topic, 0, Offset::Beginning, 1_000)?;
    ensure!(values(&read) == wanted);
    ensure!(read.iter().enumerate().all(|(n, message)| message.offset() == n as i64));
    Ok(())
}

#[tokio::test]
async fn uncompressed() -> anyhow::Result<()> {
    round_trip(&[]).await
}

#[tokio::test]
async fn gzip() -> anyhow::Result<()> {
    round_trip(&[("compression.type", "gzip")]).await
}

#[tokio::test]
async fn snappy() -> anyhow::Result<()> {
    round_trip(&[("compression.type", "snappy")]).await
}

#[tokio::test]
async fn lz4() -> anyhow::Result<()> {
    round_trip(&[("compression.type", "lz4")]).await
}

#[tokio::test]
async fn zstd() -> anyhow::Result<()> {
    round_trip(&[("compression.type", "zstd")]).await
}

#[tokio::test]
async fn acks_of_the_leader_alone() -> anyhow::Result<()> {
    round_trip(&[("acks", "1")]).await
}

#[tokio::test]
async fn without_acks() -> anyhow::Result<()> {
    round_trip(&[("acks", "0")]).await
}

#[tokio::test]
async fn idempotent() -> anyhow::Result<()> {
    round_trip(&[("enable.idempotence", "true"), ("linger.ms", "0"), ("batch.num.messages", "7")]).await
}

#[tokio::test]
async fn headers_keys_and_nulls() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some("1") })
        .insert(Header { key: "a", value: Some("2") })
        .insert(Header { key: "null", value: None::<&str> });
    let producer = cluster.producer(&[])?;
    let record = FutureRecord::<str, str>::to(&topic).key("key").headers(headers);
    producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    let read = cluster.read(&topic, 0, Offset::Beginning, 1)?;
    ensure!(read[0].key() == Some(b"key") && read[0].payload().is_none());
    let headers = read[0].headers().context("headers came")?;
    let seen: Vec<_> = headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect();
    let one = |key: &str, value: Option<&str>| (key.to_owned(), value.map(|value| value.as_bytes().to_vec()));
    ensure!(seen == [one("a", Some("1")), one("a", Some("2")), one("null", None)]);
    Ok(())
}

#[tokio::test]
async fn timestamps_of_the_producer_and_of_the_broker() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let producer = cluster.producer(&[])?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    let theirs = cluster.topic(1, &[]).await?;
    let ours = cluster.topic(1, &[("message.timestamp.type", "LogAppendTime")]).await?;
    for topic in [&theirs, &ours] {
        let record = FutureRecord::<str, str>::to(topic).payload("x").timestamp(now - 5_000);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    }
    ensure!(cluster.read(&theirs, 0, Offset::Beginning, 1)?[0].timestamp() == Timestamp::CreateTime(now - 5_000));
    let Timestamp::LogAppendTime(time) = cluster.read(&ours, 0, Offset::Beginning, 1)?[0].timestamp() else {
        bail!("the broker's time");
    };
    ensure!((now - 1_000..now + 20_000).contains(&time), "{time} against {now}");
    Ok(())
}

#[tokio::test]
async fn a_message_too_large_is_refused() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[("max.message.bytes", "1000")]).await?;
    let producer = cluster.producer(&[])?;
    let large = "x".repeat(5_000);
    let refused = producer.send(FutureRecord::<str, str>::to(&topic).payload(&large), PATIENCE).await;
    let Err((error, _)) = refused else { bail!("5,000 bytes were taken") };
    ensure!(error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::MessageSizeTooLarge), "{error}");
    producer.send(FutureRecord::<str, str>::to(&topic).payload("small"), PATIENCE).await.map_err(|(error, _)| error)?;
    Ok(())
}

#[tokio::test]
async fn a_compacted_topic_wants_keys() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[("cleanup.policy", "compact")]).await?;
    let producer = cluster.producer(&[("compression.type", "zstd")])?;
    ensure!(producer.send(FutureRecord::<str, str>::to(&topic).payload("x"), PATIENCE).await.is_err());
    let keyed = FutureRecord::<str, str>::to(&topic).key("k").payload("x");
    producer.send(keyed, PATIENCE).await.map_err(|(error, _)| error)?;
    Ok(())
}

#[tokio::test]
async fn large_messages_go_through() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[])?;
    let large = "x".repeat(900_000);
    for _ in 0..20 {
        let record = FutureRecord::<str, str>::to(&topic).payload(&large);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    }
    let read = cluster.read(&topic, 0, Offset::Beginning, 20)?;
    ensure!(read.iter().all(|message| message.payload().is_some_and(|payload| payload.len() == 900_000)));
    Ok(())
}
