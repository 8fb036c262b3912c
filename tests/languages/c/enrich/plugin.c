/* Adds what a service knows: asks for each value once. */
#include <stdlib.h>
#include <string.h>

#include "country.h"
#include "known.h"
#include "millrace.h"
#include "mr_host.h"

static const mr_key_t keys[] = {
    {.name = "url", .type = MR_TEXT, .required = true, .importance = MR_HIGH, .doc = "What the value is appended to."},
    {.name = "field", .type = MR_TEXT, .required = true, .importance = MR_HIGH, .doc = "The field to look up."},
};

const mr_info_t mr_info = {
    .name = "enrich-c",
    .version = "0.1.0",
    .doc = "Adds the country that a service knows.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

enum {
    KEPT_MAX = 10000,
    /* What one call to the host takes, and how many of them it sends at a time. */
    ASKED_MAX = 1000,
    CONCURRENT = 16,
    DIGITS_MAX = 20, /* of -9223372036854775808 */
};

static const char *url;
static char *path; /* as "value.id" */
static known_t known;

static void *room(size_t size) {
    void *at = malloc(size + 1);
    if (!at) abort();
    return at;
}

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    const char *field = mr_config_required("field", error);
    url = mr_config_required("url", error);
    if (!field || !url) return false;
    path = strcat(strcpy(room(strlen("value.") + strlen(field)), "value."), field);
    return true;
}

/* A whole number as text, at the end of `to`. */
static mr_bytes_t printed(int64_t number, uint8_t to[DIGITS_MAX]) {
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    uint8_t *at = to + DIGITS_MAX;
    do *--at = (uint8_t)('0' + left % 10);
    while (left /= 10);
    if (number < 0) *--at = '-';
    return (mr_bytes_t){at, (size_t)(to + DIGITS_MAX - at)};
}

/* What the service said of a value is kept. */
static bool keep(known_entry_t *entry, const mr_http_response_t *answer, mr_error_t *error) {
    uint16_t status = mr_http_status(answer);
    if (status == 404) {
        entry->state = KNOWN_TO_NOBODY;
        return true;
    }
    if (status != 200) {
        uint8_t digits[DIGITS_MAX + 1] = {0};
        const char *shown = (const char *)printed(status, digits).at;
        return mr_fail(error, MR_RETRIABLE, "enrich.unavailable", "the service answered ", shown, NULL);
    }
    if (!country_of(mr_http_body(answer), &entry->country))
        return mr_fail(error, MR_RETRIABLE, "enrich.unavailable", "an answer without a country", NULL);
    entry->state = KNOWN;
    return true;
}

static bool ask(known_entry_t *const *asked, size_t n, mr_error_t *error) {
    mr_http_request_t *requests = room(sizeof *requests * n);
    mr_http_response_t **answers = room(sizeof *answers * n);
    mr_error_t *errors = room(sizeof *errors * n);
    memset(answers, 0, sizeof *answers * n);
    memset(errors, 0, sizeof *errors * n);
    for (size_t i = 0; i < n; i++) {
        mr_bytes_t id = asked[i]->id;
        char *whole = room(strlen(url) + id.len);
        strcpy(whole, url);
        memcpy(whole + strlen(url), id.at, id.len);
        whole[strlen(url) + id.len] = 0;
        requests[i] = (mr_http_request_t){.method = "GET", .url = whole};
    }
    bool ok = mr_http_send_all(requests, n, CONCURRENT, answers, errors, error);
    for (size_t i = 0; i < n; i++) {
        if (ok && answers[i]) ok = keep(asked[i], answers[i], error);
        else if (ok) ok = mr_fail(error, errors[i].kind, errors[i].code, errors[i].message, NULL);
        mr_http_free(answers[i]);
        mr_error_free(&errors[i]);
        free((char *)requests[i].url);
    }
    free(requests);
    free(answers);
    free(errors);
    return ok;
}

static bool look_up(known_entry_t *const *entries, size_t rows, mr_error_t *error) {
    known_entry_t *asked[ASKED_MAX];
    size_t n = 0;
    bool ok = true;
    for (size_t row = 0; ok && row < rows; row++) {
        /* Once: what is asked for is no longer new. */
        if (entries[row] && entries[row]->state == KNOWN_NOT_YET) {
            entries[row]->state = KNOWN_ASKED;
            asked[n++] = entries[row];
        }
        if (n == ASKED_MAX || (n && row + 1 == rows)) {
            ok = ask(asked, n, error);
            n = 0;
        }
    }
    if (n && ok) ok = ask(asked, n, error);
    /* After an error some are asked for again. */
    for (size_t row = 0; row < rows; row++)
        if (entries[row] && entries[row]->state == KNOWN_ASKED) entries[row]->state = KNOWN_NOT_YET;
    return ok;
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_column_t column;
    if (!mr_lent_values(lent, path, &column, error)) return false;
    if (column.kind != MR_COLUMN_TEXTS && column.kind != MR_COLUMN_INT64S) {
        mr_column_free(&column);
        return mr_fail(error, MR_FATAL, "enrich.no-text", "the field is neither text nor whole number", NULL);
    }
    if (known.len > KEPT_MAX) known_clear(&known);
    known_entry_t **entries = room(sizeof *entries * column.rows);
    for (size_t row = 0; row < column.rows; row++) {
        uint8_t digits[DIGITS_MAX];
        mr_bytes_t id = column.int64s ? printed(column.int64s[row], digits) : mr_column_at(&column, row);
        entries[row] = mr_column_is_null(&column, row) ? NULL : known_of(&known, id);
    }
    bool ok = look_up(entries, column.rows, error);
    mr_bytes_t *countries = room(sizeof *countries * column.rows);
    for (uint32_t row = 0; ok && row < column.rows; row++) {
        countries[row] = entries[row] && entries[row]->state == KNOWN ? entries[row]->country : (mr_bytes_t){NULL, 0};
        if (entries[row] && !countries[row].at)
            mr_out_failure(out, row, false, "enrich.unknown", "the service does not know it", NULL);
    }
    if (ok) mr_out_set_texts(out, "value.country", countries, column.rows);
    free(countries);
    free(entries);
    mr_column_free(&column);
    return ok;
}

void mr_close(void) {}
