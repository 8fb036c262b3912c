//! The built worker with the real plugins, driven by REST and by Kafka clients only.

mod avro;
mod cli;
mod clients;
mod config_providers;
mod connect_answers;
mod connect_transforms;
mod converters;
mod dead_letters;
mod debezium_vectors;
mod differential;
mod file_stream;
mod metrics;
mod postgres;
mod postgres_ddl;
mod postgres_evolution;
mod postgres_evolution_load;
mod postgres_evolution_refused;
mod postgres_sink;
mod registry_round_trips;
mod rest_load;
mod schema_monitor;
mod schema_registry;
mod schema_story;
mod topics_regex;
mod validate_vectors;
mod worker;
