/* Between the author's functions and the bindings: errors, settings, the log, figures, schemas, what a plugin is. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"

/* ---- text ---- */

char *mr_join(const char *first, va_list more) {
    va_list twice;
    size_t n = 0;
    va_copy(twice, more);
    for (const char *s = first; s; s = va_arg(twice, const char *)) n += strlen(s);
    va_end(twice);
    char *all = mr_alloc(n + 1), *to = all;
    for (const char *s = first; s; s = va_arg(more, const char *)) {
        size_t len = strlen(s);
        memcpy(to, s, len);
        to += len;
    }
    *to = 0;
    return all;
}

/* Memory that ended is a trap: the host says so and starts another instance. */
void *mr_alloc(size_t n) {
    void *p = calloc(1, n ? n : 1);
    if (!p) __builtin_trap();
    return p;
}

text_t mr_owned(const char *s) {
    size_t n = s ? strlen(s) : 0;
    text_t t = {n ? mr_alloc(n) : NULL, n};
    if (n) memcpy(t.ptr, s, n);
    return t;
}

char *mr_terminated(const uint8_t *at, size_t len) {
    char *s = mr_alloc(len + 1);
    if (len) memcpy(s, at, len);
    return s;
}

void *mr_extend(void *at, size_t len, size_t size) {
    /* To the next power of two, so that many appends cost little. */
    if (len & (len - 1)) return at;
    at = realloc(at, size * (len ? 2 * len : 1));
    if (!at) __builtin_trap();
    return at;
}

static text_t view(const char *s) { return (text_t){(uint8_t *)s, strlen(s)}; }

/* ---- errors ---- */

static void fail(mr_error_t *e, mr_error_kind_t kind, const char *code, const char *field, char *message) {
    if (e->message) {
        free(message); /* the first failure is the one to report */
        return;
    }
    e->kind = kind;
    e->code = mr_terminated((const uint8_t *)code, strlen(code));
    e->field = field ? mr_terminated((const uint8_t *)field, strlen(field)) : NULL;
    e->message = message;
}

bool mr_fail(mr_error_t *e, mr_error_kind_t kind, const char *code, const char *message, ...) {
    va_list more;
    va_start(more, message);
    fail(e, kind, code, NULL, mr_join(message, more));
    va_end(more);
    return false;
}

bool mr_fail_config(mr_error_t *e, const char *key, const char *message, ...) {
    va_list more;
    va_start(more, message);
    fail(e, MR_CONFIG, "config", key, mr_join(message, more));
    va_end(more);
    return false;
}

bool mr_fail_host(mr_error_t *e, millrace_plugin_types_error_t *host) {
    char *code = mr_terminated(host->code.ptr, host->code.len);
    fail(e, (mr_error_kind_t)host->kind, code, NULL, mr_terminated(host->message.ptr, host->message.len));
    free(code);
    millrace_plugin_types_error_free(host);
    return false;
}

void mr_error_out(mr_error_t *e, millrace_plugin_types_error_t *to) {
    *to = (millrace_plugin_types_error_t){.kind = (uint8_t)e->kind};
    to->code = mr_owned(e->code ? e->code : "plugin.error");
    to->message = mr_owned(e->message ? e->message : "the plugin failed and did not say why");
    if (!e->message) to->kind = MR_FATAL;
    to->retry_after_ms.is_some = e->retry_after_ms != 0;
    to->retry_after_ms.val = e->retry_after_ms;
    to->field.is_some = e->field != NULL;
    if (e->field) to->field.val = mr_owned(e->field);
    free(e->code);
    free(e->message);
    free(e->field);
}

/* ---- settings ---- */

static struct { char *name, *value; } *settings;
static size_t n_settings;

void mr_settings_load(const transform_plugin_list_tuple2_string_string_t *all) {
    settings = mr_alloc(sizeof *settings * (all->len + 1));
    for (n_settings = 0; n_settings < all->len; n_settings++) {
        const transform_plugin_tuple2_string_string_t *from = &all->ptr[n_settings];
        settings[n_settings].name = mr_terminated(from->f0.ptr, from->f0.len);
        settings[n_settings].value = mr_terminated(from->f1.ptr, from->f1.len);
    }
}

bool mr_configured(const millrace_plugin_types_task_context_t *ctx, millrace_plugin_types_error_t *err) {
    mr_error_t e = {0};
    char *connector = mr_terminated(ctx->connector.ptr, ctx->connector.len);
    mr_context_t context = {connector, ctx->task, ctx->memory_limit_bytes, ctx->call_deadline_ms};
    transform_plugin_list_tuple2_string_string_t all;
    millrace_plugin_config_all(&all);
    mr_settings_load(&all);
    transform_plugin_list_tuple2_string_string_free(&all);
    bool ok = mr_configure(&context, &e);
    if (!ok) mr_error_out(&e, err);
    return ok;
}

const char *mr_config(const char *key) {
    for (size_t i = 0; i < n_settings; i++)
        if (strcmp(settings[i].name, key) == 0) return settings[i].value;
    for (size_t i = 0; i < mr_info.n_keys; i++)
        if (strcmp(mr_info.keys[i].name, key) == 0) return mr_info.keys[i].value;
    return NULL;
}

