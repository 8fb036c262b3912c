/* For tests: masks an e-mail address, leaves records out, makes many records of one, refuses single records, and traps. */
#include <stdlib.h>
#include <string.h>

#include "millrace.h"

static const mr_key_t keys[] = {
    {.name = "field", .type = MR_TEXT, .required = true, .importance = MR_HIGH,
     .doc = "The field that holds the address: \"email\", or below a struct \"after.email\"."},
    {.name = "drop.domain", .type = MR_TEXT, .importance = MR_MEDIUM, .doc = "Records whose address is of this domain are left out."},
    {.name = "split.field", .type = MR_TEXT, .importance = MR_MEDIUM,
     .doc = "A text field with values parted by commas: a record is made of each."},
    {.name = "panic.domain", .type = MR_TEXT, .importance = MR_MEDIUM, .doc = "An address of this domain breaks the plugin."},
};

const mr_info_t mr_info = {
    .name = "contacts-c",
    .version = "0.1.0",
    .doc = "Hides the local part of e-mail addresses, leaves out a domain, and makes a record of each phone number.",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
};

/* What the settings say, and where the fields are in values of each schema. */
static const char *field, *domain, *split, *broken;
static mr_path_cache_t emails, splits;

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    field = mr_config_required("field", error);
    domain = mr_config("drop.domain");
    split = mr_config("split.field");
    broken = mr_config("panic.domain");
    return field != NULL;
}

/* What the keys do not say by themselves. */
void mr_validate(mr_issues_t *issues) {
    const char *field_is = mr_config("field"), *split_is = mr_config("split.field");
    if (field_is && split_is && strcmp(field_is, split_is) == 0)
        mr_issue(issues, "split.field", "\"split.field\" is \"", split_is, "\", as \"field\" is; name another field", NULL);
}

void mr_close(void) {}

/* Room that grows and is kept from record to record. */
typedef struct { void *at; size_t room; } room_t;
static void *room(room_t *r, size_t n) {
    if (n > r->room) {
        r->room = 2 * n + 64;
        r->at = realloc(r->at, r->room);
        if (!r->at) abort();
    }
    return r->at;
}

static bool same(mr_bytes_t at, const char *word) {
    if (at.len != strlen(word)) return false;
    for (size_t i = 0; i < at.len; i++) {
        uint8_t a = at.at[i], b = (uint8_t)word[i];
        if (a != b && !((a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z')) return false;
    }
    return true;
}

/* Keeps the first character and the domain: a**@example.com. A character of UTF-8 is one star. */
static size_t mask(uint8_t *to, mr_bytes_t address, size_t sign) {
    size_t first = 1, n;
    while (first < sign && (address.at[first] & 0xc0) == 0x80) first++;
    memcpy(to, address.at, n = first);
    for (size_t i = first; i < sign; i++)
        if ((address.at[i] & 0xc0) != 0x80) to[n++] = '*';
    memcpy(to + n, address.at + sign, address.len - sign);
    return n + address.len - sign;
}

static room_t origins, masks;
static uint32_t n_out;
static void came_from(uint32_t row) {
    uint32_t *origin = room(&origins, 4 * ((size_t)n_out + 1));
    origin[n_out++] = row;
}

/* Appends what becomes of one record. False: the whole call failed. */
static bool change(mr_writer_t *writer, mr_record_t record, uint32_t row, uint32_t topic, mr_out_t *out, mr_error_t *error) {
    mr_row_t value = mr_record_value(record);
    mr_edit_t edits[2];
    size_t n = 0;
    if (!value.at) { /* a tombstone stays one */
        mr_writer_copy(writer, record, topic);
        came_from(row);
        return true;
    }
    uint32_t schema = mr_record_value_schema(record);
    if (schema == MR_NONE) {
        mr_out_failure(out, row, false, "contacts.no-schema", "the value has no schema; use a converter with schemas", NULL);
        return true;
    }
    const mr_path_t *email = mr_path_find(&emails, schema, field, error);
    if (!email) return false;
    mr_bytes_t address = email->kind == MR_KIND_TEXT ? mr_path_bytes(email, value) : (mr_bytes_t){NULL, 0};
    if (address.at) {
        size_t sign = address.len;
        while (sign > 0 && address.at[sign - 1] != '@') sign--;
        if (sign < 2) {
            mr_out_failure(out, row, false, "contacts.no-address", "the field holds no e-mail address", NULL);
            return true;
        }
        if (broken && same((mr_bytes_t){address.at + sign, address.len - sign}, broken)) mr_panic("an address of the domain ", broken, NULL);
        if (domain && same((mr_bytes_t){address.at + sign, address.len - sign}, domain)) return true; /* left out */
        uint8_t *masked = room(&masks, address.len);
        edits[n++] = mr_path_edit(email, masked, mask(masked, address, sign - 1));
    }
    if (split) {
        const mr_path_t *path = mr_path_find(&splits, schema, split, error);
        if (!path) return false;
        mr_bytes_t left = path->kind == MR_KIND_TEXT ? mr_path_bytes(path, value) : (mr_bytes_t){NULL, 0};
        if (left.at) {
            for (bool more = true; more;) {
                size_t len = 0, end;
                while (len < left.len && left.at[len] != ',') len++;
                more = len < left.len;
                mr_bytes_t part = {left.at, len};
                while (part.len && *part.at == ' ') part.at++, part.len--;
                for (end = part.len; end && part.at[end - 1] == ' '; end--) part.len = end - 1;
                edits[n] = mr_path_edit(path, part.at, part.len);
                mr_writer_copy_edited(writer, record, topic, edits, n + 1);
                came_from(row);
                if (more) left.at += len + 1, left.len -= len + 1;
            }
            return true;
        }
    }
    mr_writer_copy_edited(writer, record, topic, edits, n);
    came_from(row);
    return true;
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_batch_t batch;
    mr_writer_t writer;
    if (!mr_lent_rows(lent, &batch, error)) return false;
    mr_writer_new(&writer, batch.len + 1024);
    n_out = 0;
    for (uint32_t i = 0; i < batch.records; i++) {
        mr_record_t record = mr_batch_record(&batch, i);
        uint32_t topic = mr_writer_topic(&writer, mr_batch_topic(&batch, mr_record_topic(record)));
        if (!change(&writer, record, i, topic, out, error)) {
            mr_writer_free(&writer);
            return false;
        }
    }
    return mr_out_rows(out, &writer, origins.at, error);
}
