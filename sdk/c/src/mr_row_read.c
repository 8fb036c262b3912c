/* Views into a batch: they copy nothing. */
#include <string.h>

#include "mr_row.h"

enum { BATCH_HEAD = 16, RECORD_HEAD = 48 };

/* Byte by byte: right on every machine; compilers make one load of it where that is the same. */
static uint32_t u16_at(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32_at(const uint8_t *p) { return u16_at(p) | u16_at(p + 2) << 16; }
static uint64_t u64_at(const uint8_t *p) { return (uint64_t)u32_at(p) | (uint64_t)u32_at(p + 4) << 32; }

bool mr_utf8(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n;) {
        uint8_t c = p[i++];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 4;
        if (more == 4 || n - i < more) return false;
        /* The second byte rules out long forms, surrogates and what lies past U+10FFFF. */
        uint8_t least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        for (size_t k = 0; k < more; k++, i++, least = 0x80, most = 0xbf)
            if (p[i] < least || p[i] > most) return false;
    }
    return true;
}

static bool fits(const uint8_t *at, size_t len) {
    if (len < 4) return false;
    uint64_t n = u32_at(at);
    return len >= 4 + 8 * ((n + 63) / 64) + 8 * n;
}

const char *mr_batch_reopen(mr_batch_t *b, const uint8_t *at, size_t len) {
    if (len < BATCH_HEAD) return "shorter than its head";
    if (u32_at(at) != MR_ROW_FORMAT) return "another format number";
    size_t tables = u32_at(at + 12), left;
    *b = (mr_batch_t){at, len, u32_at(at + 4), u32_at(at + 8), tables, tables};
    if (tables < BATCH_HEAD || tables > len) return "tables outside the buffer";
    for (uint32_t i = 0; i < b->topics; i++) {
        left = len - b->record_at;
        if (left < 2 || left - 2 < u16_at(at + b->record_at)) return "topic table cut short";
        uint32_t n = u16_at(at + b->record_at);
        if (!mr_utf8(at + b->record_at + 2, n)) return "topic is not UTF-8";
        b->record_at += 2 + n;
    }
    left = len - b->record_at;
    if (left < 4 || b->records > (left - 4) / 4) return "record table cut short";
    return NULL;
}

static const char *check(mr_record_t r, uint32_t topics) {
    if (r.len < RECORD_HEAD) return "record shorter than its head";
    if (mr_record_topic(r) >= topics) return "record of a topic that is not in the table";
    size_t end = RECORD_HEAD;
    for (int field = 36; field >= 32; field -= 4) {
        uint32_t n = u32_at(r.at + field);
        if (n == MR_NONE) continue;
        if (r.len - end < n) return "key or value outside its record";
        if (!fits(r.at + end, n)) return "row shorter than its slots";
        end += n;
    }
    mr_bytes_t left = {r.at + end, r.len - end};
    mr_header_t h;
    for (uint32_t i = mr_record_headers(r); i > 0; i--)
        if (!mr_header_next(&left, &h) || !mr_utf8(h.name.at, h.name.len) || (h.value.at && !fits(h.value.at, h.value.len)))
            return "header outside its record";
    return left.len ? "bytes after a record's last header" : NULL;
}

const char *mr_batch_parse(mr_batch_t *b, const uint8_t *at, size_t len) {
    const char *bad = mr_batch_reopen(b, at, len);
    if (bad) return bad;
    size_t from = BATCH_HEAD, tables = b->topics_at;
    for (size_t i = 0; i <= b->records; i++) {
        size_t start = u32_at(at + b->record_at + 4 * i);
        if (start < from || start > tables || (i == 0 && start != BATCH_HEAD) || (i == b->records && start != tables))
            return "record table out of order";
        if (i > 0 && (bad = check((mr_record_t){at + from, start - from}, b->topics))) return bad;
        from = start;
    }
    return NULL;
}

mr_bytes_t mr_batch_topic(const mr_batch_t *b, uint32_t index) {
    const uint8_t *p = b->at + b->topics_at;
    if (index >= b->topics) return (mr_bytes_t){NULL, 0};
    while (index--) p += 2 + u16_at(p);
    return (mr_bytes_t){p + 2, u16_at(p)};
}

