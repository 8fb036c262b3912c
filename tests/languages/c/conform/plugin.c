/* Does what the header "do" of each record asks, with all that the SDK's codec can: every record is written anew, value by value. */
#include <stdlib.h>
#include <string.h>

#include "millrace.h"
#include "mr_schema.h"

static const mr_key_t keys[] = {
    {.name = "broken", .type = MR_BOOLEAN, .value = "false", .importance = MR_MEDIUM, .doc = "Whether every batch is an error."},
};

const mr_info_t mr_info = {
    .name = "conform-c",
    .version = "0.1.0",
    .doc = "Does what the header \"do\" of each record asks.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

static bool broken;

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    return mr_config_bool("broken", &broken, error);
}

static void *grown(void *at, size_t size) {
    at = realloc(at, size);
    if (!at) abort();
    return at;
}

/* ---- a key, a value or a header, value by value ---- */

typedef enum { COPY, DROP, ROUTE, TWICE, EDIT, REMOVE, FAIL } wish_t;

static mr_mark_t fields(mr_buf_t *out, const mr_schema_t *schema, mr_row_t from, wish_t wish);
static mr_mark_t list(mr_buf_t *out, const mr_schema_t *element, mr_row_t from);

static void slot(mr_buf_t *out, mr_mark_t to, uint32_t at, const mr_schema_t *schema, mr_row_t from, uint32_t i) {
    if (mr_row_is_null(from, i)) return;
    mr_bytes_t bytes;
    mr_row_t parts;
    mr_mark_t both;
    switch (schema ? schema->kind : MR_KIND_ANY) {
    case MR_KIND_BOOLEAN: mr_buf_bool(out, to, at, mr_row_bool(from, i)); break;
    case MR_KIND_INT8:
    case MR_KIND_INT16:
    case MR_KIND_INT32:
    case MR_KIND_INT64: mr_buf_int64(out, to, at, mr_row_int64(from, i)); break;
    case MR_KIND_FLOAT32:
    case MR_KIND_FLOAT64: mr_buf_float64(out, to, at, mr_row_float64(from, i)); break;
    case MR_KIND_TEXT:
    case MR_KIND_BYTES:
    case MR_KIND_ANY:
        bytes = mr_row_bytes(from, i);
        mr_buf_bytes(out, to, at, bytes.at, bytes.len);
        break;
    case MR_KIND_STRUCT: mr_buf_end_nested(out, to, at, fields(out, schema, mr_row_row(from, i), COPY)); break;
    case MR_KIND_LIST: mr_buf_end_nested(out, to, at, list(out, schema->element, mr_row_row(from, i))); break;
    case MR_KIND_MAP:
        parts = mr_row_row(from, i);
        both = mr_buf_begin(out, 2);
        mr_buf_end_nested(out, both, 0, list(out, schema->key, mr_row_row(parts, 0)));
        mr_buf_end_nested(out, both, 1, list(out, schema->element, mr_row_row(parts, 1)));
        mr_buf_end_nested(out, to, at, both);
        break;
    }
}

static mr_mark_t list(mr_buf_t *out, const mr_schema_t *element, mr_row_t from) {
    mr_mark_t to = mr_buf_begin(out, mr_row_slots(from));
    for (uint32_t i = 0; i < mr_row_slots(from); i++) slot(out, to, i, element, from, i);
    return to;
}

static mr_mark_t fields(mr_buf_t *out, const mr_schema_t *schema, mr_row_t from, wish_t wish) {
    uint32_t note = wish == EDIT || wish == REMOVE ? mr_schema_index(schema, "note") : MR_NONE, next = 0;
    mr_mark_t to = mr_buf_begin(out, (uint32_t)schema->n_fields - (wish == REMOVE && note != MR_NONE));
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (i == note && wish == REMOVE) continue;
        if (i == note) mr_buf_text(out, to, next, "edited");
        else slot(out, to, next, schema->fields[i].schema, from, i);
        next++;
    }
    return to;
}

/* What is no struct is one slot, and without a schema that is one text. */
static mr_mark_t root(mr_buf_t *out, const mr_schema_t *schema, mr_row_t from, wish_t wish) {
    if (schema && schema->kind == MR_KIND_STRUCT) return fields(out, schema, from, wish);
    mr_mark_t to = mr_buf_begin(out, 1);
    slot(out, to, 0, schema, from, 0);
    return to;
}

/* ---- a record ---- */

/* False: the host does not know it, and error says so. NULL where there is none. */
static bool schema_of(uint32_t id, const mr_schema_t **schema, mr_error_t *error) {
    *schema = id == MR_NONE ? NULL : mr_schema_of(id, error);
    return id == MR_NONE || *schema;
}

