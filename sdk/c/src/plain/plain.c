/* The calls of a transform over simple values. What is answered belongs to the bindings, which free it. */
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "mr_plain.h"

typedef exports_millrace_plugin_plain_plain_record_t record_t;
typedef exports_millrace_plugin_plain_plain_outcome_t outcome_t;

struct mr_plain_out { outcome_t outcome; };

bool exports_millrace_plugin_plain_configure(exports_millrace_plugin_plain_task_context_t *ctx,
                                             exports_millrace_plugin_plain_error_t *err) {
    bool ok = mr_configured(ctx, err);
    exports_millrace_plugin_plain_task_context_free(ctx);
    return ok;
}

static char *some(const exports_millrace_plugin_plain_option_json_t *from) {
    return from->is_some ? mr_terminated(from->val.ptr, from->val.len) : NULL;
}

/* A record as its author sees it; freed by `forget`. */
static mr_plain_record_t lent(const record_t *from) {
    mr_plain_record_t to = {.topic = mr_terminated(from->topic.ptr, from->topic.len), .key = some(&from->key), .value = some(&from->value)};
    to.has_partition = from->partition.is_some, to.partition = from->partition.val;
    to.has_offset = from->offset.is_some, to.offset = from->offset.val;
    to.has_timestamp = from->timestamp.is_some, to.timestamp = from->timestamp.val;
    mr_plain_header_t *headers = mr_alloc(sizeof *headers * from->headers.len);
    for (size_t i = 0; i < from->headers.len; i++) {
        headers[i].name = mr_terminated(from->headers.ptr[i].f0.ptr, from->headers.ptr[i].f0.len);
        headers[i].value = some(&from->headers.ptr[i].f1);
    }
    to.headers = headers;
    to.n_headers = from->headers.len;
    return to;
}

static void forget(mr_plain_record_t *record) {
    for (size_t i = 0; i < record->n_headers; i++) free((char *)record->headers[i].name), free((char *)record->headers[i].value);
    free((mr_plain_header_t *)record->headers);
    free((char *)record->topic), free((char *)record->key), free((char *)record->value);
}

bool exports_millrace_plugin_plain_apply(exports_millrace_plugin_plain_list_plain_record_t *records,
                                         exports_millrace_plugin_plain_list_plain_outcome_t *ret,
                                         exports_millrace_plugin_plain_error_t *err) {
    mr_error_t e = {0};
    bool ok = true;
    *ret = (exports_millrace_plugin_plain_list_plain_outcome_t){records->len ? mr_alloc(sizeof(outcome_t) * records->len) : NULL, 0};
    while (ok && ret->len < records->len) {
        mr_plain_record_t record = lent(&records->ptr[ret->len]);
        mr_plain_out_t out = {{.tag = EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_UNCHANGED}};
        ok = mr_plain_apply(&record, &out, &e);
        ret->ptr[ret->len++] = out.outcome;
        forget(&record);
    }
    exports_millrace_plugin_plain_list_plain_record_free(records);
    if (!ok) {
        exports_millrace_plugin_plain_list_plain_outcome_free(ret);
        mr_error_out(&e, err);
    }
    return ok;
}

void exports_millrace_plugin_plain_close(void) { mr_close(); }

static exports_millrace_plugin_plain_option_json_t given(const char *s) {
    return (exports_millrace_plugin_plain_option_json_t){s != NULL, mr_owned(s)};
}

/* The records of an answer. */
static exports_millrace_plugin_plain_list_plain_record_t *records(mr_plain_out_t *out) {
    if (out->outcome.tag == EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_UNCHANGED)
        out->outcome = (outcome_t){.tag = EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_RECORDS};
    /* A failure and records both: a mistake of the plugin's, which must not pass for either. */
    if (out->outcome.tag != EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_RECORDS)
        mr_panic("a record was answered for twice: it failed, and has records in its place", NULL);
    return &out->outcome.val.records;
}

void mr_plain_drop(mr_plain_out_t *out) {
    if (records(out)->len) mr_panic("a record was answered for twice: it is dropped, and has records in its place", NULL);
}

void mr_plain_emit(mr_plain_out_t *out, const mr_plain_record_t *from) {
    exports_millrace_plugin_plain_list_plain_record_t *all = records(out);
    record_t to = {.topic = mr_owned(from->topic), .key = given(from->key), .value = given(from->value)};
    to.partition.is_some = from->has_partition, to.partition.val = from->partition;
    to.offset.is_some = from->has_offset, to.offset.val = from->offset;
    to.timestamp.is_some = from->has_timestamp, to.timestamp.val = from->timestamp;
    to.headers.len = from->n_headers;
    to.headers.ptr = from->n_headers ? mr_alloc(sizeof *to.headers.ptr * from->n_headers) : NULL;
    for (size_t i = 0; i < from->n_headers; i++) {
        to.headers.ptr[i].f0 = mr_owned(from->headers[i].name);
        to.headers.ptr[i].f1 = given(from->headers[i].value);
    }
    all->ptr = mr_extend(all->ptr, all->len, sizeof *all->ptr);
    all->ptr[all->len++] = to;
}

void mr_plain_failure(mr_plain_out_t *out, bool retriable, const char *code, const char *message, ...) {
    if (out->outcome.tag != EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_UNCHANGED)
        mr_panic("a record was answered for twice: it failed, and something else", NULL);
    va_list more;
    va_start(more, message);
    char *text = mr_join(message, more);
    va_end(more);
    out->outcome.tag = EXPORTS_MILLRACE_PLUGIN_PLAIN_PLAIN_OUTCOME_FAILED;
    out->outcome.val.failed = (exports_millrace_plugin_plain_plain_failure_t){retriable, mr_owned(code), mr_owned(text)};
    free(text);
}