mr_record_t mr_batch_record(const mr_batch_t *b, uint32_t i) {
    const uint8_t *p = b->at + b->record_at + 4 * (size_t)i;
    return (mr_record_t){b->at + u32_at(p), u32_at(p + 4) - u32_at(p)};
}

uint32_t mr_record_topic(mr_record_t r) { return u32_at(r.at); }
uint32_t mr_record_key_schema(mr_record_t r) { return u32_at(r.at + 24); }
uint32_t mr_record_value_schema(mr_record_t r) { return u32_at(r.at + 28); }
uint32_t mr_record_headers(mr_record_t r) { return u32_at(r.at + 40); }

mr_meta_t mr_record_meta(mr_record_t r) {
    return (mr_meta_t){u32_at(r.at), (int32_t)u32_at(r.at + 4), (int64_t)u64_at(r.at + 8), (int64_t)u64_at(r.at + 16),
                       u32_at(r.at + 24), u32_at(r.at + 28)};
}

mr_row_t mr_record_value(mr_record_t r) {
    uint32_t n = u32_at(r.at + 36);
    return n == MR_NONE ? (mr_row_t){NULL, 0} : (mr_row_t){r.at + RECORD_HEAD, n};
}

static size_t key_at(mr_record_t r) { return RECORD_HEAD + mr_record_value(r).len; }

mr_row_t mr_record_key(mr_record_t r) {
    uint32_t n = u32_at(r.at + 32);
    return n == MR_NONE ? (mr_row_t){NULL, 0} : (mr_row_t){r.at + key_at(r), n};
}

mr_bytes_t mr_record_header_bytes(mr_record_t r) {
    size_t at = key_at(r) + mr_record_key(r).len;
    return (mr_bytes_t){r.at + at, r.len - at};
}

bool mr_header_next(mr_bytes_t *left, mr_header_t *h) {
    const uint8_t *p = left->at;
    if (left->len < 10) return false;
    uint32_t name = u16_at(p), n = u32_at(p + 6);
    size_t end = 10 + (size_t)name;
    if (left->len < end) return false;
    *h = (mr_header_t){{p + 10, name}, u32_at(p + 2), {NULL, 0}};
    if (n != MR_NONE) {
        if (left->len - end < n) return false;
        h->value = (mr_row_t){p + end, n};
        end += n;
    }
    *left = (mr_bytes_t){p + end, left->len - end};
    return true;
}

mr_row_t mr_row_of(const uint8_t *at, size_t len) {
    return fits(at, len) ? (mr_row_t){at, len} : (mr_row_t){NULL, 0};
}

uint32_t mr_row_slots(mr_row_t r) { return r.len < 4 ? 0 : u32_at(r.at); }

bool mr_row_is_null(mr_row_t r, uint32_t i) { return i >= mr_row_slots(r) || (r.at[4 + i / 8] >> (i % 8) & 1); }

uint64_t mr_row_slot(mr_row_t r, uint32_t i) {
    size_t n = mr_row_slots(r);
    return i >= n ? 0 : u64_at(r.at + 4 + 8 * ((n + 63) / 64) + 8 * (size_t)i);
}

bool mr_row_bool(mr_row_t r, uint32_t i) { return mr_row_slot(r, i) != 0; }
int64_t mr_row_int64(mr_row_t r, uint32_t i) { return (int64_t)mr_row_slot(r, i); }

double mr_row_float64(mr_row_t r, uint32_t i) {
    uint64_t bits = mr_row_slot(r, i);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

mr_bytes_t mr_row_bytes(mr_row_t r, uint32_t i) {
    uint64_t s = mr_row_slot(r, i), at = (uint32_t)s, n = s >> 32;
    if (i >= mr_row_slots(r) || at + n > r.len) return (mr_bytes_t){NULL, 0};
    return (mr_bytes_t){r.at + at, (size_t)n};
}

mr_row_t mr_row_row(mr_row_t r, uint32_t i) {
    mr_bytes_t b = mr_row_is_null(r, i) ? (mr_bytes_t){NULL, 0} : mr_row_bytes(r, i);
    return b.at ? mr_row_of(b.at, b.len) : (mr_row_t){NULL, 0};
}
