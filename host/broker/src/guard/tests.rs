use super::*;
use crate::apis::tests::Bench;
use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;

const ELEMENTS: usize = 10_000;

/// The start of a frame as it follows the correlation id.
fn header(shape: &ApiShape, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i16(4);
    out.put_slice(b"test");
    if version >= shape.flexible_from {
        out.put_u8(0);
    }
    out
}

/// The codec's bytes of a request, in every version offered, pass the guard to the last byte, and are answered.
fn passes<T: Encodable>(bench: &Bench, key: i16, request: impl Fn(i16) -> T) {
    let shape = shape(key).expect("the API is offered");
    for version in shape.min..=shape.max {
        let mut frame = header(shape, version);
        request(version).encode(&mut frame, version).unwrap_or_else(|e| panic!("API {key} version {version}: {e}"));
        assert_eq!(check(shape, version, &frame, ELEMENTS), Ok(()), "API {key} version {version}");
        bench.answer(key, version, &frame);
        for cut in 1..frame.len().min(20) {
            let cut = &frame[..frame.len() - cut];
            assert!(check(shape, version, cut, ELEMENTS).is_err(), "API {key} version {version} cut short");
        }
    }
}

fn s(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic() -> TopicName {
    TopicName(s("orders"))
}

#[test]
fn every_request_and_version_offered_passes_and_is_answered() {
    let bench = &Bench::new();
    passes(bench, 0, |_| {
        use produce_request::*;
        let partition = PartitionProduceData::default().with_records(Some(bytes::Bytes::from_static(b"records")));
        let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![partition.clone(), partition]);
        ProduceRequest::default().with_transactional_id(Some(TransactionalId(s("t")))).with_topic_data(vec![topic])
    });
    passes(bench, 1, |version| {
        use fetch_request::*;
        let topics = vec![FetchTopic::default().with_topic(topic()).with_partitions(vec![FetchPartition::default(); 3])];
        let request = FetchRequest::default().with_topics(topics);
        let forgotten = ForgottenTopic::default().with_topic(topic()).with_partitions(vec![1, 2]);
        if version >= 7 { request.with_forgotten_topics_data(vec![forgotten]) } else { request }
    });
    passes(bench, 2, |_| {
        use list_offsets_request::*;
        let partitions = vec![ListOffsetsPartition::default(); 2];
        let topic = ListOffsetsTopic::default().with_name(topic()).with_partitions(partitions);
        ListOffsetsRequest::default().with_topics(vec![topic])
    });
    passes(bench, 3, |_| {
        let wanted = metadata_request::MetadataRequestTopic::default().with_name(Some(topic()));
        MetadataRequest::default().with_topics(Some(vec![wanted.clone(), wanted]))
    });
    passes(bench, 8, |_| {
        use offset_commit_request::*;
        let partition = OffsetCommitRequestPartition::default().with_committed_metadata(Some(s("meta")));
        let topic = OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition; 2]);
        OffsetCommitRequest::default().with_group_id(GroupId(s("group"))).with_member_id(s("m")).with_topics(vec![topic])
    });
    passes(bench, 9, |_| {
        let topic =
            offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(vec![0, 1]);
        OffsetFetchRequest::default().with_group_id(GroupId(s("group"))).with_topics(Some(vec![topic]))
    });
    passes(bench, 10, |_| FindCoordinatorRequest::default().with_key(s("group")));
    passes(bench, 11, |_| {
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name(s("range"))
            .with_metadata(bytes::Bytes::from_static(b"metadata"));
        JoinGroupRequest::default().with_group_id(GroupId(s("group"))).with_protocols(vec![protocol; 3])
    });
    passes(bench, 12, |_| HeartbeatRequest::default().with_group_id(GroupId(s("group"))).with_member_id(s("m")));
    passes(bench, 13, |version| {
        let request = LeaveGroupRequest::default().with_group_id(GroupId(s("group")));
        let member = leave_group_request::MemberIdentity::default().with_member_id(s("m"));
        if version >= 3 { request.with_members(vec![member; 2]) } else { request.with_member_id(s("m")) }
    });
    passes(bench, 14, |_| {
        let assignment = sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(s("m"))
            .with_assignment(bytes::Bytes::from_static(b"assignment"));
        SyncGroupRequest::default().with_group_id(GroupId(s("group"))).with_assignments(vec![assignment; 2])
    });
    passes(bench, 15, |_| DescribeGroupsRequest::default().with_groups(vec![GroupId(s("group")); 2]));
    passes(bench, 16, |version| {
        let request = ListGroupsRequest::default();
        if version >= 4 { request.with_states_filter(vec![s("Stable")]) } else { request }
    });
    passes(bench, 18, |version| {
        let request = ApiVersionsRequest::default();
        if version >= 3 { request.with_client_software_name(s("x")).with_client_software_version(s("1")) } else { request }
    });
    passes(bench, 19, |_| {
        use create_topics_request::*;
        let assignment = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
        let setting = CreatableTopicConfig::default().with_name(s("a")).with_value(Some(s("b")));
        let topic =
            CreatableTopic::default().with_name(topic()).with_assignments(vec![assignment; 2]).with_configs(vec![setting; 2]);
        CreateTopicsRequest::default().with_topics(vec![topic])
    });
    passes(bench, 20, |_| DeleteTopicsRequest::default().with_topic_names(vec![topic(); 2]));
    passes(bench, 21, |_| {
        use delete_records_request::*;
        let topic = DeleteRecordsTopic::default().with_name(topic()).with_partitions(vec![DeleteRecordsPartition::default(); 2]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    });
    passes(bench, 22, |_| InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(s("t")))));
    passes(bench, 24, |_| {
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![1]);
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(s("t")))
            .with_v3_and_below_topics(vec![topic; 2])
    });
    passes(bench, 25, |_| AddOffsetsToTxnRequest::default().with_group_id(GroupId(s("group"))));
    passes(bench, 26, |_| EndTxnRequest::default().with_transactional_id(TransactionalId(s("t"))));
    passes(bench, 28, |_| {
        use txn_offset_commit_request::*;
        let partitions = vec![TxnOffsetCommitRequestPartition::default(); 2];
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic()).with_partitions(partitions);
        TxnOffsetCommitRequest::default().with_group_id(GroupId(s("group"))).with_topics(vec![topic])
    });
    passes(bench, 32, |_| {
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_name(s("orders"))
            .with_configuration_keys(Some(vec![s("a"), s("b")]));
        DescribeConfigsRequest::default().with_resources(vec![resource; 2])
    });
    passes(bench, 33, |_| {
        use alter_configs_request::*;
        let setting = AlterableConfig::default().with_name(s("a")).with_value(Some(s("b")));
        let resource = AlterConfigsResource::default().with_resource_name(s("orders")).with_configs(vec![setting; 2]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    });
    passes(bench, 37, |_| {
        use create_partitions_request::*;
        let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1)]);
        let topic = CreatePartitionsTopic::default().with_name(topic()).with_assignments(Some(vec![assignment; 2]));
        CreatePartitionsRequest::default().with_topics(vec![topic])
    });
    passes(bench, 42, |_| DeleteGroupsRequest::default().with_groups_names(vec![GroupId(s("group")); 2]));
    passes(bench, 44, |_| {
        use incremental_alter_configs_request::*;
        let setting = AlterableConfig::default().with_name(s("a")).with_value(Some(s("b")));
        let resource = AlterConfigsResource::default().with_resource_name(s("orders")).with_configs(vec![setting; 2]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    });
    passes(bench, 47, |_| {
        use offset_delete_request::*;
        let partitions = vec![OffsetDeleteRequestPartition::default(); 2];
        let topic = OffsetDeleteRequestTopic::default().with_name(topic()).with_partitions(partitions);
        OffsetDeleteRequest::default().with_group_id(GroupId(s("group"))).with_topics(vec![topic])
    });
    passes(bench, 60, |_| DescribeClusterRequest::default());
}

