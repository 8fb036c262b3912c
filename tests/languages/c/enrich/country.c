#include "country.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100 };

typedef struct { const uint8_t *at, *end; } json_t;

/* Skips what is blank; false: that was all. */
static bool blank(json_t *j) {
    while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at) j->at++;
    return j->at < j->end;
}

/* Reads this one, if it is the next. */
static bool next(json_t *j, char wanted) {
    bool is = blank(j) && *j->at == wanted;
    j->at += is;
    return is;
}

static bool hex4(json_t *j, uint32_t *code) {
    *code = 0;
    if (j->end - j->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *digit = *j->at ? strchr(digits, *j->at >= 'A' ? *j->at | 0x20 : *j->at) : NULL;
        if (!digit) return false;
        *code = *code << 4 | (uint32_t)(digit - digits);
        j->at++;
    }
    return true;
}

static uint8_t *utf8(uint8_t *to, uint32_t c) {
    if (c < 0x80) return *to++ = (uint8_t)c, to;
    if (c < 0x800) *to++ = (uint8_t)(0xc0 | c >> 6);
    else if (c < 0x10000) *to++ = (uint8_t)(0xe0 | c >> 12), *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
    else *to++ = (uint8_t)(0xf0 | c >> 18), *to++ = (uint8_t)(0x80 | (c >> 12 & 63)), *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
    return *to++ = (uint8_t)(0x80 | (c & 63)), to;
}

/* What an escape stands for; its backslash has been read. */
static bool escaped(json_t *j, uint32_t *code) {
    static const char *const names = "\"\\/bfnrt", *const stand = "\"\\/\b\f\n\r\t";
    if (j->at == j->end || !*j->at) return false;
    uint8_t c = *j->at++;
    const char *name = strchr(names, c);
    if (name) return *code = (uint8_t)stand[name - names], true;
    uint32_t low;
    if (c != 'u' || !hex4(j, code) || (*code >> 10) == 0x37) return false;
    if ((*code >> 10) != 0x36) return true;
    /* The first half of a pair. */
    if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u') return false;
    j->at += 2;
    if (!hex4(j, &low) || (low >> 10) != 0x37) return false;
    *code = 0x10000 + ((*code & 0x3ff) << 10 | (low & 0x3ff));
    return true;
}

/* A text, whose memory is the caller's. */
static bool text(json_t *j, mr_bytes_t *found) {
    if (!next(j, '"')) return false;
    /* What is read is never longer than how it is written. */
    uint8_t *all = malloc((size_t)(j->end - j->at) + 1), *to = all;
    if (!all) abort();
    while (j->at < j->end && *j->at != '"' && *j->at >= 0x20) {
        uint32_t code;
        if (*j->at != '\\') *to++ = *j->at++;
        else if (j->at++, escaped(j, &code)) to = utf8(to, code);
        else return free(all), false;
    }
    if (j->at == j->end || *j->at++ != '"') return free(all), false;
    *found = (mr_bytes_t){all, (size_t)(to - all)};
    return true;
}

static bool skip(json_t *j, int depth);

/* The members of an object up to its end, and of them the last text "country". */
static bool members(json_t *j, int depth, mr_bytes_t *country) {
    if (next(j, '}')) return true;
    do {
        mr_bytes_t name, value = {NULL, 0};
        if (!text(j, &name)) return false;
        bool wanted = country && name.len == 7 && memcmp(name.at, "country", 7) == 0;
        free((void *)name.at);
        if (!next(j, ':') || !blank(j)) return false;
        if (!(wanted && *j->at == '"' ? text(j, &value) : skip(j, depth))) return false;
        if (wanted) {
            free((void *)country->at);
            *country = value;
        }
    } while (next(j, ','));
    return next(j, '}');
}

static bool skip(json_t *j, int depth) {
    if (depth == DEPTH_MAX || !blank(j)) return false;
    if (*j->at == '"') {
        mr_bytes_t unused;
        if (!text(j, &unused)) return false;
        free((void *)unused.at);
        return true;
    }
    if (next(j, '{')) return members(j, depth + 1, NULL);
    if (next(j, '[')) {
        if (next(j, ']')) return true;
        do
            if (!skip(j, depth + 1)) return false;
        while (next(j, ','));
        return next(j, ']');
    }
    /* A number or a word: which does not matter here. */
    const uint8_t *from = j->at;
    while (j->at < j->end && *j->at && strchr("+-.0123456789Eaeflnrstu", *j->at)) j->at++;
    return j->at > from;
}

bool country_of(mr_bytes_t json, mr_bytes_t *country) {
    json_t j = {json.at, json.at + json.len};
    *country = (mr_bytes_t){NULL, 0};
    bool ok = mr_utf8(json.at, json.len) && next(&j, '{') && members(&j, 0, country) && !blank(&j) && country->at;
    if (!ok) {
        free((void *)country->at);
        *country = (mr_bytes_t){NULL, 0};
    }
    return ok;
}