/* The id of the schema without its field "note", asked for once. */
static bool without(uint32_t id, const mr_schema_t *of, uint32_t *made, mr_error_t *error) {
    static struct { uint32_t id, made; } *known;
    static size_t n;
    for (size_t i = 0; i < n; i++)
        if (known[i].id == id) return *made = known[i].made, true;
    mr_schema_t changed = *of;
    mr_field_t *kept = grown(NULL, sizeof *kept * (of->n_fields + 1));
    changed.fields = kept;
    changed.n_fields = 0;
    for (size_t i = 0; i < of->n_fields; i++)
        if (strcmp(of->fields[i].name, "note") != 0) kept[changed.n_fields++] = of->fields[i];
    bool ok = mr_schema_intern(&changed, made, error);
    free(kept);
    if (!ok) return false;
    known = grown(known, sizeof *known * (n + 1));
    known[n].id = id;
    known[n++].made = *made;
    return true;
}

static bool same(mr_bytes_t text, const char *word) { return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0; }

/* The header "do". */
static wish_t wish_of(mr_record_t record) {
    static const char *const words[] = {"copy", "drop", "route", "twice", "edit", "remove", "fail"};
    mr_bytes_t left = mr_record_header_bytes(record);
    mr_header_t header;
    wish_t wish = COPY;
    while (mr_header_next(&left, &header)) {
        mr_bytes_t word = same(header.name, "do") ? mr_row_bytes(header.value, 0) : (mr_bytes_t){NULL, 0};
        for (int i = COPY; word.at && i <= FAIL; i++)
            if (same(word, words[i])) wish = (wish_t)i;
    }
    return wish;
}

static bool write(mr_writer_t *out, mr_record_t record, uint32_t topic, wish_t wish, mr_error_t *error) {
    mr_meta_t meta = mr_record_meta(record);
    const mr_schema_t *key, *value, *schema;
    if (!schema_of(meta.key_schema, &key, error) || !schema_of(meta.value_schema, &value, error)) return false;
    meta.topic = topic;
    if (wish == REMOVE && value && !without(meta.value_schema, value, &meta.value_schema, error)) return false;
    mr_writer_begin(out, &meta);
    if (mr_record_value(record).at) mr_writer_end_value(out, root(&out->rows, value, mr_record_value(record), wish));
    if (mr_record_key(record).at) mr_writer_end_key(out, root(&out->rows, key, mr_record_key(record), COPY));
    mr_bytes_t left = mr_record_header_bytes(record);
    mr_header_t header;
    while (mr_header_next(&left, &header)) {
        mr_buf_t row = {0};
        if (!schema_of(header.schema, &schema, error)) return false;
        if (header.value.at) {
            root(&row, schema, header.value, COPY);
            header.value = (mr_row_t){row.at, row.len};
        }
        mr_writer_header(out, &header);
        mr_buf_free(&row);
    }
    mr_writer_end(out);
    return true;
}

/* ---- a batch ---- */

static uint32_t routed(mr_writer_t *out, mr_bytes_t topic) {
    uint8_t *name = grown(NULL, topic.len + 7);
    memcpy(name, topic.at, topic.len);
    memcpy(name + topic.len, "-routed", 7);
    uint32_t index = mr_writer_topic(out, (mr_bytes_t){name, topic.len + 7});
    free(name);
    return index;
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    if (broken) return mr_fail(error, MR_FATAL, "conform.broken", "as asked", NULL);
    mr_batch_t batch;
    if (!mr_lent_rows(lent, &batch, error)) return false;
    mr_writer_t writer;
    mr_writer_new(&writer, batch.len);
    uint32_t *origin = grown(NULL, sizeof *origin * (2 * (size_t)batch.records + 1));
    bool ok = true;
    for (uint32_t i = 0; ok && i < batch.records; i++) {
        mr_record_t record = mr_batch_record(&batch, i);
        mr_bytes_t topic = mr_batch_topic(&batch, mr_record_topic(record));
        wish_t wish = wish_of(record);
        if (wish == FAIL) mr_out_failure(out, i, false, "conform.asked", "as asked", NULL);
        for (int times = wish == DROP || wish == FAIL ? 0 : wish == TWICE ? 2 : 1; ok && times > 0; times--) {
            origin[mr_writer_len(&writer)] = i;
            ok = write(&writer, record, wish == ROUTE ? routed(&writer, topic) : mr_writer_topic(&writer, topic), wish, error);
        }
    }
    if (ok) ok = mr_out_rows(out, &writer, origin, error);
    else mr_writer_free(&writer);
    free(origin);
    return ok;
}

void mr_close(void) {}
