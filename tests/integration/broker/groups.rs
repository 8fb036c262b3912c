//! Consumer groups: every assignor, static members, offsets.

use super::*;
use rdkafka::consumer::CommitMode;
use std::collections::HashSet;

type Owned = HashSet<(String, i32)>;

fn owned(consumer: &BaseConsumer) -> anyhow::Result<Owned> {
    let assignment = consumer.assignment()?;
    Ok(assignment.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect())
}

/// Polls all until each partition is owned by exactly one and `each` holds of everyone's count.
fn settle(consumers: &[&BaseConsumer], partitions: usize, each: impl Fn(usize) -> bool) -> anyhow::Result<Vec<Owned>> {
    let mut held = Vec::new();
    wait_until("the partitions are divided", || {
        for consumer in consumers {
            let _ = consumer.poll(Duration::from_millis(10));
        }
        held = consumers.iter().map(|consumer| owned(consumer)).collect::<anyhow::Result<Vec<_>>>()?;
        let total: usize = held.iter().map(HashSet::len).sum();
        let union: HashSet<_> = held.iter().flatten().collect();
        Ok(total == partitions && union.len() == partitions && held.iter().all(|held| each(held.len())))
    })?;
    Ok(held)
}

async fn divides(strategy: &str) -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(6, &[]).await?;
    let group = unique("group");
    let join = || -> anyhow::Result<BaseConsumer> {
        let consumer = cluster.consumer(&[("group.id", &group), ("partition.assignment.strategy", strategy)])?;
        consumer.subscribe(&[&topic])?;
        Ok(consumer)
    };
    let first = join()?;
    settle(&[&first], 6, |count| count == 6)?;
    let second = join()?;
    settle(&[&first, &second], 6, |count| count == 3)?;
    let third = join()?;
    settle(&[&first, &second, &third], 6, |count| count == 2)?;
    drop(second);
    settle(&[&first, &third], 6, |count| count == 3)?;
    Ok(())
}

#[tokio::test]
async fn range() -> anyhow::Result<()> {
    divides("range").await
}

#[tokio::test]
async fn round_robin() -> anyhow::Result<()> {
    divides("roundrobin").await
}

#[tokio::test]
async fn cooperative_sticky() -> anyhow::Result<()> {
    divides("cooperative-sticky").await
}

#[tokio::test]
async fn a_static_member_returns_to_its_partitions() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(4, &[]).await?;
    let group = unique("group");
    let join = |instance: &str| -> anyhow::Result<BaseConsumer> {
        let settings = [("group.id", group.as_str()), ("group.instance.id", instance), ("session.timeout.ms", "30000")];
        let consumer = cluster.consumer(&settings)?;
        consumer.subscribe(&[&topic])?;
        Ok(consumer)
    };
    let (first, second) = (join("one")?, join("two")?);
    let before = settle(&[&first, &second], 4, |count| count == 2)?;
    drop(second);
    let second = join("two")?;
    let after = settle(&[&first, &second], 4, |count| count == 2)?;
    ensure!(before == after);
    Ok(())
}

#[tokio::test]
async fn a_silent_member_loses_its_partitions() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(2, &[]).await?;
    let group = unique("group");
    let join = |instance: &str| -> anyhow::Result<BaseConsumer> {
        let session = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")];
        let settings = [("group.id", group.as_str()), ("group.instance.id", instance), session[0], session[1]];
        let consumer = cluster.consumer(&settings)?;
        consumer.subscribe(&[&topic])?;
        Ok(consumer)
    };
    let (first, second) = (join("one")?, join("two")?);
    settle(&[&first, &second], 2, |count| count == 1)?;
    // A static member does not say goodbye: its session must end.
    drop(second);
    settle(&[&first], 2, |count| count == 2)?;
    Ok(())
}

#[tokio::test]
async fn committed_offsets_are_resumed() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..10)).await?;
    let group = unique("group");
    let consumer = cluster.consumer(&[("group.id", &group)])?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 0, Offset::Offset(4))?;
    consumer.commit(&offsets, CommitMode::Sync)?;
    let next = cluster.consumer(&[("group.id", &group)])?;
    next.subscribe(&[&topic])?;
    let mut first = None;
    wait_until("a message", || {
        first = next.poll(Duration::from_millis(100)).transpose()?.map(|message| message.offset());
        Ok(first.is_some())
    })?;
    ensure!(first == Some(4));
    Ok(())
}

#[tokio::test]
async fn groups_are_listed_and_deleted() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let group = unique("group");
    let consumer = cluster.consumer(&[("group.id", &group)])?;
    consumer.subscribe(&[&topic])?;
    settle(&[&consumer], 1, |count| count == 1)?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 0, Offset::Offset(0))?;
    consumer.commit(&offsets, CommitMode::Sync)?;
    let asking = cluster.consumer(&[])?;
    let state = || -> anyhow::Result<Option<(String, usize)>> {
        let list = asking.fetch_group_list(Some(&group), PATIENCE)?;
        Ok(list.groups().first().map(|found| (found.state().to_owned(), found.members().len())))
    };
    ensure!(state()? == Some(("Stable".to_owned(), 1)), "{:?}", state()?);
    let admin = cluster.admin()?;
    ensure!(admin.delete_groups(&[&group], &options()).await?[0].is_err(), "a group with members stays");
    drop(consumer);
    wait_until("the group is empty", || Ok(state()?.is_none_or(|(_, members)| members == 0)))?;
    let deleted = admin.delete_groups(&[&group], &options()).await?;
    ensure!(deleted[0].is_ok(), "{deleted:?}");
    Ok(())
}
