//! What a consumer may rely on.

use super::*;
use rdkafka::Message;

#[tokio::test]
async fn from_an_offset_and_from_the_end() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[])?;
    send(&producer, &topic, &numbers(0..100)).await?;
    ensure!(values(&cluster.read(&topic, 0, Offset::Offset(42), 58)?) == numbers(42..100));
    ensure!(values(&cluster.read(&topic, 0, Offset::OffsetTail(5), 5)?) == numbers(95..100));
    Ok(())
}

#[tokio::test]
async fn a_long_poll_wakes_at_once() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[("linger.ms", "0")])?;
    let consumer = cluster.consumer(&[("fetch.wait.max.ms", "10000")])?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    send(&producer, &topic, &numbers(0..1)).await?;
    wait_until("the first message", || Ok(consumer.poll(Duration::from_millis(10)).is_some()))?;
    let start = Instant::now();
    send(&producer, &topic, &numbers(0..1)).await?;
    wait_until("the second message", || Ok(consumer.poll(Duration::from_millis(10)).is_some()))?;
    ensure!(start.elapsed() < Duration::from_secs(3), "a poll of 10 s woke after {:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn offsets_by_time() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[("segment.bytes", "20000")]).await?;
    let producer = cluster.producer(&[("compression.type", "lz4"), ("batch.num.messages", "10")])?;
    let base = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64 - 100_000;
    for n in 0..200i64 {
        let text = format!("{n:0200}");
        let record = FutureRecord::<str, str>::to(&topic).payload(&text).timestamp(base + n * 10);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    }
    let consumer = cluster.consumer(&[])?;
    for (time, offset) in [(0, Offset::Offset(0)), (995, Offset::Offset(100)), (1_990, Offset::Offset(199)), (1_991, Offset::End)]
    {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&topic, 0, Offset::Offset(base + time))?;
        let found = consumer.offsets_for_times(asked, PATIENCE)?;
        ensure!(found.elements()[0].offset() == offset, "at {time}: {:?}", found.elements()[0].offset());
    }
    Ok(())
}

#[tokio::test]
async fn watermarks() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(2, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..7)).await?;
    let consumer = cluster.consumer(&[])?;
    ensure!(consumer.fetch_watermarks(&topic, 0, PATIENCE)? == (0, 7));
    ensure!(consumer.fetch_watermarks(&topic, 1, PATIENCE)? == (0, 0));
    Ok(())
}

#[tokio::test]
async fn across_many_segments_with_small_fetches() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[("segment.bytes", "20000")]).await?;
    let producer = cluster.producer(&[("batch.num.messages", "50"), ("compression.type", "snappy")])?;
    let wanted = numbers(0..20_000);
    send(&producer, &topic, &wanted).await?;
    let read = cluster.read_with(&topic, 0, Offset::Beginning, 20_000, &[("fetch.message.max.bytes", "3000")])?;
    ensure!(values(&read) == wanted);
    Ok(())
}

#[tokio::test]
async fn an_offset_out_of_range_is_reset() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..3)).await?;
    let read = cluster.read(&topic, 0, Offset::Offset(1_000), 3)?;
    ensure!(read[0].offset() == 0);
    Ok(())
}
