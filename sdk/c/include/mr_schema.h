/* Schemas as trees: what a record's key or value is made of, and schemas of records that a plugin makes. A plugin that looks for
 * a few fields needs mr_path_find of millrace.h alone. */
#ifndef MR_SCHEMA_H
#define MR_SCHEMA_H

#include "millrace.h"

typedef struct mr_schema mr_schema_t;
/* A field of a struct; its position is its slot in a row. */
typedef struct { const char *name; const mr_schema_t *schema; } mr_field_t;
typedef struct { const char *name, *value; } mr_parameter_t;

/* Connect's Schema. Logical types are names. */
struct mr_schema {
    mr_kind_t kind;
    bool optional, has_version;
    int32_t version;
    const char *name, *doc;      /* NULL: none */
    const char *value;           /* what it is by default, as JSON; NULL: nothing */
    const mr_parameter_t *parameters; /* of the logical type: scale, ... */
    size_t n_parameters;
    const mr_field_t *fields;    /* of a struct */
    size_t n_fields;
    const mr_schema_t *element;  /* of a list; of a map its values */
    const mr_schema_t *key;      /* of a map its keys */
};

/* The schema behind an id that a record carries, which is there as long as the instance. The host is asked once for each id. NULL:
 * it does not know the id, and error says so. */
const mr_schema_t *mr_schema_of(uint32_t id, mr_error_t *error);
/* The slot of a struct's field; MR_NONE where it has none of this name. */
uint32_t mr_schema_index(const mr_schema_t *schema, const char *field);
/* The id of a schema, by content, for records that the plugin makes. Nothing of it is kept. Ask once and keep the id. */
bool mr_schema_intern(const mr_schema_t *schema, uint32_t *id, mr_error_t *error);

#endif
