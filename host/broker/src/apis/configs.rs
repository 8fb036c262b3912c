//! Settings on the wire: of topics, with real effect; of the broker, to read.

use super::{Context, NODE_ID, refusal, text};
use crate::topics::{Refusal, SETTINGS, find_setting};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use std::collections::BTreeMap;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// One setting as it is described.
struct Described {
    name: &'static str,
    value: String,
    /// The value without the topic's own.
    default: String,
    source: i8,
    read_only: bool,
    kind: i8,
    doc: &'static str,
}

pub fn describe(context: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match settings_of(context, &resource) {
            Err(refused) => {
                let (error, message) = refusal(Err(refused));
                result.with_error_code(error).with_error_message(message)
            }
            Ok(settings) => {
                let keys = resource.configuration_keys.as_ref();
                let wanted = settings
                    .into_iter()
                    .filter(|setting| keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == setting.name)));
                let include = (request.include_synonyms, request.include_documentation && context.version >= 3);
                result.with_configs(wanted.map(|setting| encode(context.version, setting, include)).collect())
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn encode(version: i16, setting: Described, (synonyms, documentation): (bool, bool)) -> DescribeConfigsResourceResult {
    let synonym = |value: &str, source| {
        DescribeConfigsSynonym::default().with_name(text(setting.name)).with_value(Some(text(value))).with_source(source)
    };
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(text(setting.name))
        .with_value(Some(text(&setting.value)))
        .with_read_only(setting.read_only)
        .with_config_source(setting.source);
    if synonyms {
        if setting.source == SOURCE_TOPIC {
            result.synonyms.push(synonym(&setting.value, SOURCE_TOPIC));
        }
        let below = if setting.source == SOURCE_STATIC { SOURCE_STATIC } else { SOURCE_DEFAULT };
        result.synonyms.push(synonym(&setting.default, below));
    }
    if version >= 3 {
        result.config_type = setting.kind;
    }
    if documentation {
        result.documentation = Some(text(setting.doc));
    }
    result
}

fn settings_of(context: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Described>, Refusal> {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            let topic =
                context.shared.topics.get(name).ok_or_else(|| {
                    Refusal::new(ResponseError::UnknownTopicOrPartition, format!("topic {name:?} does not exist"))
                })?;
            let written = topic.settings();
            let described = SETTINGS.iter().map(|setting| {
                let own = written.get(setting.name);
                Described {
                    name: setting.name,
                    value: own.map_or(setting.default, String::as_str).to_owned(),
                    default: setting.default.to_owned(),
                    source: if own.is_some() { SOURCE_TOPIC } else { SOURCE_DEFAULT },
                    read_only: false,
                    kind: setting.kind_number(),
                    doc: setting.doc,
                }
            });
            Ok(described.collect())
        }
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER if name == NODE_ID.to_string() => Ok(broker_settings(context)),
        BROKER => Err(Refusal::new(ResponseError::InvalidRequest, format!("there is one broker, {NODE_ID}, not {name:?}"))),
        other => Err(Refusal::new(ResponseError::InvalidRequest, format!("resources of type {other} have no settings here"))),
    }
}

fn broker_settings(context: &Context) -> Vec<Described> {
    let config = &context.shared.config;
    let fixed = |name, value: String, kind, doc| Described {
        name,
        default: value.clone(),
        value,
        source: SOURCE_STATIC,
        read_only: true,
        kind,
        doc,
    };
    vec![
        fixed("auto.create.topics.enable", config.auto_create_topics.to_string(), 1, "topics are created when clients name them"),
        fixed("broker.id", NODE_ID.to_string(), 3, "the one broker"),
        fixed("default.replication.factor", "1".to_owned(), 3, "there is one replica"),
        fixed("listeners", format!("PLAINTEXT://{}", context.shared.address), 2, "where clients connect"),
        fixed("log.dirs", config.data_dir.display().to_string(), 2, "the data directory"),
        fixed("max.connections", config.limits.connections_max.to_string(), 3, "connections at a time"),
        fixed("num.partitions", config.default_partitions.to_string(), 3, "partitions of a topic by default"),
        fixed("offsets.topic.replication.factor", "1".to_owned(), 4, "there is one replica"),
        fixed("socket.request.max.bytes", config.limits.request_bytes_max.to_string(), 3, "bytes of one request"),
        fixed(
            "transaction.max.timeout.ms",
            config.limits.transaction_timeout_max.as_millis().to_string(),
            3,
            "longest time-out of a transaction",
        ),
    ]
}

fn change(
    context: &Context,
    resource_type: i8,
    name: &str,
    only_check: bool,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if resource_type != TOPIC {
        let message = "only topics have settings that can be changed; the broker's are set where it is started";
        return Err(Refusal::new(ResponseError::InvalidRequest, message));
    }
    context.shared.topics.configure(name, only_check, change)
}

pub fn alter(context: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let settings: BTreeMap<String, String> = resource
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
            .collect();
        let replace = |current: &mut BTreeMap<String, String>| {
            *current = settings;
            Ok(())
        };
        let altered = change(context, resource.resource_type, &resource.resource_name, request.validate_only, replace);
        let (error, message) = refusal(altered);
        AlterConfigsResourceResponse::default()
            .with_error_code(error)
            .with_error_message(message)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub fn alter_incrementally(context: &Context, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let configs = &resource.configs;
        let apply = |settings: &mut BTreeMap<String, String>| {
            configs.iter().try_for_each(|config| apply(settings, &config.name, config.config_operation, config.value.as_deref()))
        };
        let altered = change(context, resource.resource_type, &resource.resource_name, request.validate_only, apply);
        let (error, message) = refusal(altered);
        IncrementalResponse::default()
            .with_error_code(error)
            .with_error_message(message)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

/// Sets (0), unsets (1), appends to (2) or subtracts from (3) one setting.
fn apply(settings: &mut BTreeMap<String, String>, name: &str, operation: i8, value: Option<&str>) -> Result<(), Refusal> {
    let setting = find_setting(name)
        .ok_or_else(|| Refusal::new(ResponseError::InvalidConfig, format!("unknown topic setting {name:?}; check its name")))?;
    let value = value.unwrap_or_default();
    match operation {
        0 => {
            settings.insert(name.to_owned(), value.to_owned());
        }
        1 => {
            settings.remove(name);
        }
        2 | 3 => {
            let current = settings.get(name).map_or(setting.default, String::as_str);
            let mut parts: Vec<&str> = current.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
            for part in value.split(',').map(str::trim) {
                parts.retain(|present| *present != part);
                if operation == 2 {
                    parts.push(part);
                }
            }
            let joined = parts.join(",");
            settings.insert(name.to_owned(), joined);
        }
        other => {
            let message = format!("operation {other} on topic setting {name:?} is unknown; use set, delete, append or subtract");
            return Err(Refusal::new(ResponseError::InvalidRequest, message));
        }
    }
    Ok(())
}
