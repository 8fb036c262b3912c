/* The host's side of the bindings, for tests of the machine they run on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/transform/batch.h"
#include "mr_test.h"

typedef exports_millrace_plugin_transform_outcome_t outcome_t;

static const char *text_of(text_t t) { return mr_terminated(t.ptr, t.len); }

/* ---- what the host has ---- */

static transform_plugin_list_tuple2_string_string_t config;
static millrace_plugin_types_schema_t *schemas;
static size_t n_schemas;

void mr_test_set(const char *key, const char *value) {
    transform_plugin_tuple2_string_string_t *at = config.ptr, *end = at + config.len;
    while (at != end && !(at->f0.len == strlen(key) && memcmp(at->f0.ptr, key, at->f0.len) == 0)) at++;
    if (value && at == end) {
        config.ptr = realloc(config.ptr, sizeof *config.ptr * (config.len + 1));
        if (!config.ptr) abort();
        at = config.ptr + config.len++;
    }
    if (value) *at = (transform_plugin_tuple2_string_string_t){mr_owned(key), mr_owned(value)};
    else if (at != end) *at = config.ptr[--config.len];
}

uint32_t mr_test_schema(const mr_test_field_t *fields, size_t n) {
    schemas = realloc(schemas, sizeof *schemas * (n_schemas + 1));
    if (!schemas) abort();
    millrace_plugin_types_schema_t s = {{mr_alloc(sizeof *s.nodes.ptr * (n + 1)), n + 1}};
    s.nodes.ptr[0].kind = (uint8_t)MR_KIND_STRUCT;
    s.nodes.ptr[0].fields = (millrace_plugin_types_list_field_t){mr_alloc(sizeof(millrace_plugin_types_field_t) * n), n};
    for (size_t i = 0; i < n; i++) {
        s.nodes.ptr[0].fields.ptr[i] = (millrace_plugin_types_field_t){mr_owned(fields[i].name), (uint32_t)i + 1};
        s.nodes.ptr[i + 1].kind = (uint8_t)fields[i].kind;
        s.nodes.ptr[i + 1].optional = true;
    }
    schemas[n_schemas] = s;
    return (uint32_t)n_schemas++;
}

/* ---- calls, and what they answered ---- */

static uint8_t *rows;
static size_t rows_len;
static mr_batch_t in, out;
static outcome_t outcome;
static mr_error_t error;

static const char *failed(millrace_plugin_types_error_t *e) {
    error = (mr_error_t){.kind = (mr_error_kind_t)e->kind, .code = (char *)text_of(e->code), .message = (char *)text_of(e->message)};
    error.field = e->field.is_some ? (char *)text_of(e->field.val) : NULL;
    return error.message;
}

const char *mr_test_configure(void) {
    exports_millrace_plugin_transform_task_context_t context = {.connector = mr_owned("test"), .row_format = MR_ROW_FORMAT,
                                                                .memory_limit_bytes = 64u << 20, .call_deadline_ms = 10000};
    millrace_plugin_types_error_t e;
    return exports_millrace_plugin_transform_configure(&context, &e) ? NULL : failed(&e);
}

const char *mr_test_apply(mr_writer_t *writer) {
    millrace_plugin_types_error_t e;
    free(rows);
    outcome = (outcome_t){0};
    rows = mr_writer_finish(writer, &rows_len);
    const char *bad = rows ? mr_batch_parse(&in, rows, rows_len) : "no memory was left";
    if (bad) return bad;
    out = in;
    if (!exports_millrace_plugin_transform_apply((millrace_plugin_records_borrow_batch_t){0}, &outcome, &e)) return failed(&e);
    if (outcome.output.tag != EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_REPLACE) return NULL;
    transform_plugin_list_u8_t *made = &outcome.output.val.replace.records.val.rows;
    return mr_batch_parse(&out, made->ptr, made->len);
}

const char *mr_test_error_field(void) { return error.field; }
const mr_batch_t *mr_test_out(void) { return &out; }

uint32_t mr_test_origin(uint32_t i) {
    if (outcome.output.tag != EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_REPLACE) return i;
    transform_plugin_list_u32_t *origin = &outcome.output.val.replace.origin;
    return i < origin->len ? origin->ptr[i] : MR_NONE;
}

size_t mr_test_edits(void) {
    if (outcome.output.tag != EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_PATCH) return 0;
    exports_millrace_plugin_transform_patch_t *p = &outcome.output.val.patch;
    return p->drop_rows.len + p->remove_fields.len + p->set.len;
}

size_t mr_test_failures(void) { return outcome.failures.len; }

