/* Writing rows and batches into one growing buffer. */
#include <stdlib.h>
#include <string.h>

#include "mr_row.h"

enum { BATCH_HEAD = 16, RECORD_HEAD = 48 };

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
static void put32(uint8_t *p, uint32_t v) { put16(p, v); put16(p + 2, v >> 16); }
static void put64(uint8_t *p, uint64_t v) { put32(p, (uint32_t)v); put32(p + 4, (uint32_t)(v >> 32)); }
static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

/* Room for n more bytes, which it returns; NULL when memory, or what a u32 can address, ended. */
static uint8_t *grow(mr_buf_t *b, size_t n) {
    if (b->failed || n > UINT32_MAX - b->len) {
        b->failed = true;
        return NULL;
    }
    if (n > b->cap - b->len) {
        size_t cap = b->cap < 128 ? 256 : b->cap * 2;
        if (cap < b->len + n) cap = b->len + n;
        uint8_t *at = realloc(b->at, cap);
        if (!at) {
            b->failed = true;
            return NULL;
        }
        b->at = at;
        b->cap = cap;
    }
    b->len += n;
    return b->at + b->len - n;
}

static void append(mr_buf_t *b, const void *at, size_t n) {
    uint8_t *to = n ? grow(b, n) : NULL;
    if (to) memcpy(to, at, n);
}

void mr_buf_free(mr_buf_t *b) {
    free(b->at);
    *b = (mr_buf_t){0};
}

mr_mark_t mr_buf_begin(mr_buf_t *b, uint32_t n) {
    size_t start = b->len, words = ((size_t)n + 63) / 64, size = 4 + 8 * words + 8 * (size_t)n;
    uint8_t *p = grow(b, size);
    if (!p) return (mr_mark_t){0};
    memset(p, 0, size);
    put32(p, n);
    memset(p + 4, 0xff, n / 8);
    if (n % 8) p[4 + n / 8] = (uint8_t)((1u << n % 8) - 1);
    return (mr_mark_t){start, start + 4 + 8 * words, n};
}

void mr_buf_slot(mr_buf_t *b, mr_mark_t m, uint32_t i, uint64_t v) {
    if (i >= m.n || b->failed) return;
    put64(b->at + m.slots + 8 * (size_t)i, v);
    b->at[m.start + 4 + i / 8] &= (uint8_t)~(1u << i % 8);
}

void mr_buf_null(mr_buf_t *b, mr_mark_t m, uint32_t i) {
    if (i >= m.n || b->failed) return;
    mr_buf_slot(b, m, i, 0);
    b->at[m.start + 4 + i / 8] |= (uint8_t)(1u << i % 8);
}

void mr_buf_bool(mr_buf_t *b, mr_mark_t m, uint32_t i, bool v) { mr_buf_slot(b, m, i, v); }
void mr_buf_int64(mr_buf_t *b, mr_mark_t m, uint32_t i, int64_t v) { mr_buf_slot(b, m, i, (uint64_t)v); }

void mr_buf_float64(mr_buf_t *b, mr_mark_t m, uint32_t i, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    mr_buf_slot(b, m, i, bits);
}

static void var(mr_buf_t *b, mr_mark_t m, uint32_t i, size_t at) {
    mr_buf_slot(b, m, i, (uint64_t)(at - m.start) | (uint64_t)(b->len - at) << 32);
}

void mr_buf_bytes(mr_buf_t *b, mr_mark_t m, uint32_t i, const void *at, size_t len) {
    size_t from = b->len;
    append(b, at, len);
    var(b, m, i, from);
}

void mr_buf_text(mr_buf_t *b, mr_mark_t m, uint32_t i, const char *text) { mr_buf_bytes(b, m, i, text, strlen(text)); }
void mr_buf_row(mr_buf_t *b, mr_mark_t m, uint32_t i, mr_row_t v) { mr_buf_bytes(b, m, i, v.at, v.len); }
void mr_buf_end_nested(mr_buf_t *b, mr_mark_t m, uint32_t i, mr_mark_t nested) { var(b, m, i, nested.start); }

static mr_mark_t mark(const mr_buf_t *b, size_t start) {
    uint32_t n = get32(b->at + start);
    return (mr_mark_t){start, start + 4 + 8 * (((size_t)n + 63) / 64), n};
}

mr_mark_t mr_buf_copy(mr_buf_t *b, mr_row_t row) {
    size_t start = b->len;
    append(b, row.at, row.len);
    return b->failed || row.len < 4 ? (mr_mark_t){0} : mark(b, start);
}

