//! Goes through topics: to where they ended when they were opened, or on and on.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use anyhow::bail;
use millrace_worker::kafka::client::{ClientKind, ClientSettings, Quiet};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::Consume;
use super::pipe::Pipe;
use super::show::Show;
use millrace_record::RawConfig;

/// How long a broker has to answer a question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long reading may stall before the end of a topic.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often the deadline is looked at.
const STEP: Duration = Duration::from_millis(100);
/// How long a topic that is followed may still be made.
const MADE_WITHIN: Duration = Duration::from_secs(10);
/// How many topics are named to one who asked for another.
const NAMED_MAX: usize = 20;

/// Shows the records of the topics that `of` names.
pub fn read(of: &Consume, client: &RawConfig, show: Show, pipe: &Pipe, out: &mut impl Write) -> anyhow::Result<()> {
    let mut reader = Reader { of, consumer: consumer(&of.bootstrap, client)?, show, pipe, shown: 0 };
    let ends = of.topics.iter().map(|topic| reader.partitions(topic)).collect::<anyhow::Result<Vec<_>>>()?;
    if of.follow {
        let all: Vec<_> = of.topics.iter().zip(&ends).flat_map(|(t, p)| p.iter().map(|p| (t.as_str(), *p))).collect();
        let from = if of.from_beginning { Offset::Beginning } else { Offset::End };
        reader.assign(&all, from)?;
        reader.follow(out)?;
    } else {
        // One after the other: librdkafka tells the end of a partition by its number alone.
        for (topic, partitions) in of.topics.iter().zip(ends) {
            reader.drain(topic, &partitions, out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn consumer(bootstrap: &str, client: &RawConfig) -> anyhow::Result<BaseConsumer<Quiet>> {
    let defaults = [
        // Never joined: librdkafka wants a name.
        ("group.id", "millrace-consume"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_committed"),
        ("fetch.wait.max.ms", "100"),
    ];
    let settings = ClientSettings::new(bootstrap, client.clone());
    if let Some((key, why)) = settings.unmapped(ClientKind::Consumer, &RawConfig::new()).pop() {
        bail!("--set {}: it has no effect here: {why}", key.trim_start_matches("consumer."));
    }
    let config = settings.client(ClientKind::Consumer, "millrace-consume", &RawConfig::new(), &defaults);
    config.create_with_context(Quiet).map_err(|e| match e {
        KafkaError::ClientConfig(_, why, key, value) => {
            anyhow::anyhow!("--set {key}={value}: {why}; it is neither a converter's setting nor one of a Kafka consumer")
        }
        e => anyhow::anyhow!("cannot make a Kafka client for --bootstrap {bootstrap}: {e}"),
    })
}

struct Reader<'a> {
    of: &'a Consume,
    consumer: BaseConsumer<Quiet>,
    show: Show,
    pipe: &'a Pipe,
    shown: u64,
}

impl Reader<'_> {
    /// librdkafka's own error says no more than this.
    fn unreachable<E>(&self) -> impl Fn(E) -> anyhow::Error {
        let at = &self.of.bootstrap;
        move |_| {
            anyhow::anyhow!(
                "no broker answers at {at}; give the address of Kafka, or of a worker's embedded broker, with --bootstrap"
            )
        }
    }

    /// The numbers of a topic's partitions. Who follows a topic may be a little before it.
    fn partitions(&self, topic: &str) -> anyhow::Result<Vec<i32>> {
        let begun = Instant::now();
        loop {
            match self.partitions_now(topic) {
                Err(_) if self.of.follow && begun.elapsed() < MADE_WITHIN => std::thread::sleep(Duration::from_millis(100)),
                found => return found,
            }
        }
    }

    fn partitions_now(&self, topic: &str) -> anyhow::Result<Vec<i32>> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER).map_err(self.unreachable())?;
        let found = metadata.topics().iter().find(|t| t.name() == topic);
        let partitions: Vec<i32> = found.into_iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
        if !partitions.is_empty() {
            return Ok(partitions);
        }
        let all = self.consumer.fetch_metadata(None, ANSWER).map_err(self.unreachable())?;
        let mut names: Vec<&str> = all.topics().iter().map(|t| t.name()).filter(|t| !t.starts_with("__")).collect();
        names.sort_unstable();
        let more = if names.len() > NAMED_MAX { ", ..." } else { "" };
        names.truncate(NAMED_MAX);
        bail!("topic \"{topic}\" does not exist on {}; there are: {}{more}", self.of.bootstrap, names.join(", "))
    }

    fn assign(&self, partitions: &[(&str, i32)], from: Offset) -> anyhow::Result<()> {
        let mut all = TopicPartitionList::new();
        for (topic, partition) in partitions {
            all.add_partition_offset(topic, *partition, from)?;
        }
        Ok(self.consumer.assign(&all)?)
    }

    fn enough(&self) -> bool {
        self.of.max.is_some_and(|max| self.shown >= max)
    }

    fn timed_out(&self, last: Instant) -> bool {
        self.of.timeout.is_some_and(|ms| last.elapsed() > Duration::from_millis(ms))
    }

    /// The next thing that happens, if it does soon; of the records it shows those before `ends`. What is written is seen
    /// before anything is waited for.
    fn next(&mut self, out: &mut impl Write, ends: Option<&HashMap<i32, i64>>) -> anyhow::Result<Option<Event>> {
        let polled = match self.consumer.poll(Duration::ZERO) {
            None => {
                out.flush()?;
                if self.pipe.closed() {
                    return Err(std::io::Error::from(ErrorKind::BrokenPipe).into());
                }
                self.consumer.poll(STEP)
            }
            some => some,
        };
        Ok(Some(match polled {
            None => return Ok(None),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                if ends.is_none_or(|ends| ends.get(&partition).is_some_and(|end| offset < *end)) {
                    self.show.record(out, &message)?;
                    self.shown += 1;
                }
                Event::Record { partition, offset }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Event::End { partition },
            Some(Err(e)) if away(&e) => Event::Away,
            Some(Err(e)) => bail!("cannot read from {}: {e}", self.of.bootstrap),
        }))
    }

    /// Until every partition has given what it had when it was asked: a producer that goes on cannot hold us.
    fn drain(&mut self, topic: &str, partitions: &[i32], out: &mut impl Write) -> anyhow::Result<()> {
        let mut open = HashMap::new();
        for partition in partitions {
            let (low, high) = self.consumer.fetch_watermarks(topic, *partition, ANSWER).map_err(self.unreachable())?;
            if low < high {
                open.insert(*partition, high);
            }
        }
        let assigned: Vec<_> = open.keys().map(|p| (topic, *p)).collect();
        self.assign(&assigned, Offset::Beginning)?;
        let mut last = Instant::now();
        while !open.is_empty() && !self.enough() && !self.timed_out(last) {
            match self.next(out, Some(&open))? {
                Some(Event::Record { partition, offset }) => {
                    last = Instant::now();
                    if open.get(&partition).is_some_and(|end| offset + 1 >= *end) {
                        open.remove(&partition);
                    }
                }
                // The last offsets may be marks of transactions, which are no records.
                Some(Event::End { partition }) => drop(open.remove(&partition)),
                Some(Event::Away) | None if last.elapsed() > STALL_MAX => {
                    bail!("topic \"{topic}\" gives nothing for {} s: {:#}", STALL_MAX.as_secs(), self.unreachable()(()));
                }
                Some(Event::Away) | None => {}
            }
        }
        Ok(())
    }

    fn follow(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let (mut last, mut told) = (Instant::now(), false);
        while !self.enough() && !self.timed_out(last) {
            match self.next(out, None)? {
                Some(Event::Record { .. }) => (last, told) = (Instant::now(), false),
                Some(Event::Away) if !told => {
                    told = true;
                    eprintln!("no broker answers at {} now; waiting for it", self.of.bootstrap);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

enum Event {
    Record {
        partition: i32,
        offset: i64,
    },
    End {
        partition: i32,
    },
    /// The broker does not answer now; the client keeps trying.
    Away,
}

fn away(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    error.rdkafka_error_code().is_some_and(|c| matches!(c, AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve))
}
