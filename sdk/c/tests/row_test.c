/* Holds the codec to the vectors of wit/row/vectors (made, and described, by wit/row/examples/vectors.rs).
 * Usage: row_test VECTORS. Meant to be built with -fsanitize=address,undefined. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mr_row.h"

#define CHECK(ok, ...) do { if (!(ok)) { fprintf(stderr, __VA_ARGS__); fputc('\n', stderr); failures++; } } while (0)
static int failures;

typedef struct shape { char kind; int n; struct shape *of; } shape;
static shape schemas[64];
static int n_schemas;
static shape text_root;

static char *read_file(const char *dir, const char *name, const char *end, size_t *len) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, end);
    FILE *f = fopen(path, "rb");
    if (!f) { perror(path); exit(2); }
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    char *all = malloc(*len + 1);
    if (fread(all, 1, *len, f) != *len) exit(2);
    all[*len] = 0;
    fclose(f);
    return all;
}

static shape parse_shape(const char **at) {
    shape s = {*(*at)++, 0, NULL};
    char end = s.kind == '{' ? '}' : s.kind == '[' ? ']' : s.kind == '(' ? ')' : 0;
    while (end && **at != end) {
        s.of = realloc(s.of, sizeof(shape) * (size_t)(s.n + 1));
        s.of[s.n] = parse_shape(at);
        s.n++;
    }
    if (end) ++*at;
    return s;
}

/* A struct's fields are the slots of a root row; anything else is its one slot. */
static shape as_root(shape s) {
    if (s.kind == '{') return s;
    shape *one = malloc(sizeof *one);
    *one = s;
    return (shape){'{', 1, one};
}

static char *out;
static size_t out_len, out_cap;
static unsigned budget;
static void put(const void *p, size_t n) {
    if (out_len + n > out_cap) out = realloc(out, out_cap = 2 * (out_len + n) + 64);
    if (n) memcpy(out + out_len, p, n);
    out_len += n;
}
static void puts_(const char *s) { put(s, strlen(s)); }
static void putf(const char *format, int64_t v) {
    char b[32];
    put(b, (size_t)snprintf(b, sizeof b, format, v));
}

static void print_row(mr_row_t r, const shape *s);

static void print_slot(mr_row_t r, uint32_t i, const shape *s) {
    if (!budget) { puts_("!"); return; }
    budget--;
    if (mr_row_is_null(r, i)) { puts_("~"); return; }
    mr_bytes_t b;
    mr_row_t nested;
    switch (s->kind) {
    case 'i': putf("%" PRId64, mr_row_int64(r, i)); return;
    case 'b': puts_(mr_row_bool(r, i) ? "T" : "F"); return;
    case 'f': {
        double v = mr_row_float64(r, i);
        int64_t bits;
        memcpy(&bits, &v, 8);
        putf("%016" PRIx64, bits);
        return;
    }
    case 't': case 'x':
        b = mr_row_bytes(r, i);
        if (!b.at) { puts_("?"); return; }
        puts_("<");
        for (size_t k = 0; k < b.len; k++) putf("%02" PRIx64, b.at[k]);
        puts_(">");
        return;
    }
    nested = mr_row_row(r, i);
    if (!nested.at) { puts_("?"); return; }
    if (s->kind == '{') { print_row(nested, s); return; }
    if (s->kind == '[') {
        puts_("[");
        for (uint32_t k = 0; k < mr_row_slots(nested); k++) {
            print_slot(nested, k, &s->of[0]);
            puts_(" ");
            if (!budget) break;
        }
        puts_("]");
        return;
    }
    shape keys = {'[', 1, &s->of[0]}, values = {'[', 1, &s->of[1]};
    puts_("(");
    print_slot(nested, 0, &keys);
    puts_(":");
    print_slot(nested, 1, &values);
    puts_(")");
}

static void print_row(mr_row_t r, const shape *s) {
    puts_("{");
    for (int i = 0; i < s->n; i++) { print_slot(r, (uint32_t)i, &s->of[i]); puts_(" "); }
    puts_("}");
}

static const shape *shape_of(uint32_t id) {
    return id == MR_NONE ? &text_root : id < (uint32_t)n_schemas ? &schemas[id] : NULL;
}

static void print_part(mr_row_t r, uint32_t id) {
    putf("%" PRId64, id == MR_NONE ? -1 : (int64_t)id);
    puts_("=");
    if (!r.at) puts_("-");
    else if (shape_of(id)) print_row(r, shape_of(id));
    else puts_("?");
}