static bool target(const mr_buf_t *b, mr_mark_t m, uint32_t i, size_t *at, size_t *len) {
    if (b->failed || i >= m.n || (b->at[m.start + 4 + i / 8] >> (i % 8) & 1)) return false;
    const uint8_t *slot = b->at + m.slots + 8 * (size_t)i;
    uint64_t from = (uint64_t)m.start + get32(slot);
    *len = get32(slot + 4);
    *at = (size_t)from;
    return from + *len <= b->len;
}

bool mr_buf_nested(const mr_buf_t *b, mr_mark_t m, uint32_t i, mr_mark_t *nested) {
    size_t at, len;
    if (!target(b, m, i, &at, &len) || !mr_row_of(b->at + at, len).at) return false;
    *nested = mark(b, at);
    return true;
}

bool mr_buf_overwrite(mr_buf_t *b, mr_mark_t m, uint32_t i, const void *v, size_t n) {
    size_t at, len;
    if (!target(b, m, i, &at, &len) || n > len) return false;
    if (n) memcpy(b->at + at, v, n);
    mr_buf_slot(b, m, i, (uint64_t)(at - m.start) | (uint64_t)n << 32);
    return true;
}

/* ---- batches ---- */

void mr_writer_new(mr_writer_t *w, size_t capacity) {
    *w = (mr_writer_t){0};
    uint8_t *head = grow(&w->rows, capacity < BATCH_HEAD ? BATCH_HEAD : capacity);
    if (head) memset(head, 0, BATCH_HEAD);
    w->rows.len = w->rows.failed ? 0 : BATCH_HEAD;
}

void mr_writer_free(mr_writer_t *w) {
    mr_buf_free(&w->rows);
    mr_buf_free(&w->topics);
    mr_buf_free(&w->record_at);
    *w = (mr_writer_t){0};
}

uint32_t mr_writer_len(const mr_writer_t *w) { return (uint32_t)(w->record_at.len / 4); }

uint32_t mr_writer_topic(mr_writer_t *w, mr_bytes_t name) {
    uint32_t index = 0;
    if (name.len > UINT16_MAX) w->rows.failed = true;
    for (size_t at = 0; at < w->topics.len; index++) {
        const uint8_t *p = w->topics.at + at;
        uint32_t n = get16(p);
        if (n == name.len && (n == 0 || memcmp(p + 2, name.at, n) == 0)) return index;
        at += 2 + n;
    }
    uint8_t *p = grow(&w->topics, 2 + name.len);
    if (!p) return 0;
    put16(p, (uint32_t)name.len);
    if (name.len) memcpy(p + 2, name.at, name.len);
    w->n_topics++;
    return index;
}

static void started(mr_writer_t *w) {
    uint8_t *at = grow(&w->record_at, 4);
    w->record = w->rows.len;
    w->n_headers = 0;
    if (at) put32(at, (uint32_t)w->record);
}

static void head(mr_writer_t *w, size_t field, size_t v) {
    if (!w->rows.failed) put32(w->rows.at + w->record + field, (uint32_t)v);
}

void mr_writer_begin(mr_writer_t *w, const mr_meta_t *m) {
    started(w);
    uint8_t *p = grow(&w->rows, RECORD_HEAD);
    if (!p) return;
    put32(p, m->topic);
    put32(p + 4, (uint32_t)m->partition);
    put64(p + 8, (uint64_t)m->offset);
    put64(p + 16, (uint64_t)m->timestamp);
    put32(p + 24, m->key_schema);
    put32(p + 28, m->value_schema);
    put64(p + 32, UINT64_MAX);
    put64(p + 40, 0);
}

void mr_writer_end_value(mr_writer_t *w, mr_mark_t row) { head(w, 36, w->rows.len - row.start); }
void mr_writer_end_key(mr_writer_t *w, mr_mark_t row) { head(w, 32, w->rows.len - row.start); }
void mr_writer_value(mr_writer_t *w, mr_row_t row) { mr_writer_end_value(w, mr_buf_copy(&w->rows, row)); }
void mr_writer_key(mr_writer_t *w, mr_row_t row) { mr_writer_end_key(w, mr_buf_copy(&w->rows, row)); }

