/* For tests: does what the field "do" of each value says, over records as simple values. */
#include <stdlib.h>
#include <string.h>

#include "mr_plain.h"

const mr_info_t mr_info = {.name = "plain-c", .version = "0.1.0", .doc = "For tests: does what the field \"do\" of a value says."};

bool mr_configure(const mr_context_t *context, mr_error_t *error) { return (void)context, (void)error, true; }
void mr_close(void) {}

/* What stands behind a field's name, blanks or not. */
static const char *behind(const char *value, const char *name) {
    const char *at = strstr(value, name);
    return at ? at + strlen(name) + strspn(at + strlen(name), ": ") : "";
}

static bool does(const char *value, const char *what) { return strncmp(behind(value, "\"do\""), what, strlen(what)) == 0; }

/* The JSON text with another number behind "id": of one digit, as the old is. */
static char *with_id(const char *value, char digit) {
    char *made = strdup(value);
    made[behind(value, "\"id\"") - value] = digit;
    return made;
}

bool mr_plain_apply(const mr_plain_record_t *record, mr_plain_out_t *out, mr_error_t *error) {
    (void)error;
    if (!record->value) return true;
    mr_plain_record_t made = *record;
    if (does(record->value, "\"edit\"")) {
        char topic[64] = "";
        strncat(strncat(topic, record->topic, 40), "-edited", 8);
        mr_plain_header_t by = {"by", "\"c\""};
        char *value = with_id(record->value, '7');
        made.topic = topic, made.value = value, made.headers = &by, made.n_headers = 1;
        mr_plain_emit(out, &made);
        free(value);
    } else if (does(record->value, "\"drop\"")) {
        mr_plain_drop(out);
    } else if (does(record->value, "\"split\"")) {
        for (char digit = '1'; digit <= '2'; digit++) {
            char *value = with_id(record->value, digit);
            made.value = value;
            mr_plain_emit(out, &made);
            free(value);
        }
    } else if (does(record->value, "\"fail\"")) {
        mr_plain_failure(out, false, "plain.asked", "the record asked for it", NULL);
    }
    return true;
}