#[test]
fn an_array_that_claims_too_much_is_refused() {
    // Metadata version 1 with two thousand million topics, in 22 bytes: the codec would end the process.
    let shape = shape(3).unwrap();
    let mut frame = header(shape, 1);
    frame.put_i32(i32::MAX);
    assert_eq!(check(shape, 1, &frame, ELEMENTS), Err(GuardError::Short));
    let mut frame = header(shape, 1);
    frame.put_i32(20_000);
    frame.put_bytes(0, 40_000);
    assert_eq!(check(shape, 1, &frame, ELEMENTS), Err(GuardError::Elements(ELEMENTS)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever passes the guard, the codec decodes or refuses without harm.
    #[test]
    fn garbage_ends_nothing(
        api in 0..API_SHAPES.len(),
        version in 0i16..13,
        small in any::<bool>(),
        garbage in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let shape = &API_SHAPES[api];
        let version = shape.min + version % (shape.max - shape.min + 1);
        let mut frame = BytesMut::new();
        frame.put_i16(shape.key);
        frame.put_i16(version);
        frame.put_i32(7);
        frame.extend_from_slice(&header(shape, version));
        // Small bytes make lengths that often fit.
        frame.extend(garbage.iter().map(|byte| if small { byte % 4 } else { *byte }));
        let mut frame = frame.freeze();
        if check(shape, version, &frame[8..], ELEMENTS).is_ok() {
            let api = ApiKey::try_from(shape.key).unwrap();
            if RequestHeader::decode(&mut frame, api.request_header_version(version)).is_ok() {
                let _ = RequestKind::decode(api, &mut frame, version);
            }
        }
    }
}