const char *mr_config_required(const char *key, mr_error_t *e) {
    const char *v = mr_config(key);
    if (v && v[strspn(v, " \t\r\n")]) return v;
    mr_fail_config(e, key, "\"", key, v ? "\" is empty; give it a value" : "\" is missing; give it a value", NULL);
    return NULL;
}

bool mr_config_int(const char *key, int64_t *value, mr_error_t *e) {
    const char *v = mr_config_required(key, e);
    char *end;
    if (!v) return false;
    *value = strtoll(v, &end, 10);
    if (end == v || end[strspn(end, " \t\r\n")])
        return mr_fail_config(e, key, "\"", key, "\" is \"", v, "\", which is not a whole number; give it a whole number", NULL);
    return true;
}

static bool is(const char *v, const char *word) {
    for (; *word; v++, word++)
        if ((*v | 0x20) != *word) return false;
    return !*v;
}

bool mr_config_bool(const char *key, bool *value, mr_error_t *e) {
    const char *v = mr_config_required(key, e);
    if (!v) return false;
    *value = is(v, "true");
    if (!*value && !is(v, "false")) return mr_fail_config(e, key, "\"", key, "\" is \"", v, "\"; give it true or false", NULL);
    return true;
}

/* ---- the log, figures, the clock ---- */

enum { PAIRS_MAX = 16 };
typedef struct { transform_plugin_tuple2_string_string_t at[PAIRS_MAX]; transform_plugin_list_tuple2_string_string_t list; } pairs_t;

static void take_pairs(pairs_t *p, va_list more) {
    p->list = (transform_plugin_list_tuple2_string_string_t){p->at, 0};
    for (const char *name; p->list.len < PAIRS_MAX && (name = va_arg(more, const char *)); p->list.len++) {
        const char *value = va_arg(more, const char *);
        p->at[p->list.len].f0 = view(name);
        p->at[p->list.len].f1 = view(value ? value : "");
        if (!value) break;
    }
}

bool mr_log_enabled(mr_level_t level) { return millrace_plugin_logging_enabled((uint8_t)level); }

void mr_log(mr_level_t level, const char *message, ...) {
    if (!mr_log_enabled(level)) return;
    pairs_t p;
    va_list more;
    va_start(more, message);
    take_pairs(&p, more);
    va_end(more);
    text_t m = view(message);
    millrace_plugin_logging_log((uint8_t)level, &m, &p.list);
}

#define FIGURE(call)             \
    pairs_t p;                   \
    va_list more;                \
    va_start(more, value);       \
    take_pairs(&p, more);        \
    va_end(more);                \
    text_t n = view(name);       \
    call(&n, &p.list, value)

void mr_count(const char *name, uint64_t value, ...) { FIGURE(millrace_plugin_metrics_counter_add); }
void mr_gauge(const char *name, double value, ...) { FIGURE(millrace_plugin_metrics_gauge_set); }
void mr_observe(const char *name, double value, ...) { FIGURE(millrace_plugin_metrics_histogram_record); }
uint64_t mr_now_us(void) { return millrace_plugin_clock_now_us(); }

_Noreturn void mr_panic(const char *message, ...) {
    va_list more;
    va_start(more, message);
    char *text = mr_join(message, more);
    va_end(more);
    mr_log(MR_LOG_ERROR, text, NULL);
    __builtin_trap();
}

/* ---- schemas ---- */

struct mr_path_entry { uint32_t schema; mr_path_t path; };

static void find(const millrace_plugin_types_schema_t *s, const char *name, mr_path_t *to) {
    uint32_t node = 0;
    while (true) {
        size_t len = strcspn(name, "."), i = 0;
        if (node >= s->nodes.len || to->depth == MR_PATH_MAX) return;
        const millrace_plugin_types_list_field_t *fields = &s->nodes.ptr[node].fields;
        while (i < fields->len && (fields->ptr[i].name.len != len || memcmp(fields->ptr[i].name.ptr, name, len) != 0)) i++;
        if (i == fields->len) return;
        to->slots[to->depth++] = (uint32_t)i;
        node = fields->ptr[i].node;
        if (!name[len]) break;
        name += len + 1;
    }
    to->found = node < s->nodes.len;
    if (to->found) to->kind = (mr_kind_t)s->nodes.ptr[node].kind;
}

const mr_path_t *mr_path_find(mr_path_cache_t *c, uint32_t schema, const char *path, mr_error_t *e) {
    /* Schemas come in runs. */
    if (c->last < c->len && c->at[c->last].schema == schema) return &c->at[c->last].path;
    for (size_t i = 0; i < c->len; i++)
        if (c->at[i].schema == schema) return &c->at[c->last = i].path;
    millrace_plugin_types_schema_t s;
    millrace_plugin_types_error_t host;
    if (!millrace_plugin_records_get_schema(schema, &s, &host)) {
        mr_fail_host(e, &host);
        return NULL;
    }
    struct mr_path_entry *grown = realloc(c->at, sizeof *grown * (c->len + 1));
    if (!grown) __builtin_trap();
    c->at = grown;
    c->last = c->len++;
    grown[c->last] = (struct mr_path_entry){.schema = schema};
    find(&s, path, &grown[c->last].path);
    millrace_plugin_types_schema_free(&s);
    return &grown[c->last].path;
}

