//! Topics and their settings.

use super::*;
use rdkafka::Message;
use rdkafka::admin::{AlterConfig, NewPartitions, ResourceSpecifier};

fn partitions(cluster: &Cluster, topic: &str) -> anyhow::Result<usize> {
    let metadata = cluster.consumer(&[])?.fetch_metadata(Some(topic), PATIENCE)?;
    Ok(metadata.topics()[0].partitions().len())
}

#[tokio::test]
async fn a_topic_is_created_once_and_grows() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(3, &[]).await?;
    ensure!(partitions(&cluster, &topic)? == 3);
    let again = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let admin = cluster.admin()?;
    let refused = admin.create_topics([&again], &options()).await?;
    ensure!(
        matches!(&refused[0], Err((_, code)) if *code == rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists),
        "{refused:?}"
    );
    admin.create_partitions([&NewPartitions::new(&topic, 5)], &options()).await?[0].as_ref().map_err(|(_, code)| *code)?;
    wait_until("five partitions", || Ok(partitions(&cluster, &topic)? == 5))?;
    let fewer = admin.create_partitions([&NewPartitions::new(&topic, 2)], &options()).await?;
    ensure!(fewer[0].is_err());
    Ok(())
}

#[tokio::test]
async fn wrong_topics_are_refused() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let admin = cluster.admin()?;
    let replicated = NewTopic::new("replicated", 1, TopicReplication::Fixed(3));
    let named = NewTopic::new("no spaces please", 1, TopicReplication::Fixed(1));
    let set = NewTopic::new("set", 1, TopicReplication::Fixed(1)).set("retention.ms", "soon");
    let unknown = NewTopic::new("unknown", 1, TopicReplication::Fixed(1)).set("colour", "red");
    for result in admin.create_topics([&replicated, &named, &set, &unknown], &options()).await? {
        ensure!(result.is_err(), "{result:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_topic_deleted_and_made_again_is_empty() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..10)).await?;
    let admin = cluster.admin()?;
    admin.delete_topics(&[&topic], &options()).await?[0].as_ref().map_err(|(_, code)| *code)?;
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let deadline = Instant::now() + PATIENCE;
    while let Err((_, code)) = &admin.create_topics([&new], &options()).await?[0] {
        ensure!(Instant::now() < deadline, "{code}");
    }
    let consumer = cluster.consumer(&[])?;
    wait_until("an empty topic", || Ok(matches!(consumer.fetch_watermarks(&topic, 0, PATIENCE), Ok((0, 0)))))?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..2)).await?;
    ensure!(cluster.read(&topic, 0, Offset::Beginning, 2)?[0].offset() == 0);
    Ok(())
}

#[tokio::test]
async fn a_named_topic_is_created() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = unique("auto");
    send(&cluster.producer(&[])?, &topic, &numbers(0..1)).await?;
    ensure!(values(&cluster.read(&topic, 0, Offset::Beginning, 1)?) == numbers(0..1));
    Ok(())
}

#[tokio::test]
async fn settings_are_described_and_altered() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[("retention.ms", "5000")]).await?;
    let admin = cluster.admin()?;
    let resource = ResourceSpecifier::Topic(&topic);
    let get = async |name: &str| -> anyhow::Result<Option<String>> {
        let described =
            admin.describe_configs([&resource], &options()).await?.remove(0).map_err(|code| anyhow::anyhow!("{code}"))?;
        Ok(described.get(name).and_then(|entry| entry.value.clone()))
    };
    ensure!(get("retention.ms").await?.as_deref() == Some("5000"));
    ensure!(get("cleanup.policy").await?.as_deref() == Some("delete"));
    let alter = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", "500");
    admin.alter_configs([&alter], &options()).await?.remove(0).map_err(|(_, code)| anyhow::anyhow!("{code}"))?;
    ensure!(get("max.message.bytes").await?.as_deref() == Some("500"));
    let large = "x".repeat(2_000);
    let producer = cluster.producer(&[])?;
    ensure!(producer.send(FutureRecord::<str, str>::to(&topic).payload(&large), PATIENCE).await.is_err(), "it has effect");
    Ok(())
}

#[tokio::test]
async fn deleted_records_are_gone() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..10)).await?;
    let mut until = TopicPartitionList::new();
    until.add_partition_offset(&topic, 0, Offset::Offset(6))?;
    cluster.admin()?.delete_records(&until, &options()).await?;
    ensure!(cluster.consumer(&[])?.fetch_watermarks(&topic, 0, PATIENCE)? == (6, 10));
    ensure!(values(&cluster.read(&topic, 0, Offset::Beginning, 4)?) == numbers(6..10));
    Ok(())
}

#[tokio::test]
async fn compaction_keeps_the_last_of_each_key() -> anyhow::Result<()> {
    let cluster = Cluster::embedded(&["maintenance.ms=200"])?;
    let settings = [("cleanup.policy", "compact"), ("segment.bytes", "5000"), ("min.cleanable.dirty.ratio", "0.1")];
    let topic = cluster.topic(1, &settings).await?;
    let producer = cluster.producer(&[("batch.num.messages", "20"), ("compression.type", "gzip")])?;
    let mut deliveries = Vec::new();
    for n in 0..2_000 {
        let (key, value) = (format!("key-{}", n % 10), format!("{n:0100}"));
        deliveries.push(producer.send_result(FutureRecord::to(&topic).key(&key).payload(&value)).map_err(|(error, _)| error)?);
    }
    for delivery in deliveries {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    let mut read = Vec::new();
    wait_until("compaction", || {
        read = cluster.read_all(&topic, 0, &[])?;
        Ok(read.len() < 500)
    })?;
    let last: Vec<String> =
        read[read.len() - 10..].iter().map(|m| String::from_utf8_lossy(m.payload().unwrap()).into_owned()).collect();
    ensure!(last == (1_990..2_000).map(|n| format!("{n:0100}")).collect::<Vec<_>>());
    ensure!(read.last().map(|message| message.offset()) == Some(1_999));
    Ok(())
}

#[tokio::test]
async fn retention_by_size_moves_the_start() -> anyhow::Result<()> {
    let cluster = Cluster::embedded(&["maintenance.ms=200"])?;
    let topic = cluster.topic(1, &[("segment.bytes", "10000"), ("retention.bytes", "30000")]).await?;
    let producer = cluster.producer(&[("batch.num.messages", "10")])?;
    send(&producer, &topic, &(0..1_000).map(|n| format!("{n:0100}")).collect::<Vec<_>>()).await?;
    let consumer = cluster.consumer(&[])?;
    wait_until("the start moves", || Ok(consumer.fetch_watermarks(&topic, 0, PATIENCE)?.0 > 500))
}