void mr_writer_header(mr_writer_t *w, const mr_header_t *h) {
    if (h->name.len > UINT16_MAX) w->rows.failed = true;
    uint8_t *p = grow(&w->rows, 10);
    if (!p) return;
    put16(p, (uint32_t)h->name.len);
    put32(p + 2, h->schema);
    put32(p + 6, h->value.at ? (uint32_t)h->value.len : MR_NONE);
    append(&w->rows, h->name.at, h->name.len);
    append(&w->rows, h->value.at, h->value.len);
    w->n_headers++;
}

void mr_writer_headers_from(mr_writer_t *w, mr_record_t r) {
    mr_bytes_t all = mr_record_header_bytes(r);
    append(&w->rows, all.at, all.len);
    w->n_headers += mr_record_headers(r);
}

void mr_writer_end(mr_writer_t *w) { head(w, 40, w->n_headers); }

void mr_writer_undo(mr_writer_t *w) {
    if (w->record_at.len < 4) return;
    w->record_at.len -= 4;
    if (!w->rows.failed) w->rows.len = get32(w->record_at.at + w->record_at.len);
}

void mr_writer_copy(mr_writer_t *w, mr_record_t r, uint32_t topic) {
    started(w);
    append(&w->rows, r.at, r.len);
    head(w, 0, topic);
}

bool mr_writer_last_value(const mr_writer_t *w, mr_mark_t *row) {
    if (!mr_writer_len(w) || w->rows.failed || get32(w->rows.at + w->record + 36) == MR_NONE) return false;
    *row = mark(&w->rows, w->record + RECORD_HEAD);
    return true;
}

/* Whether the edit was made, or there is nothing to be edited. */
static bool in_place(mr_buf_t *b, mr_mark_t m, const mr_edit_t *e) {
    if (!e->depth) return true;
    for (size_t d = 0; d + 1 < e->depth; d++)
        if (!mr_buf_nested(b, m, e->path[d], &m)) return true;
    size_t at, len;
    uint32_t leaf = e->path[e->depth - 1];
    return !target(b, m, leaf, &at, &len) || mr_buf_overwrite(b, m, leaf, e->value.at, e->value.len);
}

/* The rows that the path leads through are copied behind, so that they can grow. */
static void lengthen(mr_buf_t *b, mr_mark_t m, const uint32_t *path, size_t depth, mr_bytes_t v) {
    if (depth == 1) {
        mr_buf_bytes(b, m, *path, v.at, v.len);
        return;
    }
    size_t at, len, start = b->len;
    if (!target(b, m, *path, &at, &len) || !grow(b, len)) return;
    memcpy(b->at + start, b->at + at, len);
    mr_mark_t nested = mark(b, start);
    lengthen(b, nested, path + 1, depth - 1, v);
    mr_buf_end_nested(b, m, *path, nested);
}

void mr_writer_copy_edited(mr_writer_t *w, mr_record_t r, uint32_t topic, const mr_edit_t *edits, size_t n) {
    mr_mark_t root;
    size_t done = 0;
    mr_writer_copy(w, r, topic);
    if (!mr_writer_last_value(w, &root)) return;
    while (done < n && in_place(&w->rows, root, &edits[done])) done++;
    if (done == n) return;
    /* Something grows: the value is written anew, with what grows behind it, then the key and the headers. */
    mr_writer_undo(w);
    mr_meta_t meta = mr_record_meta(r);
    meta.topic = topic;
    mr_writer_begin(w, &meta);
    root = mr_buf_copy(&w->rows, mr_record_value(r));
    for (size_t i = 0; i < n; i++)
        if (!in_place(&w->rows, root, &edits[i])) lengthen(&w->rows, root, edits[i].path, edits[i].depth, edits[i].value);
    mr_writer_end_value(w, root);
    if (mr_record_key(r).at) mr_writer_key(w, mr_record_key(r));
    mr_writer_headers_from(w, r);
    mr_writer_end(w);
}

uint8_t *mr_writer_finish(mr_writer_t *w, size_t *len) {
    uint32_t records = mr_writer_len(w), tables = (uint32_t)w->rows.len;
    append(&w->rows, w->topics.at, w->topics.len);
    append(&w->rows, w->record_at.at, w->record_at.len);
    uint8_t *p = grow(&w->rows, 4), *out = w->rows.at;
    if (!p || w->topics.failed || w->record_at.failed) {
        mr_writer_free(w);
        *len = 0;
        return NULL;
    }
    put32(p, tables);
    put32(out, MR_ROW_FORMAT);
    put32(out + 4, records);
    put32(out + 8, w->n_topics);
    put32(out + 12, tables);
    *len = w->rows.len;
    w->rows = (mr_buf_t){0};
    mr_writer_free(w);
    return out;
}
