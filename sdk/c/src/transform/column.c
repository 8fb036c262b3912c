/* One field of all rows: as the host gives it, and as an answer sets it. */
#include <stdlib.h>
#include <string.h>

#include "batch.h"

/* ---- reading ---- */

/* What the host places in this memory is the caller's from then on; a list of nothing has no memory, whatever its pointer. */
#define OWNED(list) ((list).len ? (list).ptr : NULL)

bool mr_lent_values(mr_lent_t *lent, const char *path, mr_column_t *to, mr_error_t *e) {
    text_t p = {(uint8_t *)path, strlen(path)};
    millrace_plugin_records_column_t c;
    millrace_plugin_types_error_t host;
    if (!millrace_plugin_records_method_batch_column(lent->handle, &p, MILLRACE_PLUGIN_RECORDS_COLUMN_STYLE_PACKED, &c, &host))
        return mr_fail_host(e, &host);
    *to = (mr_column_t){.nulls = OWNED(c.nulls), .nulls_len = c.nulls.len};
    switch (c.data.tag) {
    case MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_PACKED:
        to->kind = MR_COLUMN_TEXTS;
        to->offsets = OWNED(c.data.val.packed.offsets);
        to->data = OWNED(c.data.val.packed.data);
        to->rows = to->offsets ? c.data.val.packed.offsets.len - 1 : 0;
        break;
    case MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_BOOLEANS:
        to->kind = MR_COLUMN_BOOLEANS;
        to->booleans = OWNED(c.data.val.booleans);
        to->rows = c.data.val.booleans.len;
        break;
    case MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_INT64S:
        to->kind = MR_COLUMN_INT64S;
        to->int64s = OWNED(c.data.val.int64s);
        to->rows = c.data.val.int64s.len;
        break;
    case MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_FLOAT64S:
        to->kind = MR_COLUMN_FLOAT64S;
        to->float64s = OWNED(c.data.val.float64s);
        to->rows = c.data.val.float64s.len;
        break;
    default:
        millrace_plugin_records_column_free(&c);
        return mr_fail(e, MR_FATAL, "records.column", "\"", path, "\" came in a form that was not asked for", NULL);
    }
    if (c.path.len) free(c.path.ptr);
    return true;
}

bool mr_lent_column(mr_lent_t *lent, const char *path, mr_column_t *column, mr_error_t *e) {
    if (!mr_lent_values(lent, path, column, e)) return false;
    if (column->kind == MR_COLUMN_TEXTS) return true;
    mr_column_free(column);
    return mr_fail(e, MR_FATAL, "records.column", "\"", path, "\" is not of text or bytes; read it with mr_lent_values", NULL);
}

bool mr_column_is_null(const mr_column_t *c, size_t row) {
    return row >= c->rows || (row / 8 < c->nulls_len && (c->nulls[row / 8] >> (row % 8) & 1));
}

mr_bytes_t mr_column_at(const mr_column_t *c, size_t row) {
    static const uint8_t empty[1];
    if (!c->offsets || mr_column_is_null(c, row)) return (mr_bytes_t){NULL, 0};
    return (mr_bytes_t){c->data ? c->data + c->offsets[row] : empty, c->offsets[row + 1] - c->offsets[row]};
}

void mr_column_free(mr_column_t *c) {
    free(c->offsets);
    free(c->data);
    free(c->nulls);
    free(c->booleans);
    free(c->int64s);
    free(c->float64s);
    *c = (mr_column_t){0};
}

/* ---- setting ---- */

/* Room for n more bytes. Memory that ended is a trap, as for all that an answer is made of. */
static uint8_t *room(mr_buf_t *b, size_t n) {
    if (n > b->cap - b->len) {
        b->cap = b->cap + n < 2 * b->cap ? 2 * b->cap : b->cap + n + 64;
        b->at = realloc(b->at, b->cap);
        if (!b->at) __builtin_trap();
    }
    b->len += n;
    return b->at + b->len - n;
}

static void offset(mr_packed_t *p) {
    uint32_t end = (uint32_t)p->data.len;
    if (end != p->data.len) __builtin_trap();
    memcpy(room(&p->offsets, sizeof end), &end, sizeof end);
}

void mr_packed_add(mr_packed_t *p, const void *at, size_t len) {
    if (!p->offsets.len) offset(p);
    if (len) memcpy(room(&p->data, len), at, len);
}

void mr_packed_end(mr_packed_t *p, bool null) {
    mr_packed_add(p, NULL, 0);
    size_t row = p->offsets.len / sizeof(uint32_t) - 1;
    if (row % 8 == 0) *room(&p->nulls, 1) = 0;
    if (null) p->nulls.at[row / 8] |= (uint8_t)(1u << row % 8);
    offset(p);
}

void mr_packed_free(mr_packed_t *p) {
    mr_buf_free(&p->data);
    mr_buf_free(&p->offsets);
    mr_buf_free(&p->nulls);
}

static millrace_plugin_records_column_t *column(mr_out_t *out, const char *path) {
    millrace_plugin_records_list_column_t *columns = &mr_patch(out)->set;
    columns->ptr = mr_extend(columns->ptr, columns->len, sizeof *columns->ptr);
    millrace_plugin_records_column_t *c = &columns->ptr[columns->len++];
    *c = (millrace_plugin_records_column_t){.path = mr_owned(path)};
    return c;
}

void mr_out_set_packed(mr_out_t *out, const char *path, mr_packed_t *p) {
    millrace_plugin_records_column_t *c = column(out, path);
    mr_packed_add(p, NULL, 0);
    c->nulls = (transform_plugin_list_u8_t){p->nulls.at, p->nulls.len};
    c->data.tag = MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_PACKED;
    c->data.val.packed.offsets = (transform_plugin_list_u32_t){(uint32_t *)(void *)p->offsets.at, p->offsets.len / sizeof(uint32_t)};
    c->data.val.packed.data = (transform_plugin_list_u8_t){p->data.at, p->data.len};
    *p = (mr_packed_t){0};
}

void mr_out_set_texts(mr_out_t *out, const char *path, const mr_bytes_t *values, size_t rows) {
    millrace_plugin_records_column_t *c = column(out, path);
    c->nulls = (transform_plugin_list_u8_t){rows ? mr_alloc((rows + 7) / 8) : NULL, (rows + 7) / 8};
    c->data.tag = MILLRACE_PLUGIN_RECORDS_COLUMN_DATA_TEXTS;
    c->data.val.texts = (transform_plugin_list_string_t){rows ? mr_alloc(sizeof(text_t) * rows) : NULL, rows};
    for (size_t i = 0; i < rows; i++) {
        if (!values[i].at) c->nulls.ptr[i / 8] |= (uint8_t)(1u << i % 8);
        else if (values[i].len) {
            text_t t = {malloc(values[i].len), values[i].len};
            if (!t.ptr) __builtin_trap();
            memcpy(t.ptr, values[i].at, t.len);
            c->data.val.texts.ptr[i] = t;
        }
    }
}
