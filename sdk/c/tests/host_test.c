/* Schemas and columns, with the host of testing/mr_test.c. Meant to be built with -fsanitize=address,undefined. */
#include <stdlib.h>
#include <string.h>

#include "transform/batch.h"
#include "mr_host.h"
#include "mr_schema.h"
#include "mr_test.h"

const mr_info_t mr_info = {.name = "none"};
bool mr_configure(const mr_context_t *context, mr_error_t *error) { return (void)context, (void)error, true; }
bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) { return (void)lent, (void)out, (void)error, true; }
void mr_close(void) {}

static bool is(const char *text, const char *expected) { return text && strcmp(text, expected) == 0; }

static void schemas(void) {
    const mr_parameter_t scale = {"scale", "2"};
    const mr_schema_t text = {.kind = MR_KIND_TEXT, .optional = true, .value = "\"none\""};
    const mr_schema_t price = {.kind = MR_KIND_BYTES, .name = "org.apache.kafka.connect.data.Decimal", .has_version = true,
                               .version = 1, .parameters = &scale, .n_parameters = 1};
    const mr_schema_t list = {.kind = MR_KIND_LIST, .element = &text}, map = {.kind = MR_KIND_MAP, .key = &text, .element = &list};
    const mr_field_t fields[] = {{"note", &text}, {"price", &price}, {"tags", &map}};
    const mr_schema_t order = {.kind = MR_KIND_STRUCT, .name = "shop.Order", .doc = "An order.", .fields = fields, .n_fields = 3};
    mr_error_t error = {0};
    uint32_t id, other;
    MR_TEST(mr_schema_intern(&order, &id, &error));
    const mr_schema_t *got = mr_schema_of(id, &error);
    MR_TEST(got && got->kind == MR_KIND_STRUCT && !got->optional && !got->has_version && got->n_fields == 3);
    MR_TEST(is(got->name, "shop.Order") && is(got->doc, "An order.") && !got->value && !got->element && !got->key);
    MR_TEST(mr_schema_index(got, "price") == 1 && mr_schema_index(got, "pric") == MR_NONE);
    const mr_schema_t *p = got->fields[1].schema, *m = got->fields[2].schema;
    MR_TEST(p->has_version && p->version == 1 && p->n_parameters == 1 && is(p->parameters[0].name, "scale"));
    MR_TEST(is(p->parameters[0].value, "2") && is(p->name, price.name) && p->kind == MR_KIND_BYTES);
    MR_TEST(m->key->kind == MR_KIND_TEXT && m->element->kind == MR_KIND_LIST && is(m->element->element->value, "\"none\""));
    MR_TEST(got->fields[0].schema->optional && mr_schema_of(id, &error) == got);
    /* What came from the host goes to it again. */
    MR_TEST(mr_schema_intern(got->fields[2].schema, &other, &error) && other != id);
    MR_TEST(mr_schema_of(other, &error)->element->element->optional && mr_schema_of(id, &error) == got);
    MR_TEST(!error.message && !mr_schema_of(4711, &error) && is(error.code, "schema.unknown"));
    mr_error_free(&error);
}

static void malformed(void) {
    /* A child that is its parent would never end. */
    millrace_plugin_types_type_node_t node = {.kind = MR_KIND_LIST, .element = {true, 0}};
    millrace_plugin_types_schema_t host = {{&node, 1}};
    mr_error_t error = {0};
    uint32_t id;
    MR_TEST(millrace_plugin_records_intern_schema(&host, &id, NULL));
    MR_TEST(!mr_schema_of(id, &error) && is(error.code, "schema.malformed"));
    mr_error_free(&error);
}

static void columns(void) {
    mr_out_t out = {0};
    mr_packed_t packed = {0};
    for (int row = 0; row < 100; row++) {
        if (row % 3 == 0) mr_packed_add(&packed, "ab", 2), mr_packed_add(&packed, "c", 1);
        mr_packed_end(&packed, row % 3 == 1);
    }
    mr_out_set_packed(&out, "value.a", &packed);
    MR_TEST(!packed.data.at && !packed.offsets.at && !packed.nulls.at);
    mr_out_set_packed(&out, "value.none", &packed);
    const mr_bytes_t texts[] = {{(const uint8_t *)"x", 1}, {NULL, 0}, {(const uint8_t *)"", 0}};
    mr_out_set_texts(&out, "value.b", texts, 3);
    MR_TEST(out.output.tag == EXPORTS_MILLRACE_PLUGIN_TRANSFORM_OUTPUT_PATCH && out.output.val.patch.set.len == 3);
    const millrace_plugin_records_column_t *set = out.output.val.patch.set.ptr;
    const millrace_plugin_records_packed_t *a = &set[0].data.val.packed;
    MR_TEST(a->offsets.len == 101 && a->data.len == 3 * 34 && set[0].nulls.len == 13);
    mr_column_t read = {.kind = MR_COLUMN_TEXTS, .offsets = a->offsets.ptr, .data = a->data.ptr, .nulls = set[0].nulls.ptr,
                        .rows = 100, .nulls_len = 13};
    for (uint32_t row = 0; row < 100; row++) {
        mr_bytes_t text = mr_column_at(&read, row);
        MR_TEST(mr_column_is_null(&read, row) == (row % 3 == 1) && !text.at == (row % 3 == 1));
        MR_TEST(row % 3 ? text.len == 0 : text.len == 3 && memcmp(text.at, "abc", 3) == 0);
    }
    MR_TEST(mr_column_is_null(&read, 100) && !mr_column_at(&read, 100).at);
    mr_column_free(&read);
    MR_TEST(set[1].data.val.packed.offsets.len == 1 && set[1].nulls.len == 0);
    MR_TEST(set[2].nulls.ptr[0] == 2 && set[2].data.val.texts.len == 3 && set[2].data.val.texts.ptr[0].ptr[0] == 'x');
}

static void texts(void) {
    MR_TEST(mr_utf8((const uint8_t *)"a\xc3\xbc\xf0\x9d\x84\x9e", 7) && mr_utf8(NULL, 0));
    MR_TEST(!mr_utf8((const uint8_t *)"\xc3", 1) && !mr_utf8((const uint8_t *)"\xed\xa0\x80", 3));
}

int main(void) {
    schemas();
    malformed();
    columns();
    texts();
    return mr_test_result();
}
