/* What authors of Millrace transforms in C use; records are in mr_row.h. See README.md for a plugin from nothing.
 *
 * The author defines `mr_info`, `mr_configure`, `mr_apply` and `mr_close`; the library does the rest. Text that the library
 * hands out ends with a zero and belongs to the library unless it says otherwise; text handed to it is copied. */
#ifndef MILLRACE_H
#define MILLRACE_H

#include "mr_row.h"

/* ---- what the plugin says of itself ---- */

typedef enum { MR_BOOLEAN, MR_TEXT, MR_INT, MR_SHORT, MR_LONG, MR_DOUBLE, MR_LIST, MR_CLASS, MR_PASSWORD } mr_type_t;
typedef enum { MR_HIGH, MR_MEDIUM, MR_LOW } mr_importance_t;

/* One configuration key, declared once: validation, the REST answers and the reference come from it. */
typedef struct {
    const char *name;
    mr_type_t type;
    bool required;
    const char *value; /* what it has when it is not given; NULL: nothing */
    mr_importance_t importance;
    const char *doc;
    const char *const *allowed; /* the only values it may have, ended by NULL; NULL: any */
    const char *least, *most;   /* bounds of a number; NULL: none */
} mr_key_t;

typedef struct {
    const char *name;    /* as in "transforms.mask.type": "mask-email" */
    const char *version, *doc;
    const char *const *class_names; /* of the ecosystem that resolve to this plugin, ended by NULL; or NULL */
    const mr_key_t *keys;
    size_t n_keys;
} mr_info_t;

/* ---- errors ---- */

typedef enum {
    MR_RETRIABLE, /* nothing took effect: the host makes the call again after a back-off */
    MR_FATAL,     /* the task is FAILED; an operator must act */
    MR_CONFIG,    /* the setting `field` is at fault: FAILED, and shown against it */
    MR_RESTART    /* a fresh instance, then the call again */
} mr_error_kind_t;

/* Failure of a whole call. Set it with mr_fail and its kin. */
typedef struct { mr_error_kind_t kind; char *code, *message, *field; uint64_t retry_after_ms; } mr_error_t;

/* These answer false, so that a call ends with `return mr_fail(...)`. The message is lower case without a full stop: what
 * failed on what, and what to do; it is made of the texts that follow, ended by NULL. The code is stable, dotted and lower
 * case: "webhook.rejected". */
bool mr_fail(mr_error_t *error, mr_error_kind_t kind, const char *code, const char *message, ...);
bool mr_fail_config(mr_error_t *error, const char *key, const char *message, ...);

/* ---- the task ---- */

typedef struct { const char *connector; uint32_t task; uint64_t memory_limit_bytes; uint32_t call_deadline_ms; } mr_context_t;

/* The value of a key, which lives as long as the task; NULL where it has none. Defaults are filled in. */
const char *mr_config(const char *key);
/* The same, and an error where it is missing or empty. */
const char *mr_config_required(const char *key, mr_error_t *error);
bool mr_config_int(const char *key, int64_t *value, mr_error_t *error);
bool mr_config_bool(const char *key, bool *value, mr_error_t *error);

typedef enum { MR_LOG_TRACE, MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARN, MR_LOG_ERROR } mr_level_t;
bool mr_log_enabled(mr_level_t level);
/* A line in the worker's log, with names and values in turn, ended by NULL. Never a key, a value or a credential. */
void mr_log(mr_level_t level, const char *message, ...);

/* Figures of the plugin's own; labels are names and values in turn, ended by NULL: few, never a key or an offset. */
void mr_count(const char *name, uint64_t delta, ...);
void mr_gauge(const char *name, double value, ...);
void mr_observe(const char *name, double value, ...);
uint64_t mr_now_us(void);

/* Ends the instance, as a mistake of the plugin's own does; the task fails and shows the message, made of texts ended by NULL. */
_Noreturn void mr_panic(const char *message, ...);

/* ---- schemas ---- */

typedef enum {
    MR_KIND_BOOLEAN, MR_KIND_INT8, MR_KIND_INT16, MR_KIND_INT32, MR_KIND_INT64, MR_KIND_FLOAT32, MR_KIND_FLOAT64,
    MR_KIND_TEXT, MR_KIND_BYTES, MR_KIND_LIST, MR_KIND_MAP, MR_KIND_STRUCT, MR_KIND_ANY
} mr_kind_t;

enum { MR_PATH_MAX = 16 };
/* The slots that lead to a field, from the value's (or the key's) row downwards, and what it is. */
typedef struct { bool found; mr_kind_t kind; size_t depth; uint32_t slots[MR_PATH_MAX]; } mr_path_t;

