/* Hides an e-mail address, and leaves its hash beside it. It asks for one column and answers with two; the rest of the records never
 * leaves the host. */
#include <stdlib.h>
#include <string.h>

#include "millrace.h"
#include "mr_host.h"
#include "sha256.h"

static const mr_key_t keys[] = {
    {.name = "field", .type = MR_TEXT, .required = true, .importance = MR_HIGH, .doc = "The field that holds the address."},
    {.name = "salt", .type = MR_TEXT, .value = "", .importance = MR_MEDIUM, .doc = "What the hash begins with."},
};

const mr_info_t mr_info = {
    .name = "mask-hash-c",
    .version = "0.1.0",
    .doc = "Hides an e-mail address, and leaves its hash beside it.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

enum { DIGITS = 64 };

/* As "value.email" and "value.email_hash". */
static char *path, *hash_path;
/* What every hash begins with. */
static sha256_t salted;

static char *joined(const char *a, const char *b, const char *c) {
    char *all = malloc(strlen(a) + strlen(b) + strlen(c) + 1);
    if (!all) abort();
    return strcat(strcat(strcpy(all, a), b), c);
}

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    const char *field = mr_config_required("field", error), *salt = mr_config("salt");
    if (!field) return false;
    path = joined("value.", field, "");
    hash_path = joined("value.", field, "_hash");
    sha256_begin(&salted);
    sha256_add(&salted, salt, strlen(salt));
    return true;
}

/* Whether it is an address. */
static bool mask(mr_packed_t *masked, mr_bytes_t address) {
    const uint8_t *at = memchr(address.at, '@', address.len);
    size_t first = 1;
    if (!at || at == address.at) return false;
    while (address.at[first] >> 6 == 2) first++;
    mr_packed_add(masked, address.at, first);
    mr_packed_add(masked, "***", 3);
    mr_packed_add(masked, at, address.len - (size_t)(at - address.at));
    return true;
}

static mr_bytes_t hash(mr_bytes_t address, uint8_t *to) {
    uint8_t digest[DIGITS / 2];
    sha256_t sha = salted;
    sha256_add(&sha, address.at, address.len);
    sha256_end(&sha, digest);
    for (int i = 0; i < DIGITS; i++) to[i] = (uint8_t)"0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return (mr_bytes_t){to, DIGITS};
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_column_t column;
    if (!mr_lent_column(lent, path, &column, error)) {
        if (!error->code || strcmp(error->code, "records.no-such-column") != 0) return false;
        mr_error_free(error);
        return true;
    }
    /* A packed column keeps the type of the field that it replaces; as a new field it would be bytes, and the hash is a text. */
    mr_packed_t masked = {0};
    mr_bytes_t *hashes = calloc(column.rows + 1, sizeof *hashes);
    uint8_t *digits = malloc(DIGITS * column.rows + 1);
    if (!hashes || !digits) abort();
    for (uint32_t row = 0; row < column.rows; row++) {
        mr_bytes_t address = mr_column_at(&column, row);
        if (address.at && mask(&masked, address)) hashes[row] = hash(address, digits + DIGITS * row);
        else if (address.at) mr_out_failure(out, row, false, "mask-hash.no-address", "there is no address", NULL);
        mr_packed_end(&masked, !address.at);
    }
    mr_out_set_packed(out, path, &masked);
    mr_out_set_texts(out, hash_path, hashes, column.rows);
    free(hashes);
    free(digits);
    mr_column_free(&column);
    return true;
}

void mr_close(void) {}
