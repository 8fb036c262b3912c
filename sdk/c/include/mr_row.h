/* Row format 1 (wit/ROW-FORMAT.md): reads and writes the one buffer that holds a batch of records.
 *
 * Every field of every record is reached without decoding the rest. This knows bytes and slots, never schemas: what a
 * slot means is said by the schema whose id the record carries.
 *
 * Views copy nothing: they point into the batch's buffer, which must outlive them. A buffer that passed mr_batch_parse
 * is never read out of bounds, whatever its slots say: what points outside its row reads as missing. It needs only
 * memcpy, memset, realloc and free. */
#ifndef MR_ROW_H
#define MR_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of this format, as in the host's task context. */
#define MR_ROW_FORMAT 1u
/* In a length: null. In a schema id: schemaless. */
#define MR_NONE UINT32_MAX
/* In a record's timestamp: none. */
#define MR_NO_TIMESTAMP INT64_MIN

/* Text or bytes that belong to somebody else; not ended by a zero. */
typedef struct { const uint8_t *at; size_t len; } mr_bytes_t;
/* A row: a struct's fields, a list's elements, or the one slot of any other root. `at` is NULL where there is none. */
typedef struct { const uint8_t *at; size_t len; } mr_row_t;
typedef struct { const uint8_t *at; size_t len; } mr_record_t;

/* ---- reading ---- */

/* Whether bytes from elsewhere are a text: the host takes no other, and ends an instance that hands it one. */
bool mr_utf8(const uint8_t *at, size_t len);

/* A batch whose tables and record heads have been checked. */
typedef struct {
    const uint8_t *at;
    size_t len;
    uint32_t records, topics;
    size_t topics_at, record_at;
} mr_batch_t;

/* Checks the head, the tables and the bounds of every record's sections. Answers NULL, or what is wrong. */
const char *mr_batch_parse(mr_batch_t *batch, const uint8_t *at, size_t len);
/* Looks at the tables only: for a buffer that the host gave, or that has passed mr_batch_parse. */
const char *mr_batch_reopen(mr_batch_t *batch, const uint8_t *at, size_t len);
/* Topic `index`, which records name by number; empty when there is none. */
mr_bytes_t mr_batch_topic(const mr_batch_t *batch, uint32_t index);
/* Record i, which must be below batch->records. */
mr_record_t mr_batch_record(const mr_batch_t *batch, uint32_t i);

/* What a record says of itself beside key, value and headers. */
typedef struct {
    uint32_t topic;
    int32_t partition; /* -1: none */
    int64_t offset;    /* -1: none */
    int64_t timestamp; /* milliseconds since the epoch, or MR_NO_TIMESTAMP */
    uint32_t key_schema, value_schema; /* ids, or MR_NONE */
} mr_meta_t;
mr_meta_t mr_record_meta(mr_record_t record);
uint32_t mr_record_topic(mr_record_t record);
uint32_t mr_record_value_schema(mr_record_t record);
uint32_t mr_record_key_schema(mr_record_t record);
/* The value's and the key's row; `at` is NULL for a tombstone or a null key. */
mr_row_t mr_record_value(mr_record_t record);
mr_row_t mr_record_key(mr_record_t record);
uint32_t mr_record_headers(mr_record_t record);

typedef struct { mr_bytes_t name; uint32_t schema; mr_row_t value; } mr_header_t;
/* Headers in order: `mr_bytes_t left = mr_record_header_bytes(r); while (mr_header_next(&left, &header)) ...` */
mr_bytes_t mr_record_header_bytes(mr_record_t record);
bool mr_header_next(mr_bytes_t *left, mr_header_t *header);

/* A row over its bytes; none when they are fewer than its slots need. */
mr_row_t mr_row_of(const uint8_t *at, size_t len);
/* How many slots. */
uint32_t mr_row_slots(mr_row_t row);
/* Whether slot i is null; a slot past the end is. */
bool mr_row_is_null(mr_row_t row, uint32_t i);
/* The eight bytes of slot i; zero past the end. */
uint64_t mr_row_slot(mr_row_t row, uint32_t i);
bool mr_row_bool(mr_row_t row, uint32_t i);
int64_t mr_row_int64(mr_row_t row, uint32_t i);
double mr_row_float64(mr_row_t row, uint32_t i);
/* The text or bytes of slot i; `at` is NULL where they lie outside the row. */
mr_bytes_t mr_row_bytes(mr_row_t row, uint32_t i);
/* The row that slot i points to: a struct, a list, or a map's two lists; none where it is null or no row. */
mr_row_t mr_row_row(mr_row_t row, uint32_t i);

/* ---- writing: everything is appended to one buffer, slots are filled in behind ---- */

