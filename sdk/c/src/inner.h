/* What the library's files share. The bindings are those of one kind, src/KIND and bindings/KIND. */
#ifndef MR_INNER_H
#define MR_INNER_H

#include <stdarg.h>

#include "millrace.h"
#include "transform_plugin.h"

typedef transform_plugin_string_t text_t;

/* Room for one more in a list of `len`. */
void *mr_extend(void *at, size_t len, size_t size);
void *mr_alloc(size_t n);
char *mr_join(const char *first, va_list more);
text_t mr_owned(const char *s);
char *mr_terminated(const uint8_t *at, size_t len);
bool mr_fail_host(mr_error_t *error, millrace_plugin_types_error_t *host);
void mr_error_out(mr_error_t *error, millrace_plugin_types_error_t *to);
/* Loads the settings and lets the author's `mr_configure` look at them. */
bool mr_configured(const millrace_plugin_types_task_context_t *ctx, millrace_plugin_types_error_t *err);
void mr_settings_load(const transform_plugin_list_tuple2_string_string_t *all);

#endif
