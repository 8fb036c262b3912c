/* The calls of a transform, and what it answers with. What is answered belongs to the bindings, which free it. */
#include <stdlib.h>
#include <string.h>

#include "batch.h"

bool exports_millrace_plugin_transform_configure(exports_millrace_plugin_transform_task_context_t *ctx,
                                                 exports_millrace_plugin_transform_error_t *err) {
    bool ok = mr_configured(ctx, err);
    exports_millrace_plugin_transform_task_context_free(ctx);
    return ok;
}

bool exports_millrace_plugin_transform_apply(exports_millrace_plugin_transform_borrow_batch_t batch,
                                             exports_millrace_plugin_transform_outcome_t *ret,
                                             exports_millrace_plugin_transform_error_t *err) {
    mr_lent_t lent = {.handle = batch};
    mr_out_t out = {0};
    mr_error_t e = {0};
    bool ok = mr_apply(&lent, &out, &e);
    if (lent.has_rows) transform_plugin_list_u8_free(&lent.rows);
    /* A borrowed handle is given back before the call ends. */
    millrace_plugin_records_batch_drop_borrow(batch);
    *ret = (exports_millrace_plugin_transform_outcome_t){out.output, out.failures};
    if (!ok) {
        exports_millrace_plugin_transform_outcome_free(ret);
        mr_error_out(&e, err);
    }
    return ok;
}

void exports_millrace_plugin_transform_close(void) { mr_close(); }

uint32_t mr_lent_len(const mr_lent_t *lent) { return millrace_plugin_records_method_batch_len(lent->handle); }

bool mr_lent_rows(mr_lent_t *lent, mr_batch_t *batch, mr_error_t *e) {
    if (!lent->has_rows) millrace_plugin_records_method_batch_rows(lent->handle, &lent->rows);
    lent->has_rows = true;
    /* The host has checked what it hands over. */
    const char *bad = mr_batch_reopen(batch, lent->rows.ptr, lent->rows.len);
    return bad ? mr_fail(e, MR_FATAL, "records.malformed", "not a batch of row format 1: ", bad, NULL) : true;
}

bool mr_out_rows(mr_out_t *out, mr_writer_t *writer, const uint32_t *origin, mr_error_t *e) {
    if (out->output.tag != EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_UNCHANGED) {
        mr_writer_free(writer);
        return mr_fail(e, MR_FATAL, "plugin.outcome", "a batch was answered for twice: with records, and with records or edits", NULL);
    }
    size_t n = mr_writer_len(writer), len;
    uint8_t *rows = mr_writer_finish(writer, &len);
    if (!rows) return mr_fail(e, MR_FATAL, "plugin.memory", "no memory was left for the records of a batch", NULL);
    exports_millrace_plugin_transform_replacement_t r = {0};
    r.records.tag = MILLRACE_PLUGIN_RECORDS_ENCODED_ROWS;
    r.records.val.rows = (transform_plugin_list_u8_t){rows, len};
    r.origin = (transform_plugin_list_u32_t){n ? mr_alloc(4 * n) : NULL, n};
    if (n) memcpy(r.origin.ptr, origin, 4 * n);
    out->output.tag = EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_REPLACE;
    out->output.val.replace = r;
    return true;
}

exports_millrace_plugin_transform_patch_t *mr_patch(mr_out_t *out) {
    if (out->output.tag == EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_UNCHANGED) {
        memset(&out->output, 0, sizeof out->output);
        out->output.tag = EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_PATCH;
    }
    /* Records and edits both: a mistake of the plugin's, which must not pass for either. */
    if (out->output.tag != EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_PATCH) __builtin_trap();
    return &out->output.val.patch;
}

void mr_out_drop(mr_out_t *out, uint32_t row) {
    transform_plugin_list_u32_t *rows = &mr_patch(out)->drop_rows;
    rows->ptr = mr_extend(rows->ptr, rows->len, sizeof *rows->ptr);
    rows->ptr[rows->len++] = row;
}

void mr_out_remove(mr_out_t *out, const char *path) {
    transform_plugin_list_string_t *paths = &mr_patch(out)->remove_fields;
    paths->ptr = mr_extend(paths->ptr, paths->len, sizeof *paths->ptr);
    paths->ptr[paths->len++] = mr_owned(path);
}

void mr_out_failure(mr_out_t *out, uint32_t row, bool retriable, const char *code, const char *message, ...) {
    exports_millrace_plugin_transform_list_record_failure_t *all = &out->failures;
    va_list more;
    va_start(more, message);
    char *text = mr_join(message, more);
    va_end(more);
    all->ptr = mr_extend(all->ptr, all->len, sizeof *all->ptr);
    all->ptr[all->len++] = (exports_millrace_plugin_transform_record_failure_t){row, retriable, mr_owned(code), mr_owned(text)};
    free(text);
}