mr_test_failure_t mr_test_failure(size_t i) {
    if (i >= outcome.failures.len) return (mr_test_failure_t){MR_NONE, false, "", ""};
    exports_millrace_plugin_transform_record_failure_t *f = &outcome.failures.ptr[i];
    return (mr_test_failure_t){f->row, f->retriable, text_of(f->code), text_of(f->message)};
}

static int wrong;
void mr_test_check(bool is, const char *what, const char *file, int line) {
    if (!is) fprintf(stderr, "%s:%d: not so: %s\n", file, line, what), wrong++;
}

int mr_test_result(void) {
    fprintf(stderr, wrong ? "%d checks failed\n" : "passed\n", wrong);
    return wrong != 0;
}

/* ---- what the SDK asks of the host ---- */

void millrace_plugin_config_all(transform_plugin_list_tuple2_string_string_t *ret) { *ret = config; }

bool millrace_plugin_records_get_schema(uint32_t id, millrace_plugin_records_schema_t *ret, millrace_plugin_records_error_t *e) {
    if (id < n_schemas) *ret = schemas[id];
    else *e = (millrace_plugin_records_error_t){.kind = MR_FATAL, .code = mr_owned("schema.unknown"),
                                                .message = mr_owned("no schema of the test has this id")};
    return id < n_schemas;
}

static text_t copied(text_t t) { return (text_t){(uint8_t *)mr_terminated(t.ptr, t.len), t.len}; }

bool millrace_plugin_records_intern_schema(millrace_plugin_records_schema_t *s, uint32_t *id, millrace_plugin_records_error_t *e) {
    (void)e;
    schemas = realloc(schemas, sizeof *schemas * (n_schemas + 1));
    if (!schemas) abort();
    /* What is lent is copied; the host would also know a schema that it has. */
    millrace_plugin_types_type_node_t *nodes = mr_alloc(sizeof *nodes * s->nodes.len);
    for (size_t i = 0; i < s->nodes.len; i++) {
        millrace_plugin_types_type_node_t *to = &nodes[i];
        *to = s->nodes.ptr[i];
        to->name.val = copied(to->name.val);
        to->doc.val = copied(to->doc.val);
        to->default_value.val = copied(to->default_value.val);
        to->parameters.ptr = mr_alloc(sizeof *to->parameters.ptr * to->parameters.len);
        for (size_t p = 0; p < to->parameters.len; p++) {
            transform_plugin_tuple2_string_string_t *from = &s->nodes.ptr[i].parameters.ptr[p];
            to->parameters.ptr[p] = (transform_plugin_tuple2_string_string_t){copied(from->f0), copied(from->f1)};
        }
        to->fields.ptr = mr_alloc(sizeof *to->fields.ptr * to->fields.len);
        for (size_t f = 0; f < to->fields.len; f++) {
            millrace_plugin_types_field_t *from = &s->nodes.ptr[i].fields.ptr[f];
            to->fields.ptr[f] = (millrace_plugin_types_field_t){copied(from->name), from->node};
        }
    }
    schemas[n_schemas] = (millrace_plugin_types_schema_t){{nodes, s->nodes.len}};
    *id = (uint32_t)n_schemas++;
    return true;
}

uint32_t millrace_plugin_records_method_batch_len(millrace_plugin_records_borrow_batch_t self) { return (void)self, in.records; }

void millrace_plugin_records_method_batch_rows(millrace_plugin_records_borrow_batch_t self, transform_plugin_list_u8_t *ret) {
    (void)self;
    *ret = (transform_plugin_list_u8_t){rows, rows_len};
}

bool millrace_plugin_records_method_batch_column(millrace_plugin_records_borrow_batch_t self, text_t *path, uint8_t style,
                                                 millrace_plugin_records_column_t *ret, millrace_plugin_records_error_t *e) {
    (void)self, (void)path, (void)style, (void)ret;
    *e = (millrace_plugin_records_error_t){.kind = MR_FATAL, .code = mr_owned("records.native"),
                                           .message = mr_owned("columns are made by the host; a test outside it reads rows")};
    return false;
}

bool millrace_plugin_logging_enabled(uint8_t level) { return level >= MR_LOG_INFO; }

void millrace_plugin_logging_log(uint8_t level, text_t *message, transform_plugin_list_tuple2_string_string_t *fields) {
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
    fprintf(stderr, "%s %s", names[level], text_of(*message));
    for (size_t i = 0; i < fields->len; i++) fprintf(stderr, " %s=%s", text_of(fields->ptr[i].f0), text_of(fields->ptr[i].f1));
    fputc('\n', stderr);
}

