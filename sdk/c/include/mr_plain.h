/* A transform over records as simple values: keys, values and headers are JSON text, and no row is read or written. Say
 * `world = "plain"` under [build] of millrace.toml and define `mr_plain_apply` in the place of `mr_apply`; the rest is as millrace.h
 * says, but for what it says of batches. */
#ifndef MR_PLAIN_H
#define MR_PLAIN_H

#include "millrace.h"

/* A value that is NULL is null. */
typedef struct { const char *name, *value; } mr_plain_header_t;

/* A key or a value is JSON as Connect's JsonConverter writes it without schemas, and NULL where it is null: such a value is a
 * tombstone. A text is there until the call ends; JSON holds no zero byte, so each ends with its first. */
typedef struct {
    const char *topic, *key, *value;
    bool has_partition, has_offset, has_timestamp;
    int32_t partition;
    int64_t offset;    /* of a record that was read from a topic; a changed one is not looked at */
    int64_t timestamp; /* milliseconds since the epoch */
    const mr_plain_header_t *headers;
    size_t n_headers;
} mr_plain_record_t;

typedef struct mr_plain_out mr_plain_out_t;
/* A record in the place of that which was given; called again, one more. What is the same text as it was stays as it was, to the
 * byte; what is new is put under the record's schema, where it has one: fields that are missing go, new ones are appended. */
void mr_plain_emit(mr_plain_out_t *out, const mr_plain_record_t *record);
/* No record in its place. */
void mr_plain_drop(mr_plain_out_t *out);
/* The record failed: it goes to errors.tolerance and the dead letter queue. The message is made of texts ended by NULL. */
void mr_plain_failure(mr_plain_out_t *out, bool retriable, const char *code, const char *message, ...);

/* The author defines it: what becomes of one record; nothing said, it stays as it was. False: the whole call failed, and nothing
 * happened. */
bool mr_plain_apply(const mr_plain_record_t *record, mr_plain_out_t *out, mr_error_t *error);

#endif
