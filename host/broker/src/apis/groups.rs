//! Consumer groups on the wire.

use super::{Context, code, text};
use crate::groups::{Client, GroupView, Identity};
use crate::journal::Entry;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use std::collections::BTreeSet;

pub async fn join(context: &Context<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let client = Client { id: context.client_id, host: context.host };
    let answer = context.shared.groups.join(request, context.version, client).await;
    let mut response =
        answer.unwrap_or_else(|_| JoinGroupResponse::default().with_error_code(ResponseError::CoordinatorNotAvailable.code()));
    // Older versions have no protocol type, and cannot say that there is no protocol.
    if context.version < 7 {
        response.protocol_type = None;
        response.protocol_name.get_or_insert_default();
    }
    if context.version < 5 {
        response.members.iter_mut().for_each(|member| member.group_instance_id = None);
    }
    response
}

pub async fn sync(context: &Context<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let answer = context.shared.groups.sync(request).await;
    let mut response =
        answer.unwrap_or_else(|_| SyncGroupResponse::default().with_error_code(ResponseError::CoordinatorNotAvailable.code()));
    if context.version < 5 {
        response.protocol_type = None;
        response.protocol_name = None;
    }
    response
}

pub fn heartbeat(context: &Context, request: &HeartbeatRequest) -> HeartbeatResponse {
    let identity = Identity {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let alive = context.shared.groups.heartbeat(&request.group_id, identity);
    HeartbeatResponse::default().with_error_code(code(alive))
}

pub fn leave(context: &Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let groups = &context.shared.groups;
    if context.version < 3 {
        return LeaveGroupResponse::default().with_error_code(code(groups.leave(&request.group_id, &request.member_id, None)));
    }
    let left = request.members.into_iter().map(|member| {
        let left = groups.leave(&request.group_id, &member.member_id, member.group_instance_id.as_deref());
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code(left))
    });
    LeaveGroupResponse::default().with_members(left.collect())
}

/// The state of a group that may have nothing but committed offsets.
fn state_name(view: Option<&GroupView>, has_offsets: bool) -> &'static str {
    match view {
        Some(view) => view.phase.name(),
        None if has_offsets => "Empty",
        None => "Dead",
    }
}

pub fn list(context: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let views = context.shared.groups.all();
    let with_offsets: Vec<String> = context.shared.journal.read(|state| state.offsets.keys().cloned().collect());
    let ids: BTreeSet<&String> = views.keys().chain(&with_offsets).collect();
    let wanted = |state: &str| {
        request.states_filter.is_empty() || request.states_filter.iter().any(|filter| filter.eq_ignore_ascii_case(state))
    };
    let listed = ids.into_iter().filter_map(|id| {
        let view = views.get(id);
        let state = state_name(view, true);
        let group = ListedGroup::default()
            .with_group_id(GroupId(text(id)))
            .with_protocol_type(text(view.map_or("consumer", |view| &view.protocol_type)));
        wanted(state).then(|| if context.version >= 4 { group.with_group_state(text(state)) } else { group })
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}

pub fn describe(context: &Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let described = request.groups.into_iter().map(|id| {
        let view = context.shared.groups.view(&id);
        let has_offsets = context.shared.journal.read(|state| state.offsets.contains_key(id.as_str()));
        let group = DescribedGroup::default().with_group_state(text(state_name(view.as_ref(), has_offsets))).with_group_id(id);
        let Some(view) = view else { return if has_offsets { group.with_protocol_type(text("consumer")) } else { group } };
        let members = view.members.into_iter().map(|member| {
            let described = DescribedGroupMember::default()
                .with_member_id(text(&member.id))
                .with_client_id(text(&member.client))
                .with_client_host(text(&member.host))
                .with_member_metadata(member.metadata)
                .with_member_assignment(member.assignment);
            let instance = member.instance.filter(|_| context.version >= 4);
            described.with_group_instance_id(instance.as_deref().map(text))
        });
        group
            .with_protocol_type(text(&view.protocol_type))
            .with_protocol_data(text(&view.protocol))
            .with_members(members.collect())
    });
    DescribeGroupsResponse::default().with_groups(described.collect())
}

pub fn delete(context: &Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let group = id.to_string();
        let known = context.shared.journal.read(|state| state.offsets.contains_key(&group))
            || context.shared.groups.view(&group).is_some();
        let deleted = if !known {
            Err(ResponseError::GroupIdNotFound)
        } else if !context.shared.groups.forget(&group) {
            Err(ResponseError::NonEmptyGroup)
        } else {
            let written = context.shared.journal.write(vec![Entry::GroupDeleted { group }]);
            written.map_err(|_| ResponseError::CoordinatorNotAvailable)
        };
        DeletableGroupResult::default().with_group_id(id).with_error_code(code(deleted))
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
