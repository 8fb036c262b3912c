/* Makes a record of each part of a text. */
#include <stdlib.h>
#include <string.h>

#include "millrace.h"

static const mr_key_t keys[] = {
    {.name = "field", .type = MR_TEXT, .required = true, .importance = MR_HIGH, .doc = "The field with parts joined by commas."},
};

const mr_info_t mr_info = {
    .name = "split-c",
    .version = "0.1.0",
    .doc = "Makes a record of each part of a text.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

static const char *field;
/* Where the field is in values of each schema. */
static mr_path_cache_t paths;

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    field = mr_config_required("field", error);
    return field != NULL;
}

/* The input rows that the records of an answer descend from. Its room is kept from call to call. */
static uint32_t *origin;
static size_t origin_len, origin_room;

static void descends(uint32_t row) {
    if (origin_len == origin_room) {
        origin_room = 2 * origin_room + 1024;
        origin = realloc(origin, origin_room * sizeof *origin);
        if (!origin) abort();
    }
    origin[origin_len++] = row;
}

/* Copies the record's bytes once for each part. */
static void split(mr_writer_t *writer, mr_record_t record, uint32_t topic, uint32_t row, const mr_path_t *path, mr_bytes_t text) {
    const uint8_t *at = text.at, *end = text.at + text.len, *comma;
    do {
        comma = at == end ? NULL : memchr(at, ',', (size_t)(end - at));
        mr_edit_t edit = mr_path_edit(path, at, (size_t)((comma ? comma : end) - at));
        mr_writer_copy_edited(writer, record, topic, &edit, 1);
        descends(row);
        if (comma) at = comma + 1;
    } while (comma);
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_batch_t batch;
    mr_writer_t writer;
    if (!mr_lent_rows(lent, &batch, error)) return false;
    mr_writer_new(&writer, 2 * batch.len);
    origin_len = 0;
    for (uint32_t i = 0; i < batch.records; i++) {
        mr_record_t record = mr_batch_record(&batch, i);
        uint32_t topic = mr_writer_topic(&writer, mr_batch_topic(&batch, mr_record_topic(record)));
        uint32_t schema = mr_record_value_schema(record);
        mr_row_t value = mr_record_value(record);
        mr_bytes_t text = {NULL, 0};
        const mr_path_t *path = NULL;
        if (schema != MR_NONE && value.at) {
            path = mr_path_find(&paths, schema, field, error);
            if (!path) {
                mr_writer_free(&writer);
                return false;
            }
            if (path->kind == MR_KIND_TEXT) text = mr_path_bytes(path, value);
        }
        if (text.at) {
            split(&writer, record, topic, i, path, text);
            continue;
        }
        mr_writer_copy(&writer, record, topic);
        descends(i);
    }
    return mr_out_rows(out, &writer, origin, error);
}

void mr_close(void) {}