/* Rows, nested to any depth. Start it as {0}. When memory ends, `failed` is set and what follows does nothing. */
typedef struct { uint8_t *at; size_t len, cap; bool failed; } mr_buf_t;
/* A row being written. It stays valid while its buffer only grows. */
typedef struct { size_t start, slots; uint32_t n; } mr_mark_t;

void mr_buf_free(mr_buf_t *buf);
/* A row of n slots, all null until they are set. */
mr_mark_t mr_buf_begin(mr_buf_t *buf, uint32_t n);
/* These do nothing when the row has no slot i. */
void mr_buf_slot(mr_buf_t *buf, mr_mark_t row, uint32_t i, uint64_t value);
void mr_buf_null(mr_buf_t *buf, mr_mark_t row, uint32_t i);
void mr_buf_bool(mr_buf_t *buf, mr_mark_t row, uint32_t i, bool value);
void mr_buf_int64(mr_buf_t *buf, mr_mark_t row, uint32_t i, int64_t value);
void mr_buf_float64(mr_buf_t *buf, mr_mark_t row, uint32_t i, double value);
void mr_buf_bytes(mr_buf_t *buf, mr_mark_t row, uint32_t i, const void *at, size_t len);
/* Text ended by a zero. */
void mr_buf_text(mr_buf_t *buf, mr_mark_t row, uint32_t i, const char *text);
/* Copies a finished row into slot i. */
void mr_buf_row(mr_buf_t *buf, mr_mark_t row, uint32_t i, mr_row_t value);
/* Closes a row, begun after its parent, as the parent's slot i. */
void mr_buf_end_nested(mr_buf_t *buf, mr_mark_t parent, uint32_t i, mr_mark_t nested);
/* A copy of a finished row, whose slots may then be set anew. */
mr_mark_t mr_buf_copy(mr_buf_t *buf, mr_row_t row);
/* The row that slot i of a row in this buffer points to; false: null, or no row. */
bool mr_buf_nested(const mr_buf_t *buf, mr_mark_t row, uint32_t i, mr_mark_t *nested);
/* Puts text or bytes where those of slot i are, when they are no longer than these. */
bool mr_buf_overwrite(mr_buf_t *buf, mr_mark_t row, uint32_t i, const void *at, size_t len);

/* A batch: for each record begin, then the value, the key and the headers, in this order and each at most once, then
 * end. Rows are written into `rows`. Start it with mr_writer_new. */
typedef struct {
    mr_buf_t rows;
    mr_buf_t topics;    /* u16 length and name, one behind the other */
    mr_buf_t record_at; /* u32 each */
    uint32_t n_topics, n_headers;
    size_t record;
} mr_writer_t;

void mr_writer_new(mr_writer_t *writer, size_t capacity);
void mr_writer_free(mr_writer_t *writer);
/* The number of records begun. */
uint32_t mr_writer_len(const mr_writer_t *writer);
/* The index of a topic, added when it is new. */
uint32_t mr_writer_topic(mr_writer_t *writer, mr_bytes_t name);
/* A record with a null key, a null value and no headers. */
void mr_writer_begin(mr_writer_t *writer, const mr_meta_t *meta);
/* The row just written is the record's value, or key. */
void mr_writer_end_value(mr_writer_t *writer, mr_mark_t row);
void mr_writer_end_key(mr_writer_t *writer, mr_mark_t row);
/* Copies a finished row as the record's value, or key. */
void mr_writer_value(mr_writer_t *writer, mr_row_t row);
void mr_writer_key(mr_writer_t *writer, mr_row_t row);
void mr_writer_header(mr_writer_t *writer, const mr_header_t *header);
/* Copies all headers of a record. */
void mr_writer_headers_from(mr_writer_t *writer, mr_record_t record);
void mr_writer_end(mr_writer_t *writer);
/* Forgets the record begun last. */
void mr_writer_undo(mr_writer_t *writer);
/* Copies a record as it is; `topic` is the index of its topic here. */
void mr_writer_copy(mr_writer_t *writer, mr_record_t record, uint32_t topic);
/* The value of the record written or copied last, to be changed in place; false: a tombstone. */
bool mr_writer_last_value(const mr_writer_t *writer, mr_mark_t *row);

/* New text or bytes for the field that `depth` slots lead to, from the value's row downwards. */
typedef struct { const uint32_t *path; size_t depth; mr_bytes_t value; } mr_edit_t;
/* Copies a record with some of its values replaced: one copy, nothing of it unpacked. An edit whose path ends at a
 * null, or leads through one, changes nothing. */
void mr_writer_copy_edited(mr_writer_t *writer, mr_record_t record, uint32_t topic, const mr_edit_t *edits, size_t n);

/* The finished buffer, which the caller frees; NULL when memory ended. The writer is empty afterwards. */
uint8_t *mr_writer_finish(mr_writer_t *writer, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