/* Finds a field by names parted with points ("after.email"), once for each schema and not for each record: what was found
 * is kept in `cache`, one for each path, which starts as {0}; the answer is there until
 * the next call with this cache. NULL: the host does not know the schema, and error says so. */
typedef struct { struct mr_path_entry *at; size_t len, last; } mr_path_cache_t;
const mr_path_t *mr_path_find(mr_path_cache_t *cache, uint32_t schema, const char *path, mr_error_t *error);
/* The text or bytes at the end of a path; `at` is NULL where it is null, or leads through a null. */
mr_bytes_t mr_path_bytes(const mr_path_t *path, mr_row_t value);
mr_edit_t mr_path_edit(const mr_path_t *path, const void *at, size_t len);

/* ---- a call ---- */

typedef struct mr_lent mr_lent_t;
/* How many records were lent for this call. */
uint32_t mr_lent_len(const mr_lent_t *lent);
/* All of them in the row format; they are there until the call ends. */
bool mr_lent_rows(mr_lent_t *lent, mr_batch_t *batch, mr_error_t *error);

/* One field of all rows, of the form that `kind` says; the other pointers are NULL. Texts and bytes are end to end: value i is
 * data[offsets[i]] up to data[offsets[i + 1]], and so are structs, lists and maps, as JSON. Free it with mr_column_free. */
typedef enum { MR_COLUMN_TEXTS, MR_COLUMN_BOOLEANS, MR_COLUMN_INT64S, MR_COLUMN_FLOAT64S } mr_column_kind_t;
typedef struct {
    mr_column_kind_t kind;
    uint32_t *offsets;
    uint8_t *data, *nulls;
    bool *booleans;
    int64_t *int64s;
    double *float64s;
    size_t rows, nulls_len;
} mr_column_t;
/* Of texts or bytes; any other is an error. */
bool mr_lent_column(mr_lent_t *lent, const char *path, mr_column_t *column, mr_error_t *error);
/* Of any form. */
bool mr_lent_values(mr_lent_t *lent, const char *path, mr_column_t *column, mr_error_t *error);
bool mr_column_is_null(const mr_column_t *column, size_t row);
mr_bytes_t mr_column_at(const mr_column_t *column, size_t row); /* `at` is NULL where it is null, or no text */
void mr_column_free(mr_column_t *column);

/* Texts of a column being made, end to end: for each row mr_packed_add, any number of times, then mr_packed_end. Starts as {0}. */
typedef struct { mr_buf_t data, offsets, nulls; } mr_packed_t;
void mr_packed_add(mr_packed_t *packed, const void *at, size_t len);
void mr_packed_end(mr_packed_t *packed, bool null);
void mr_packed_free(mr_packed_t *packed);

/* What became of the batch; nothing said, it is unchanged. Other records (mr_out_rows) or edits that the host makes
 * (mr_out_drop, mr_out_remove, mr_out_set_texts, mr_out_set_packed), not both. */
typedef struct mr_out mr_out_t;
/* The writer's records, which it gives up; origin[i] is the input row that record i descends from. Leave a record out to
 * drop it, name a row twice to make many of it. */
bool mr_out_rows(mr_out_t *out, mr_writer_t *writer, const uint32_t *origin, mr_error_t *error);
void mr_out_drop(mr_out_t *out, uint32_t row);
/* A path below the value or the key: "value.note". */
void mr_out_remove(mr_out_t *out, const char *path);
/* One text for each row of the input, NULL where it is null: replaces a field, or adds it as an optional one. */
void mr_out_set_texts(mr_out_t *out, const char *path, const mr_bytes_t *values, size_t rows);
/* The same of a packed column, several times cheaper; it is empty afterwards. A field that is replaced keeps its type, and a new
 * one is of bytes. */
void mr_out_set_packed(mr_out_t *out, const char *path, mr_packed_t *packed);
/* One record failed: it goes to errors.tolerance and the dead letter queue. The message is made of texts ended by NULL. */
void mr_out_failure(mr_out_t *out, uint32_t row, bool retriable, const char *code, const char *message, ...);

/* ---- what the author defines ---- */

extern const mr_info_t mr_info;
/* Before any mr_apply. False: it failed, and error says how. */
bool mr_configure(const mr_context_t *context, mr_error_t *error);
/* Answers for the whole batch, or fails, and then nothing happened. */
bool mr_apply(mr_lent_t *batch, mr_out_t *out, mr_error_t *error);
void mr_close(void);

/* What the keys do not say by themselves; a plugin without such rules leaves it out. mr_config reads what is to be checked. Every
 * wrong setting at once, and no server is reached. */
typedef struct mr_issues mr_issues_t;
void mr_validate(mr_issues_t *issues);
/* A wrong setting: what is wrong with which value, and the remedy, made of texts ended by NULL. */
void mr_issue(mr_issues_t *issues, const char *key, const char *message, ...);

#endif