static void print(const mr_batch_t *b) {
    out_len = 0;
    budget = 20000;
    for (uint32_t i = 0; i < b->records; i++) {
        mr_record_t r = mr_batch_record(b, i);
        mr_meta_t m = mr_record_meta(r);
        mr_bytes_t topic = mr_batch_topic(b, m.topic);
        put(topic.at, topic.len);
        putf(" %" PRId64, m.partition < 0 ? -1 : m.partition);
        putf(" %" PRId64, m.offset < 0 ? -1 : m.offset);
        putf(" %" PRId64 " value ", m.timestamp);
        print_part(mr_record_value(r), m.value_schema);
        puts_(" key ");
        print_part(mr_record_key(r), m.key_schema);
        mr_bytes_t left = mr_record_header_bytes(r);
        mr_header_t h;
        for (uint32_t k = mr_record_headers(r); k > 0 && mr_header_next(&left, &h); k--) {
            puts_(" header ");
            put(h.name.at, h.name.len);
            puts_(" ");
            print_part(h.value, h.schema);
        }
        puts_("\n");
    }
}

/* Writes a row anew, slot by slot. */
static mr_mark_t again(mr_buf_t *b, mr_row_t r, const shape *s, uint32_t n, bool list) {
    mr_mark_t m = mr_buf_begin(b, n);
    for (uint32_t i = 0; i < n; i++) {
        const shape *of = list ? &s->of[0] : &s->of[i];
        if (mr_row_is_null(r, i)) continue;
        mr_bytes_t v = mr_row_bytes(r, i);
        mr_row_t nested = mr_row_row(r, i);
        switch (of->kind) {
        case 'i': mr_buf_int64(b, m, i, mr_row_int64(r, i)); break;
        case 'b': mr_buf_bool(b, m, i, mr_row_bool(r, i)); break;
        case 'f': mr_buf_float64(b, m, i, mr_row_float64(r, i)); break;
        case 't': case 'x': mr_buf_bytes(b, m, i, v.at, v.len); break;
        case '{': mr_buf_end_nested(b, m, i, again(b, nested, of, (uint32_t)of->n, false)); break;
        case '[': mr_buf_end_nested(b, m, i, again(b, nested, of, mr_row_slots(nested), true)); break;
        case '(': {
            shape lists[2] = {{'[', 1, &of->of[0]}, {'[', 1, &of->of[1]}}, pair = {'{', 2, lists};
            mr_buf_end_nested(b, m, i, again(b, nested, &pair, 2, false));
        }
        }
    }
    return m;
}

static void round_trip(const char *dir, const char *name) {
    size_t len, want_len, got_len;
    char *input = read_file(dir, name, ".rows", &len), *want = read_file(dir, name, ".txt", &want_len);
    mr_batch_t b;
    const char *bad = mr_batch_parse(&b, (uint8_t *)input, len);
    CHECK(!bad, "%s: %s", name, bad);
    print(&b);
    CHECK(out_len == want_len && (!want_len || memcmp(out, want, want_len) == 0), "%s reads otherwise:\n%.*s", name, (int)out_len, out);
    mr_writer_t copied, written;
    mr_writer_new(&copied, 0);
    mr_writer_new(&written, 1000);
    for (uint32_t i = 0; i < b.topics; i++) mr_writer_topic(&copied, mr_batch_topic(&b, i));
    for (uint32_t i = 0; i < b.records; i++) {
        mr_record_t r = mr_batch_record(&b, i);
        mr_meta_t m = mr_record_meta(r);
        mr_bytes_t topic = mr_batch_topic(&b, m.topic);
        mr_writer_copy(&copied, r, mr_writer_topic(&copied, topic));
        m.topic = mr_writer_topic(&written, topic);
        mr_writer_begin(&written, &m);
        mr_row_t v = mr_record_value(r), k = mr_record_key(r);
        const shape *vs = shape_of(m.value_schema), *ks = shape_of(m.key_schema);
        if (v.at) mr_writer_end_value(&written, again(&written.rows, v, vs, (uint32_t)vs->n, false));
        if (k.at) mr_writer_end_key(&written, again(&written.rows, k, ks, (uint32_t)ks->n, false));
        mr_bytes_t left = mr_record_header_bytes(r);
        mr_header_t h;
        while (mr_header_next(&left, &h)) mr_writer_header(&written, &h);
        mr_writer_end(&written);
    }
    uint8_t *got = mr_writer_finish(&copied, &got_len);
    CHECK(got && got_len == len && memcmp(got, input, len) == 0, "%s: a copy of every record is another buffer", name);
    free(got);
    got = mr_writer_finish(&written, &got_len);
    CHECK(got && got_len == len && memcmp(got, input, len) == 0, "%s: every record written anew is another buffer", name);
    free(got);
    free(input);
    free(want);
}

