//! Transactions: all or nothing, for readers who ask for it.

use super::*;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::producer::Producer;

const COMMITTED: (&str, &str) = ("isolation.level", "read_committed");
const UNCOMMITTED: (&str, &str) = ("isolation.level", "read_uncommitted");

fn transactional(cluster: &Cluster, id: &str) -> anyhow::Result<FutureProducer> {
    let producer = cluster.producer(&[("transactional.id", id)])?;
    producer.init_transactions(PATIENCE)?;
    Ok(producer)
}

#[tokio::test]
async fn committed_and_aborted() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = transactional(&cluster, &unique("txn"))?;
    for (range, commit) in [(0..10, true), (10..20, false), (20..30, true), (30..40, false)] {
        producer.begin_transaction()?;
        send(&producer, &topic, &numbers(range)).await?;
        if commit { producer.commit_transaction(PATIENCE)? } else { producer.abort_transaction(PATIENCE)? }
    }
    let wanted = [numbers(0..10), numbers(20..30)].concat();
    ensure!(values(&cluster.read_all(&topic, 0, &[COMMITTED])?) == wanted);
    ensure!(values(&cluster.read_all(&topic, 0, &[UNCOMMITTED])?) == numbers(0..40));
    Ok(())
}

#[tokio::test]
async fn an_open_transaction_is_not_read_and_holds_back_what_follows() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = transactional(&cluster, &unique("txn"))?;
    producer.begin_transaction()?;
    send(&producer, &topic, &numbers(0..5)).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(5..8)).await?;
    ensure!(cluster.read_all(&topic, 0, &[COMMITTED])?.is_empty());
    ensure!(cluster.read_all(&topic, 0, &[UNCOMMITTED])?.len() == 8);
    producer.commit_transaction(PATIENCE)?;
    wait_until("the commit is seen", || Ok(cluster.read_all(&topic, 0, &[COMMITTED])?.len() == 8))
}

#[tokio::test]
async fn a_second_producer_fences_the_first() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let id = unique("txn");
    let first = transactional(&cluster, &id)?;
    first.begin_transaction()?;
    send(&first, &topic, &numbers(0..5)).await?;
    let second = transactional(&cluster, &id)?;
    ensure!(first.commit_transaction(PATIENCE).is_err(), "the first is fenced");
    second.begin_transaction()?;
    send(&second, &topic, &numbers(5..9)).await?;
    second.commit_transaction(PATIENCE)?;
    ensure!(values(&cluster.read_all(&topic, 0, &[COMMITTED])?) == numbers(5..9));
    Ok(())
}

#[tokio::test]
async fn offsets_hold_with_the_transaction() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let (input, output) = (cluster.topic(1, &[]).await?, cluster.topic(1, &[]).await?);
    send(&cluster.producer(&[])?, &input, &numbers(0..10)).await?;
    let group = unique("group");
    let consumer = cluster.consumer(&[("group.id", &group)])?;
    let metadata: ConsumerGroupMetadata = consumer.group_metadata().context("group metadata")?;
    let producer = transactional(&cluster, &unique("txn"))?;
    let committed = || -> anyhow::Result<Offset> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&input, 0);
        Ok(consumer.committed_offsets(asked, PATIENCE)?.elements()[0].offset())
    };
    for (offset, commit) in [(4, true), (9, false)] {
        producer.begin_transaction()?;
        send(&producer, &output, &numbers(0..1)).await?;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&input, 0, Offset::Offset(offset))?;
        producer.send_offsets_to_transaction(&offsets, &metadata, PATIENCE)?;
        if commit {
            producer.commit_transaction(PATIENCE)?
        } else {
            producer.abort_transaction(PATIENCE)?
        }
        wait_until("the offset of the committed one", || Ok(committed()? == Offset::Offset(4)))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_transaction_over_its_time_is_aborted() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let id = unique("txn");
    let producer =
        cluster.producer(&[("transactional.id", &id), ("transaction.timeout.ms", "1500"), ("message.timeout.ms", "1500")])?;
    producer.init_transactions(PATIENCE)?;
    producer.begin_transaction()?;
    send(&producer, &topic, &numbers(0..3)).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(3..4)).await?;
    wait_until("what follows is read", || Ok(values(&cluster.read_all(&topic, 0, &[COMMITTED])?) == numbers(3..4)))?;
    ensure!(producer.commit_transaction(PATIENCE).is_err());
    Ok(())
}

#[tokio::test]
async fn a_kill_aborts_what_was_open_and_keeps_what_was_committed() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[]).await?;
    let id = unique("txn");
    let producer = transactional(&cluster, &id)?;
    producer.begin_transaction()?;
    send(&producer, &topic, &numbers(0..5)).await?;
    producer.commit_transaction(PATIENCE)?;
    producer.begin_transaction()?;
    send(&producer, &topic, &numbers(5..9)).await?;
    cluster.kill()?;
    cluster.restart()?;
    ensure!(values(&cluster.read_all(&topic, 0, &[COMMITTED])?) == numbers(0..5));
    ensure!(producer.commit_transaction(PATIENCE).is_err(), "the producer is told");
    let next = transactional(&cluster, &id)?;
    next.begin_transaction()?;
    send(&next, &topic, &numbers(9..12)).await?;
    next.commit_transaction(PATIENCE)?;
    ensure!(values(&cluster.read_all(&topic, 0, &[COMMITTED])?) == [numbers(0..5), numbers(9..12)].concat());
    Ok(())
}