mr_bytes_t mr_path_bytes(const mr_path_t *p, mr_row_t row) {
    if (!p->found) return (mr_bytes_t){NULL, 0};
    for (size_t d = 0; d + 1 < p->depth; d++) row = mr_row_row(row, p->slots[d]);
    uint32_t leaf = p->slots[p->depth - 1];
    return mr_row_is_null(row, leaf) ? (mr_bytes_t){NULL, 0} : mr_row_bytes(row, leaf);
}

mr_edit_t mr_path_edit(const mr_path_t *p, const void *at, size_t len) {
    return (mr_edit_t){p->slots, p->found ? p->depth : 0, {at, len}};
}

/* ---- what the plugin is ---- */

struct mr_issues { exports_millrace_plugin_plugin_list_config_issue_t list; };

static transform_plugin_list_string_t owned_list(const char *const *names) {
    transform_plugin_list_string_t list = {NULL, 0};
    while (names && names[list.len]) list.len++;
    if (list.len) list.ptr = mr_alloc(sizeof(text_t) * list.len);
    for (size_t i = 0; i < list.len; i++) list.ptr[i] = mr_owned(names[i]);
    return list;
}

static void describe_key(const mr_key_t *k, uint32_t order, millrace_plugin_types_config_key_t *to) {
    to->name = mr_owned(k->name);
    to->kind = (uint8_t)k->type;
    to->default_value.is_some = !k->required && k->value;
    if (to->default_value.is_some) to->default_value.val = mr_owned(k->value);
    to->nullable = !k->required && !k->value;
    to->importance = (uint8_t)k->importance;
    to->documentation = mr_owned(k->doc);
    to->order_in_group = order;
    to->display_name = mr_owned(k->name);
    to->allowed = owned_list(k->allowed);
    const char *bounds[][2] = {{"least", k->least}, {"most", k->most}};
    to->attributes.ptr = mr_alloc(sizeof(transform_plugin_tuple2_string_string_t) * 2);
    for (int i = 0; i < 2; i++) {
        if (!bounds[i][1]) continue;
        transform_plugin_tuple2_string_string_t *pair = &to->attributes.ptr[to->attributes.len++];
        *pair = (transform_plugin_tuple2_string_string_t){mr_owned(bounds[i][0]), mr_owned(bounds[i][1])};
    }
    if (!to->attributes.len) {
        free(to->attributes.ptr);
        to->attributes.ptr = NULL;
    }
}

void exports_millrace_plugin_plugin_describe(exports_millrace_plugin_plugin_plugin_info_t *to) {
    *to = (exports_millrace_plugin_plugin_plugin_info_t){.kind = MILLRACE_PLUGIN_TYPES_PLUGIN_KIND_TRANSFORM};
    to->name = mr_owned(mr_info.name);
    to->version = mr_owned(mr_info.version);
    to->documentation = mr_owned(mr_info.doc);
    to->class_names = owned_list(mr_info.class_names);
    to->keys.len = mr_info.n_keys;
    to->keys.ptr = mr_info.n_keys ? mr_alloc(sizeof *to->keys.ptr * mr_info.n_keys) : NULL;
    for (size_t i = 0; i < mr_info.n_keys; i++) describe_key(&mr_info.keys[i], (uint32_t)i + 1, &to->keys.ptr[i]);
    to->row_formats.ptr = mr_alloc(sizeof(uint32_t));
    to->row_formats.ptr[0] = MR_ROW_FORMAT;
    to->row_formats.len = 1;
}

void exports_millrace_plugin_plugin_validate(exports_millrace_plugin_plugin_config_t *config,
                                             exports_millrace_plugin_plugin_list_config_issue_t *issues) {
    /* What keys say by themselves, the host has checked. */
    struct mr_issues all = {{NULL, 0}};
    transform_plugin_list_tuple2_string_string_t given = {config->ptr, config->len};
    mr_settings_load(&given);
    mr_validate(&all);
    exports_millrace_plugin_plugin_config_free(config);
    *issues = all.list;
}

__attribute__((weak)) void mr_validate(mr_issues_t *issues) { (void)issues; }

void mr_issue(mr_issues_t *issues, const char *key, const char *message, ...) {
    va_list more;
    va_start(more, message);
    char *text = mr_join(message, more);
    va_end(more);
    exports_millrace_plugin_plugin_config_issue_t *grown = realloc(issues->list.ptr, sizeof *grown * (issues->list.len + 1));
    if (!grown) __builtin_trap();
    issues->list.ptr = grown;
    grown[issues->list.len++] = (exports_millrace_plugin_plugin_config_issue_t){.name = mr_owned(key), .message = mr_owned(text)};
    free(text);
}
