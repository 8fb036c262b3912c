//! Messages as Protobuf's JSON: those that stand within themselves, and those that Protobuf has for JSON.
//!
//! Members have the names of the schema, and 64-bit integers are numbers: Millrace's JSON keeps their digits.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};

use super::super::misfit::Misfit;

const WRITTEN: SerializeOptions =
    SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false).skip_default_fields(false);

/// The JSON of a message's bytes.
pub(super) fn text(of: &MessageDescriptor, bytes: &[u8]) -> Result<String, Misfit> {
    let unreadable = |e: &dyn std::fmt::Display| Misfit::new(format!("{} cannot be read as JSON: {e}", of.full_name()));
    let message = DynamicMessage::decode(of.clone(), bytes).map_err(|e| unreadable(&e))?;
    let mut out = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut out, &WRITTEN).map_err(|e| unreadable(&e))?;
    String::from_utf8(out.into_inner()).map_err(|e| unreadable(&e))
}

/// The bytes of the message that a JSON is of.
pub(super) fn bytes(of: &MessageDescriptor, json: &str) -> Result<Vec<u8>, Misfit> {
    let unfit = |e: serde_json::Error| Misfit::new(format!("the JSON is none of the message {}: {e}", of.full_name()));
    let mut json = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(of.clone(), &mut json).map_err(unfit)?;
    json.end().map_err(unfit)?;
    Ok(message.encode_to_vec())
}
