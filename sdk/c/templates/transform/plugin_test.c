#include <string.h>

#include "mr_test.h"

static bool is(mr_bytes_t text, const char *expected) {
    return text.len == strlen(expected) && memcmp(text.at, expected, text.len) == 0;
}

static void the_field_is_hidden(void) {
    static const mr_test_field_t fields[] = {{"id", MR_KIND_INT64}, {"email", MR_KIND_TEXT}};
    mr_writer_t in;
    mr_writer_new(&in, 0);
    uint32_t users = mr_writer_topic(&in, (mr_bytes_t){(const uint8_t *)"users", 5});
    mr_meta_t meta = {users, -1, -1, MR_NO_TIMESTAMP, MR_NONE, mr_test_schema(fields, 2)};
    mr_writer_begin(&in, &meta);
    mr_mark_t value = mr_buf_begin(&in.rows, 2);
    mr_buf_int64(&in.rows, value, 0, 1);
    mr_buf_text(&in.rows, value, 1, "ada@example.com");
    mr_writer_end_value(&in, value);
    mr_writer_end(&in);
    mr_writer_begin(&in, &meta); /* a tombstone */
    mr_writer_end(&in);
    meta.value_schema = MR_NONE;
    mr_writer_begin(&in, &meta);
    value = mr_buf_begin(&in.rows, 1);
    mr_buf_text(&in.rows, value, 0, "{\"email\":\"without a schema\"}");
    mr_writer_end_value(&in, value);
    mr_writer_end(&in);

    mr_test_set("field", "email");
    MR_TEST(mr_test_configure() == NULL);
    MR_TEST(mr_test_apply(&in) == NULL);
    const mr_batch_t *out = mr_test_out();
    MR_TEST(out->records == 2);
    mr_row_t first = mr_record_value(mr_batch_record(out, 0));
    MR_TEST(mr_row_int64(first, 0) == 1);
    MR_TEST(is(mr_row_bytes(first, 1), "***"));
    MR_TEST(mr_record_value(mr_batch_record(out, 1)).at == NULL);
    MR_TEST(mr_test_failures() == 1 && mr_test_failure(0).row == 2);
    MR_TEST(strcmp(mr_test_failure(0).code, "my-plugin.no-field") == 0);
}

static void a_missing_field_is_an_error_of_its_key(void) {
    mr_test_set("field", NULL);
    const char *message = mr_test_configure();
    MR_TEST(message && strcmp(message, "\"field\" is missing; give it a value") == 0);
    MR_TEST(mr_test_error_field() && strcmp(mr_test_error_field(), "field") == 0);
}

int main(void) {
    the_field_is_hidden();
    a_missing_field_is_an_error_of_its_key();
    return mr_test_result();
}