typedef transform_plugin_list_tuple2_string_string_t labels_t;
void millrace_plugin_metrics_counter_add(text_t *n, labels_t *l, uint64_t v) { (void)n, (void)l, (void)v; }
void millrace_plugin_metrics_gauge_set(text_t *n, labels_t *l, double v) { (void)n, (void)l, (void)v; }
void millrace_plugin_metrics_histogram_record(text_t *n, labels_t *l, double v) { (void)n, (void)l, (void)v; }

uint64_t millrace_plugin_clock_now_us(void) {
    struct timespec t;
    return timespec_get(&t, TIME_UTC) ? (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 : 0;
}

uint64_t millrace_plugin_clock_monotonic_ns(void) { return millrace_plugin_clock_now_us() * 1000; }
bool millrace_plugin_clock_sleep(uint32_t ms) { return (void)ms, true; }
uint64_t millrace_plugin_random_get_u64(void) { return (uint64_t)rand() << 33 ^ (uint64_t)rand(); }

void millrace_plugin_random_get_bytes(uint32_t len, transform_plugin_list_u8_t *ret) {
    *ret = (transform_plugin_list_u8_t){mr_alloc(len), len};
    for (uint32_t i = 0; i < len; i++) ret->ptr[i] = (uint8_t)rand();
}

static bool nowhere(millrace_plugin_types_error_t *e, const char *code) {
    *e = (millrace_plugin_types_error_t){.kind = MR_FATAL, .code = mr_owned(code), .message = mr_owned("there is no host here")};
    return false;
}

/* The cache of a test keeps nothing, as one may that is full. */
bool millrace_plugin_cache_get(text_t *key, transform_plugin_list_u8_t *ret) { return (void)key, (void)ret, false; }
bool millrace_plugin_cache_put(text_t *key, transform_plugin_list_u8_t *value, uint32_t *ttl, millrace_plugin_cache_error_t *e) {
    return (void)key, (void)value, (void)ttl, (void)e, true;
}
bool millrace_plugin_cache_add(text_t *key, transform_plugin_list_u8_t *value, uint32_t *ttl, bool *ret, millrace_plugin_cache_error_t *e) {
    return *ret = true, millrace_plugin_cache_put(key, value, ttl, e);
}
bool millrace_plugin_cache_delete(text_t *key) { return (void)key, false; }

/* Nor does the state of a test. */
bool millrace_plugin_state_get(text_t *key, transform_plugin_list_u8_t *ret) { return (void)key, (void)ret, false; }
bool millrace_plugin_state_put(text_t *key, transform_plugin_list_u8_t *value, millrace_plugin_state_error_t *e) {
    return (void)key, (void)value, (void)e, true;
}
bool millrace_plugin_state_delete(text_t *key) { return (void)key, false; }
void millrace_plugin_state_scan(text_t *prefix, text_t *after, uint32_t limit, millrace_plugin_state_page_t *ret) {
    (void)prefix, (void)after, (void)limit;
    *ret = (millrace_plugin_state_page_t){0};
}

bool millrace_plugin_http_send(millrace_plugin_http_request_t *r, millrace_plugin_http_response_t *ret, millrace_plugin_http_error_t *e) {
    return (void)r, (void)ret, nowhere(e, "http.unavailable");
}
bool millrace_plugin_http_send_all(millrace_plugin_http_list_request_t *r, uint32_t concurrency,
                                   millrace_plugin_http_list_result_response_error_t *ret, millrace_plugin_http_error_t *e) {
    return (void)r, (void)concurrency, (void)ret, nowhere(e, "http.unavailable");
}

/* What the bindings free belongs to the test here, or is little. */
void millrace_plugin_records_batch_drop_borrow(millrace_plugin_records_borrow_batch_t b) { (void)b; }
void transform_plugin_list_u8_free(transform_plugin_list_u8_t *p) { (void)p; }
void transform_plugin_list_tuple2_string_string_free(labels_t *p) { (void)p; }
void millrace_plugin_types_error_free(millrace_plugin_types_error_t *p) { (void)p; }
void millrace_plugin_types_schema_free(millrace_plugin_types_schema_t *p) { (void)p; }
void millrace_plugin_records_column_free(millrace_plugin_records_column_t *p) { (void)p; }
void exports_millrace_plugin_plugin_config_free(exports_millrace_plugin_plugin_config_t *p) { (void)p; }
void exports_millrace_plugin_transform_task_context_free(exports_millrace_plugin_transform_task_context_t *p) { (void)p; }
void exports_millrace_plugin_transform_outcome_free(outcome_t *p) { (void)p; }
void millrace_plugin_http_response_free(millrace_plugin_http_response_t *p) { (void)p; }
void millrace_plugin_state_page_free(millrace_plugin_state_page_t *p) { (void)p; }
