//! What survives a kill.

use super::*;
use rdkafka::Message;
use rdkafka::consumer::CommitMode;
use std::io::Write;

#[tokio::test]
async fn an_acknowledged_record_survives_a_kill() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[("segment.bytes", "100000")]).await?;
    let mut sent = 0;
    for _ in 0..5 {
        let producer = cluster.producer(&[("enable.idempotence", "true"), ("linger.ms", "0")])?;
        send(&producer, &topic, &numbers(sent..sent + 3_000)).await?;
        sent += 3_000;
        cluster.kill()?;
        cluster.restart()?;
    }
    ensure!(values(&cluster.read(&topic, 0, Offset::Beginning, sent)?) == numbers(0..sent));
    Ok(())
}

#[tokio::test]
async fn a_producer_goes_on_over_a_kill_without_loss_or_repeat() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[("enable.idempotence", "true"), ("linger.ms", "1"), ("message.timeout.ms", "20000")])?;
    let wanted = numbers(0..20_000);
    let mut deliveries = Vec::new();
    for (n, value) in wanted.iter().enumerate() {
        let record = FutureRecord::<str, str>::to(&topic).payload(value);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error)?);
        if n % 7_000 == 6_999 {
            cluster.kill()?;
            cluster.restart()?;
        }
    }
    for delivery in deliveries {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    ensure!(values(&cluster.read_all(&topic, 0, &[])?) == wanted);
    Ok(())
}

#[tokio::test]
async fn topics_settings_and_offsets_survive_a_kill() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(3, &[("retention.ms", "123456")]).await?;
    let group = unique("group");
    let committed = |cluster: &Cluster| -> anyhow::Result<Offset> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&topic, 2);
        Ok(cluster.consumer(&[("group.id", &group)])?.committed_offsets(asked, PATIENCE)?.elements()[0].offset())
    };
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 2, Offset::Offset(77))?;
    cluster.consumer(&[("group.id", &group)])?.commit(&offsets, CommitMode::Sync)?;
    cluster.kill()?;
    cluster.restart()?;
    ensure!(committed(&cluster)? == Offset::Offset(77));
    let metadata = cluster.consumer(&[])?.fetch_metadata(Some(&topic), PATIENCE)?;
    ensure!(metadata.topics()[0].partitions().len() == 3);
    Ok(())
}

#[tokio::test]
async fn a_torn_tail_is_cut() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let topic = cluster.topic(1, &[]).await?;
    send(&cluster.producer(&[])?, &topic, &numbers(0..10)).await?;
    cluster.kill()?;
    let mut torn = 0;
    for entry in std::fs::read_dir(cluster.dir().join("topics"))? {
        let log = entry?.path().join("0/00000000000000000000.log");
        if log.exists() {
            std::fs::File::options().append(true).open(log)?.write_all(&[0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0])?;
            torn += 1;
        }
    }
    ensure!(torn == 1);
    cluster.restart()?;
    send(&cluster.producer(&[])?, &topic, &numbers(10..12)).await?;
    let read = cluster.read(&topic, 0, Offset::Beginning, 12)?;
    ensure!(values(&read) == numbers(0..12) && read[11].offset() == 11);
    Ok(())
}

#[tokio::test]
async fn start_is_quick_with_hundreds_of_megabytes() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&["never"])?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[("linger.ms", "5"), ("queue.buffering.max.messages", "1000000")])?;
    let large = "x".repeat(100_000);
    for _ in 0..30 {
        let sent: Result<Vec<_>, _> = (0..100)
            .map(|_| producer.send_result(FutureRecord::<str, str>::to(&topic).payload(&large)).map_err(|(error, _)| error))
            .collect();
        for delivery in sent? {
            delivery.await?.map_err(|(error, _)| error)?;
        }
    }
    cluster.kill()?;
    let took = cluster.restart()?;
    println!("ready {took:?} after a kill with 300 MB of log");
    ensure!(took < Duration::from_millis(500), "{took:?}");
    ensure!(cluster.consumer(&[])?.fetch_watermarks(&topic, 0, PATIENCE)? == (0, 3_000));
    Ok(())
}

#[tokio::test]
async fn one_process_at_a_time() -> anyhow::Result<()> {
    let mut cluster = Cluster::embedded(&[])?;
    let dir = cluster.dir();
    let second = Command::new(program()).arg("0").arg(&dir).output()?;
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(!second.status.success() && told.contains(&dir.display().to_string()) && told.contains("in use"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_loses_nothing_acknowledged() -> anyhow::Result<()> {
    // A file system of 8 MB stands for the full disk; without the right to mount one there is nothing to check.
    let mount = tempfile::tempdir()?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(mount.path()).status()?;
    if !mounted.success() {
        println!("left out: this user may not mount a small file system");
        return Ok(());
    }
    let checked = fill_up(mount.path()).await;
    Command::new("umount").arg("-l").arg(mount.path()).status()?;
    checked
}

async fn fill_up(dir: &std::path::Path) -> anyhow::Result<()> {
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20])?;
    let (mut child, address) = launch(&dir.join("data"), "0", &[])?;
    let cluster = Cluster { address, own: None };
    let checked = async {
        let topic = cluster.topic(1, &[]).await?;
        let producer = cluster.producer(&[("message.timeout.ms", "3000"), ("linger.ms", "0")])?;
        let large = "x".repeat(100_000);
        let mut acknowledged = 0;
        while producer.send(FutureRecord::<str, str>::to(&topic).payload(&large), PATIENCE).await.is_ok() {
            acknowledged += 1;
            ensure!(acknowledged < 200, "8 MB never fill");
        }
        std::fs::remove_file(&ballast)?;
        // A fresh producer: the first one may still hold what was refused.
        drop(producer);
        let producer = cluster.producer(&[])?;
        producer.send(FutureRecord::<str, str>::to(&topic).payload("after"), PATIENCE).await.map_err(|(error, _)| error)?;
        let read = cluster.read_all(&topic, 0, &[])?;
        ensure!(read.len() > acknowledged, "{} read, {acknowledged} acknowledged and one more", read.len());
        ensure!(read.last().and_then(|message| message.payload()) == Some(&b"after"[..]));
        Ok(())
    };
    let result = checked.await;
    child.kill()?;
    child.wait()?;
    result
}
