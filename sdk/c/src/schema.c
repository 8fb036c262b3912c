/* The schemas of mr_schema.h, from the host's table of nodes and to it. */
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "mr_schema.h"

/* ---- from the host ---- */

typedef millrace_plugin_types_type_node_t node_t;

static struct { uint32_t id; const mr_schema_t *schema; } *known;
static size_t n_known, last;

static const char *kept(bool is, text_t text) { return is ? mr_terminated(text.ptr, text.len) : NULL; }

/* A node's child comes after it, so that what the host gives is a tree and ends. */
static const mr_schema_t *child(const mr_schema_t *all, size_t n, size_t parent, uint32_t at) {
    return at > parent && at < n ? &all[at] : NULL;
}

static bool take(const node_t *from, mr_schema_t *all, size_t n, size_t i) {
    mr_schema_t *s = &all[i];
    *s = (mr_schema_t){.kind = (mr_kind_t)from->kind, .optional = from->optional, .has_version = from->version.is_some};
    s->version = from->version.is_some ? from->version.val : 0;
    s->name = kept(from->name.is_some, from->name.val);
    s->doc = kept(from->doc.is_some, from->doc.val);
    s->value = kept(from->default_value.is_some, from->default_value.val);
    mr_parameter_t *parameters = mr_alloc(sizeof *parameters * from->parameters.len);
    for (size_t p = 0; p < from->parameters.len; p++) {
        const transform_plugin_tuple2_string_string_t *pair = &from->parameters.ptr[p];
        parameters[p] = (mr_parameter_t){mr_terminated(pair->f0.ptr, pair->f0.len), mr_terminated(pair->f1.ptr, pair->f1.len)};
    }
    s->parameters = parameters;
    s->n_parameters = from->parameters.len;
    mr_field_t *fields = mr_alloc(sizeof *fields * from->fields.len);
    for (size_t f = 0; f < from->fields.len; f++) {
        const millrace_plugin_types_field_t *field = &from->fields.ptr[f];
        fields[f] = (mr_field_t){mr_terminated(field->name.ptr, field->name.len), child(all, n, i, field->node)};
        if (!fields[f].schema) return false;
    }
    s->fields = fields;
    s->n_fields = from->fields.len;
    if (from->element.is_some && !(s->element = child(all, n, i, from->element.val))) return false;
    if (from->key.is_some && !(s->key = child(all, n, i, from->key.val))) return false;
    return true;
}

const mr_schema_t *mr_schema_of(uint32_t id, mr_error_t *e) {
    /* Schemas come in runs. */
    if (last < n_known && known[last].id == id) return known[last].schema;
    for (size_t i = 0; i < n_known; i++)
        if (known[i].id == id) return known[last = i].schema;
    millrace_plugin_types_schema_t host;
    millrace_plugin_types_error_t failed;
    if (!millrace_plugin_records_get_schema(id, &host, &failed)) {
        mr_fail_host(e, &failed);
        return NULL;
    }
    size_t n = host.nodes.len, i = 0;
    mr_schema_t *all = mr_alloc(sizeof *all * n);
    while (i < n && take(&host.nodes.ptr[i], all, n, i)) i++;
    millrace_plugin_types_schema_free(&host);
    if (i < n || !n) {
        mr_fail(e, MR_FATAL, "schema.malformed", "the schema that the host gave is not a tree", NULL);
        return NULL;
    }
    void *grown = realloc(known, sizeof *known * (n_known + 1));
    if (!grown) __builtin_trap();
    known = grown;
    last = n_known++;
    known[last].id = id;
    known[last].schema = all;
    return all;
}

uint32_t mr_schema_index(const mr_schema_t *s, const char *field) {
    for (size_t i = 0; i < s->n_fields; i++)
        if (strcmp(s->fields[i].name, field) == 0) return (uint32_t)i;
    return MR_NONE;
}

/* ---- to the host, to which all of it is lent ---- */

static text_t view(const char *s) { return (text_t){(uint8_t *)s, s ? strlen(s) : 0}; }

static transform_plugin_option_string_t some(const char *s) { return (transform_plugin_option_string_t){s != NULL, view(s)}; }

static size_t count(const mr_schema_t *s) {
    size_t n = 1;
    for (size_t i = 0; i < s->n_fields; i++) n += count(s->fields[i].schema);
    return n + (s->element ? count(s->element) : 0) + (s->key ? count(s->key) : 0);
}

static uint32_t lend(const mr_schema_t *s, node_t *all, uint32_t *n) {
    uint32_t at = (*n)++;
    node_t *to = &all[at];
    *to = (node_t){.kind = (uint8_t)s->kind, .optional = s->optional, .name = some(s->name), .doc = some(s->doc)};
    to->version.is_some = s->has_version;
    to->version.val = s->version;
    to->default_value.is_some = s->value != NULL;
    to->default_value.val = view(s->value);
    to->parameters.ptr = mr_alloc(sizeof *to->parameters.ptr * s->n_parameters);
    to->parameters.len = s->n_parameters;
    for (size_t p = 0; p < s->n_parameters; p++)
        to->parameters.ptr[p] = (transform_plugin_tuple2_string_string_t){view(s->parameters[p].name), view(s->parameters[p].value)};
    to->fields.ptr = mr_alloc(sizeof *to->fields.ptr * s->n_fields);
    to->fields.len = s->n_fields;
    for (size_t f = 0; f < s->n_fields; f++)
        to->fields.ptr[f] = (millrace_plugin_types_field_t){view(s->fields[f].name), lend(s->fields[f].schema, all, n)};
    to->element.is_some = s->element != NULL;
    if (s->element) to->element.val = lend(s->element, all, n);
    to->key.is_some = s->key != NULL;
    if (s->key) to->key.val = lend(s->key, all, n);
    return at;
}

bool mr_schema_intern(const mr_schema_t *s, uint32_t *id, mr_error_t *e) {
    size_t n = count(s);
    millrace_plugin_types_schema_t lent = {{mr_alloc(sizeof(node_t) * n), n}};
    millrace_plugin_types_error_t failed;
    uint32_t made = 0;
    lend(s, lent.nodes.ptr, &made);
    bool ok = millrace_plugin_records_intern_schema(&lent, id, &failed);
    for (size_t i = 0; i < n; i++) {
        free(lent.nodes.ptr[i].parameters.ptr);
        free(lent.nodes.ptr[i].fields.ptr);
    }
    free(lent.nodes.ptr);
    return ok || mr_fail_host(e, &failed);
}