static void mutations(const char *dir) {
    size_t all_len;
    char *all = read_file(dir, "mutations", "", &all_len), *line = strtok(all, "\n");
    int n = 0;
    for (; line; line = strtok(NULL, "\n"), n++) {
        char name[32], kind[8], want[32], got[32] = "refused";
        size_t at, len;
        unsigned flip;
        if (sscanf(line, "%31s %7s %zu %u %31s", name, kind, &at, &flip, want) != 5) exit(2);
        char *base = read_file(dir, name, ".rows", &len);
        if (strcmp(kind, "cut") == 0) len = at;
        else base[at] ^= (char)flip;
        /* A buffer of exactly its length, so that the sanitizer sees a read past it. */
        uint8_t *input = malloc(len);
        if (len) memcpy(input, base, len);
        mr_batch_t b;
        if (!mr_batch_parse(&b, input, len)) {
            uint64_t h = 0xcbf29ce484222325;
            print(&b);
            for (size_t i = 0; i < out_len; i++) h = (h ^ (uint8_t)out[i]) * 0x100000001b3;
            snprintf(got, sizeof got, "%016" PRIx64, h);
        }
        CHECK(strcmp(got, want) == 0, "%s: %s", line, got);
        free(input);
        free(base);
    }
    CHECK(n >= 1000, "%d mutations", n);
    free(all);
}

static void edit(const char *want, const mr_edit_t *edits, size_t n) {
    mr_writer_t w;
    size_t len;
    mr_writer_new(&w, 0);
    mr_bytes_t t = {(const uint8_t *)"t", 1};
    mr_meta_t meta = {mr_writer_topic(&w, t), -1, 9, MR_NO_TIMESTAMP, MR_NONE, 3};
    mr_writer_begin(&w, &meta);
    mr_mark_t root = mr_buf_begin(&w.rows, 3), after, key;
    mr_buf_text(&w.rows, root, 0, "note");
    after = mr_buf_begin(&w.rows, 2);
    mr_buf_text(&w.rows, after, 0, "ada@example.com");
    mr_buf_text(&w.rows, after, 1, "Ada");
    mr_buf_end_nested(&w.rows, root, 2, after);
    mr_writer_end_value(&w, root);
    key = mr_buf_begin(&w.rows, 1);
    mr_buf_int64(&w.rows, key, 0, 42);
    mr_writer_end_key(&w, key);
    mr_writer_header(&w, &(mr_header_t){{(const uint8_t *)"h", 1}, MR_NONE, {NULL, 0}});
    mr_writer_end(&w);
    uint8_t *in = mr_writer_finish(&w, &len);
    mr_batch_t b;
    CHECK(!mr_batch_parse(&b, in, len), "what was written is no batch");
    mr_writer_new(&w, 0);
    mr_writer_copy_edited(&w, mr_batch_record(&b, 0), mr_writer_topic(&w, t), edits, n);
    uint8_t *changed = mr_writer_finish(&w, &len);
    CHECK(!mr_batch_parse(&b, changed, len), "what was edited is no batch");
    mr_record_t r = mr_batch_record(&b, 0);
    mr_row_t v = mr_record_value(r), a = mr_row_row(v, 2);
    mr_bytes_t s0 = mr_row_bytes(v, 0), s1 = mr_row_bytes(a, 0), s2 = mr_row_bytes(a, 1);
    char got[256];
    snprintf(got, sizeof got, "%d %d %d %.*s|%d|%.*s|%.*s", (int)mr_record_meta(r).offset, (int)mr_row_int64(mr_record_key(r), 0),
             (int)mr_record_headers(r), (int)s0.len, s0.at, mr_row_is_null(v, 1), (int)s1.len, s1.at, (int)s2.len, s2.at);
    CHECK(strcmp(got, want) == 0, "edited to %s and not %s", got, want);
    free(in);
    free(changed);
}

#define VALUE(s) {(const uint8_t *)s, sizeof s - 1}
static void edits(void) {
    static const uint32_t note[] = {0}, before[] = {1, 0}, email[] = {2, 0}, name[] = {2, 1}, none[] = {9};
    edit("9 42 1 note|1|ada@example.com|Ada", NULL, 0);
    edit("9 42 1 note|1|ada@example.com|Ada", (mr_edit_t[]){{before, 2, VALUE("null")}, {none, 1, VALUE("x")}}, 2);
    edit("9 42 1 |1|***|Ada", (mr_edit_t[]){{email, 2, VALUE("***")}, {note, 1, {NULL, 0}}}, 2);
    edit("9 42 1 a longer note|1|a.much.longer@example.com|Ada Lovelace",
         (mr_edit_t[]){{name, 2, VALUE("Ada Lovelace")}, {email, 2, VALUE("a.much.longer@example.com")}, {note, 1, VALUE("a longer note")}}, 3);
}

int main(int argc, char **argv) {
    if (argc != 2) { fprintf(stderr, "usage: %s VECTORS\n", argv[0]); return 2; }
    size_t len;
    char *all = read_file(argv[1], "shapes", "", &len);
    for (const char *at = all; *at; at += *at == '\n') schemas[n_schemas++] = as_root(parse_shape(&at));
    text_root = as_root((shape){'t', 0, NULL});
    static const char *names[] = {"empty", "plain", "changing", "nested", "wide", "big"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) round_trip(argv[1], names[i]);
    mutations(argv[1]);
    edits();
    free(all);
    if (!failures) puts("row codec: every vector, every mutation and every edit as expected");
    return failures != 0;
}
