/* Hides the text of one field. */
#include <stdlib.h>
#include <string.h>

#include "millrace.h"

static const mr_key_t keys[] = {
    {.name = "field", .type = MR_TEXT, .required = true, .importance = MR_HIGH, .doc = "The field to hide."},
    {.name = "mask", .type = MR_TEXT, .value = "***", .importance = MR_MEDIUM, .doc = "What stands in its place."},
};

const mr_info_t mr_info = {
    .name = "my-plugin",
    .version = "0.1.0",
    .doc = "Hides the text of one field.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

static const char *field, *mask;
/* Where the field is in values of each schema: looked for once a schema, not once a record. */
static mr_path_cache_t paths;

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    field = mr_config_required("field", error);
    mask = mr_config_required("mask", error);
    return field && mask;
}

/* Room for the origins of a batch, kept from call to call. */
static uint32_t *origin;
static size_t origin_room;

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_batch_t batch;
    mr_writer_t writer;
    if (!mr_lent_rows(lent, &batch, error)) return false;
    if (batch.records > origin_room) {
        free(origin);
        origin = malloc(sizeof *origin * (origin_room = batch.records));
        if (!origin) abort();
    }
    mr_writer_new(&writer, batch.len);
    for (uint32_t i = 0; i < batch.records; i++) {
        mr_record_t record = mr_batch_record(&batch, i);
        uint32_t topic = mr_writer_topic(&writer, mr_batch_topic(&batch, mr_record_topic(record)));
        uint32_t schema = mr_record_value_schema(record);
        if (!mr_record_value(record).at) { /* a tombstone: as it is */
            origin[mr_writer_len(&writer)] = i;
            mr_writer_copy(&writer, record, topic);
            continue;
        }
        const mr_path_t *path = schema == MR_NONE ? NULL : mr_path_find(&paths, schema, field, error);
        if (schema != MR_NONE && !path) {
            mr_writer_free(&writer);
            return false;
        }
        if (!path || !path->found || path->kind != MR_KIND_TEXT) {
            /* This record alone goes to errors.tolerance and the dead letter queue. */
            mr_out_failure(out, i, false, "my-plugin.no-field", "the value has no text field \"", field, "\"", NULL);
            continue;
        }
        mr_edit_t edit = mr_path_edit(path, mask, strlen(mask));
        origin[mr_writer_len(&writer)] = i;
        mr_writer_copy_edited(&writer, record, topic, &edit, 1);
    }
    return mr_out_rows(out, &writer, origin, error);
}

void mr_close(void) {}
