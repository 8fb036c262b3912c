//! Produce: check, append, acknowledge.

use super::{Context, Reply};
use crate::config::Flush;
use crate::log::batch::{BatchHeader, check_produced};
use crate::log::records::Records;
use crate::log::{Appended, Partition};
use crate::topics::Topic;
use crate::transactions::Producer;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, ResponseKind};
use std::sync::Arc;

pub async fn produce(context: &Context<'_>, request: ProduceRequest) -> Reply {
    let valid_acks = (-1..=1).contains(&request.acks);
    let mut appended_to = Vec::new();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = context.shared.topics.get(&data.name);
        let partitions = data.partition_data.into_iter().map(|data| {
            let result = match &topic {
                _ if !valid_acks => Err(ResponseError::InvalidRequiredAcks),
                None => Err(ResponseError::UnknownTopicOrPartition),
                Some(topic) => append(context, topic, &data).map(|(partition, appended)| {
                    appended_to.push(partition);
                    appended
                }),
            };
            let response = PartitionProduceResponse::default().with_index(data.index);
            match result {
                Ok(appended) => response
                    .with_base_offset(appended.base_offset)
                    .with_log_append_time_ms(appended.timestamp)
                    .with_log_start_offset(appended.log_start),
                Err(error) => response.with_error_code(error.code()).with_base_offset(-1),
            }
        });
        let partitions = partitions.collect();
        responses.push(TopicProduceResponse::default().with_name(data.name).with_partition_responses(partitions));
    }
    if context.shared.config.flush == Flush::Always {
        let mut synced = Ok(());
        for partition in &appended_to {
            synced = synced.and(partition.sync().await);
        }
        if let Err(error) = synced {
            tracing::error!(%error, "cannot sync the log; the records are not acknowledged");
            for response in responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
                response.error_code = ResponseError::KafkaStorageError.code();
                response.base_offset = -1;
            }
        }
    }
    if request.acks == 0 {
        return Reply::None;
    }
    Reply::Message(Box::new(ResponseKind::Produce(ProduceResponse::default().with_responses(responses))))
}

fn append(
    context: &Context<'_>,
    topic: &Arc<Topic>,
    data: &PartitionProduceData,
) -> Result<(Arc<Partition>, Appended), ResponseError> {
    let partition = topic.partition(data.index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let config = topic.config();
    let batch = data.records.as_deref().unwrap_or_default();
    let header = check_produced(batch, config.max_message_bytes)?;
    if config.compact {
        check_keys(batch, &header, context.shared.config.limits.unfolded_bytes_max)?;
    }
    let append = || partition.append(batch, header, &config);
    let appended = if header.is_transactional() {
        let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
        context.shared.transactions.append(producer, &topic.name, data.index, append)?
    } else {
        append()?
    };
    Ok((partition, appended))
}

/// Every record of a compacted topic must have a key.
fn check_keys(batch: &[u8], header: &BatchHeader, unfolded_max: usize) -> Result<(), ResponseError> {
    let records = Records::of(header, batch, unfolded_max).map_err(|_| ResponseError::CorruptMessage)?;
    for record in records.iter() {
        if record.map_err(|_| ResponseError::CorruptMessage)?.key.is_none() {
            return Err(ResponseError::InvalidRecord);
        }
    }
    Ok(())
}
