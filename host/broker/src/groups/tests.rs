use super::*;
use bytes::Bytes;
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

const CLIENT: Client = Client { id: "client", host: "/127.0.0.1" };

fn groups() -> Groups {
    Groups::new(&BrokerConfig::new("unused"))
}

fn request(member: &str, instance: Option<&str>) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"metadata"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("group")))
        .with_member_id(text(member))
        .with_group_instance_id(instance.map(text))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins as a new client does: told its id first.
fn join(groups: &Groups) -> (String, oneshot::Receiver<JoinGroupResponse>) {
    let told = groups.join(request("", None), 5, CLIENT).try_recv().expect("the id comes at once");
    assert_eq!(told.error_code, ResponseError::MemberIdRequired.code());
    let id = told.member_id.to_string();
    let answer = groups.join(request(&id, None), 5, CLIENT);
    (id, answer)
}

fn sync(
    groups: &Groups,
    member: &str,
    generation: i32,
    assigned: &[(&str, &'static [u8])],
) -> oneshot::Receiver<SyncGroupResponse> {
    let assignments = assigned.iter().map(|(member, assignment)| {
        SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(Bytes::from_static(assignment))
    });
    let request = SyncGroupRequest::default()
        .with_group_id(GroupId(text("group")))
        .with_member_id(text(member))
        .with_generation_id(generation)
        .with_assignments(assignments.collect());
    groups.sync(request)
}

fn identity(member: &str, generation: i32) -> Identity<'_> {
    Identity { member, instance: None, generation }
}

#[test]
fn two_members_rebalance_and_settle() {
    let groups = groups();
    let (first, mut answer) = join(&groups);
    let joined = answer.try_recv().unwrap();
    assert_eq!((joined.generation_id, joined.leader.as_str()), (1, first.as_str()));
    assert_eq!(sync(&groups, &first, 1, &[(&first, b"all")]).try_recv().unwrap().assignment, &b"all"[..]);
    assert_eq!(groups.heartbeat("group", identity(&first, 1)), Ok(()));

    let (second, mut waits) = join(&groups);
    assert!(waits.try_recv().is_err(), "the second waits for the first");
    assert_eq!(groups.heartbeat("group", identity(&first, 1)), Err(ResponseError::RebalanceInProgress));
    assert_eq!(groups.check_commit("group", identity(&first, 1)), Ok(()), "offsets may be saved before joining again");
    let again = groups.join(request(&first, None), 5, CLIENT).try_recv().unwrap();
    assert_eq!((again.generation_id, again.members.len()), (2, 2));
    assert_eq!(waits.try_recv().unwrap().members.len(), 0, "only the leader is told who is there");
    assert_eq!(groups.check_commit("group", identity(&first, 2)), Err(ResponseError::RebalanceInProgress));
    assert_eq!(groups.check_commit("group", identity(&first, 1)), Err(ResponseError::IllegalGeneration));

    let mut waits = sync(&groups, &second, 2, &[]);
    assert!(waits.try_recv().is_err());
    sync(&groups, &first, 2, &[(&first, b"one"), (&second, b"two")]);
    assert_eq!(waits.try_recv().unwrap().assignment, &b"two"[..]);
    assert_eq!(groups.view("group").unwrap().phase, Phase::Stable);

    assert_eq!(groups.leave("group", &first, None), Ok(()));
    assert_eq!(groups.heartbeat("group", identity(&second, 2)), Err(ResponseError::RebalanceInProgress));
    assert_eq!(groups.leave("group", &second, None), Ok(()));
    assert!(groups.view("group").is_none(), "an empty group is forgotten");
}

#[test]
fn a_static_member_returns_without_a_rebalance_and_fences_its_old_self() {
    let groups = groups();
    let joined = groups.join(request("", Some("one")), 9, CLIENT).try_recv().unwrap();
    let old = joined.member_id.to_string();
    sync(&groups, &old, 1, &[(&old, b"all")]);
    let back = groups.join(request("", Some("one")), 9, CLIENT).try_recv().unwrap();
    assert_eq!((back.generation_id, back.skip_assignment), (1, true));
    let new = back.member_id.to_string();
    assert_eq!(sync(&groups, &new, 1, &[]).try_recv().unwrap().assignment, &b"all"[..]);
    let stale = Identity { member: &old, instance: Some("one"), generation: 1 };
    assert_eq!(groups.heartbeat("group", stale), Err(ResponseError::FencedInstanceId));
    let rejoin = groups.join(request(&old, Some("one")), 9, CLIENT).try_recv().unwrap();
    assert_eq!(rejoin.error_code, ResponseError::FencedInstanceId.code());
}

#[test]
fn strangers_and_misfits_are_refused() {
    let groups = groups();
    let refused = |request: JoinGroupRequest| groups.join(request, 5, CLIENT).try_recv().unwrap().error_code;
    assert_eq!(refused(request("nobody", None)), ResponseError::UnknownMemberId.code());
    assert_eq!(refused(request("", None).with_group_id(GroupId(text("")))), ResponseError::InvalidGroupId.code());
    assert_eq!(refused(request("", None).with_session_timeout_ms(1)), ResponseError::InvalidSessionTimeout.code());
    assert_eq!(refused(request("", None).with_protocols(Vec::new())), ResponseError::InconsistentGroupProtocol.code());
    let _member = join(&groups);
    assert_eq!(refused(request("", None).with_protocol_type(text("connect"))), ResponseError::InconsistentGroupProtocol.code());
    assert_eq!(groups.check_commit("group", identity("", -1)), Err(ResponseError::UnknownMemberId));
    assert_eq!(groups.check_commit("unknown", identity("", -1)), Ok(()));
}
