/* The calls of mr_host.h. What is handed to the host is lent to it for the call, so nothing of a request is copied. */
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "mr_host.h"

static text_t view(const char *s) { return (text_t){(uint8_t *)s, s ? strlen(s) : 0}; }

uint64_t mr_monotonic_ns(void) { return millrace_plugin_clock_monotonic_ns(); }
bool mr_sleep(uint32_t ms) { return millrace_plugin_clock_sleep(ms); }
uint64_t mr_random_u64(void) { return millrace_plugin_random_get_u64(); }

void mr_random(void *to, size_t len) {
    enum { AT_A_TIME = 1 << 16 };
    for (size_t done = 0; done < len;) {
        transform_plugin_list_u8_t some;
        size_t left = len - done;
        millrace_plugin_random_get_bytes((uint32_t)(left < AT_A_TIME ? left : AT_A_TIME), &some);
        if (!some.len) __builtin_trap();
        memcpy((uint8_t *)to + done, some.ptr, some.len < left ? some.len : left);
        done += some.len < left ? some.len : left;
        transform_plugin_list_u8_free(&some);
    }
}

/* ---- the cache ---- */

mr_bytes_t mr_cache_get(const char *key) {
    text_t k = view(key);
    transform_plugin_list_u8_t value;
    if (!millrace_plugin_cache_get(&k, &value)) return (mr_bytes_t){NULL, 0};
    return (mr_bytes_t){value.len ? value.ptr : mr_alloc(0), value.len};
}

bool mr_cache_put(const char *key, mr_bytes_t value, uint32_t ttl_ms, mr_error_t *e) {
    text_t k = view(key);
    transform_plugin_list_u8_t v = {(uint8_t *)value.at, value.len};
    millrace_plugin_types_error_t host;
    return millrace_plugin_cache_put(&k, &v, ttl_ms ? &ttl_ms : NULL, &host) || mr_fail_host(e, &host);
}

bool mr_cache_add(const char *key, mr_bytes_t value, uint32_t ttl_ms, bool *added, mr_error_t *e) {
    text_t k = view(key);
    transform_plugin_list_u8_t v = {(uint8_t *)value.at, value.len};
    millrace_plugin_types_error_t host;
    return millrace_plugin_cache_add(&k, &v, ttl_ms ? &ttl_ms : NULL, added, &host) || mr_fail_host(e, &host);
}

bool mr_cache_delete(const char *key) {
    text_t k = view(key);
    return millrace_plugin_cache_delete(&k);
}

/* ---- the state ---- */

mr_bytes_t mr_state_get(const char *key) {
    text_t k = view(key);
    transform_plugin_list_u8_t value;
    if (!millrace_plugin_state_get(&k, &value)) return (mr_bytes_t){NULL, 0};
    return (mr_bytes_t){value.len ? value.ptr : mr_alloc(0), value.len};
}

bool mr_state_put(const char *key, mr_bytes_t value, mr_error_t *e) {
    text_t k = view(key);
    transform_plugin_list_u8_t v = {(uint8_t *)value.at, value.len};
    millrace_plugin_types_error_t host;
    return millrace_plugin_state_put(&k, &v, &host) || mr_fail_host(e, &host);
}

bool mr_state_delete(const char *key) {
    text_t k = view(key);
    return millrace_plugin_state_delete(&k);
}

void mr_state_each(const char *prefix, bool (*each)(void *, mr_bytes_t, mr_bytes_t), void *context) {
    enum { AT_A_TIME = 1000 };
    text_t begins = view(prefix), after = {NULL, 0};
    for (bool go_on = true, first = true; go_on; first = false) {
        millrace_plugin_state_page_t page;
        millrace_plugin_state_scan(&begins, first ? NULL : &after, AT_A_TIME, &page);
        go_on = page.more && page.entries.len;
        if (after.ptr) free(after.ptr);
        after = (text_t){NULL, 0};
        for (size_t i = 0; i < page.entries.len; i++) {
            millrace_plugin_state_entry_t *e = &page.entries.ptr[i];
            if (!each(context, (mr_bytes_t){e->key.ptr, e->key.len}, (mr_bytes_t){e->value.ptr, e->value.len})) {
                go_on = false;
                break;
            }
            if (go_on && i + 1 == page.entries.len) after = (text_t){(uint8_t *)mr_terminated(e->key.ptr, e->key.len), e->key.len};
        }
        millrace_plugin_state_page_free(&page);
    }
    if (after.ptr) free(after.ptr);
}

/* ---- HTTP ---- */

struct mr_http_response { millrace_plugin_http_response_t of; };

/* What a request is while the host looks at it, besides the author's own memory. */
typedef struct {
    millrace_plugin_http_tuple2_string_header_value_t *headers;
    transform_plugin_tuple2_string_string_t options[2];
    char digits[24];
} lent_t;

static void lend(const mr_http_request_t *from, lent_t *lent, millrace_plugin_http_request_t *to) {
    *to = (millrace_plugin_http_request_t){.method = view(from->method), .url = view(from->url)};
    lent->headers = mr_alloc(sizeof *lent->headers * from->n_headers);
    to->headers = (millrace_plugin_http_list_tuple2_string_header_value_t){lent->headers, from->n_headers};
    for (size_t i = 0; i < from->n_headers; i++) {
        const mr_http_header_t *h = &from->headers[i];
        millrace_plugin_http_header_value_t *v = &lent->headers[i].f1;
        lent->headers[i].f0 = view(h->name);
        if (h->secret_key) {
            v->tag = MILLRACE_PLUGIN_HTTP_HEADER_VALUE_SECRET;
            v->val.secret = (millrace_plugin_http_secret_t){view(h->value), view(h->secret_key)};
        } else if (h->basic_key) {
            v->tag = MILLRACE_PLUGIN_HTTP_HEADER_VALUE_BASIC;
            v->val.basic = (millrace_plugin_http_credentials_t){view(h->value), view(h->basic_key)};
        } else {
            v->tag = MILLRACE_PLUGIN_HTTP_HEADER_VALUE_TEXT;
            v->val.text = view(h->value);
        }
    }
    to->body = (transform_plugin_list_u8_t){(uint8_t *)from->body.at, from->body.len};
    to->timeout_ms.is_some = from->timeout_ms != 0;
    to->timeout_ms.val = from->timeout_ms;
    to->options.ptr = lent->options;
    if (from->no_redirects)
        lent->options[to->options.len++] = (transform_plugin_tuple2_string_string_t){view("redirects"), view("0")};
    if (from->response_bytes) {
        char *at = lent->digits + sizeof lent->digits - 1;
        *at = 0;
        for (uint64_t n = from->response_bytes; n; n /= 10) *--at = (char)('0' + n % 10);
        lent->options[to->options.len++] = (transform_plugin_tuple2_string_string_t){view("response-bytes"), view(at)};
    }
}

static mr_http_response_t *kept(millrace_plugin_http_response_t response) {
    mr_http_response_t *r = mr_alloc(sizeof *r);
    r->of = response;
    return r;
}

mr_http_response_t *mr_http_send(const mr_http_request_t *request, mr_error_t *e) {
    lent_t lent;
    millrace_plugin_http_request_t asked;
    millrace_plugin_http_response_t response;
    millrace_plugin_types_error_t host;
    lend(request, &lent, &asked);
    bool ok = millrace_plugin_http_send(&asked, &response, &host);
    free(lent.headers);
    if (ok) return kept(response);
    mr_fail_host(e, &host);
    return NULL;
}

bool mr_http_send_all(const mr_http_request_t *requests, size_t n, uint32_t concurrency, mr_http_response_t **answers, mr_error_t *errors,
                      mr_error_t *e) {
    lent_t *lent = mr_alloc(sizeof *lent * n);
    millrace_plugin_http_list_request_t asked = {mr_alloc(sizeof *asked.ptr * n), n};
    millrace_plugin_http_list_result_response_error_t all;
    millrace_plugin_types_error_t host;
    for (size_t i = 0; i < n; i++) lend(&requests[i], &lent[i], &asked.ptr[i]);
    bool ok = millrace_plugin_http_send_all(&asked, concurrency, &all, &host);
    for (size_t i = 0; i < n; i++) free(lent[i].headers);
    free(asked.ptr);
    free(lent);
    if (!ok) return mr_fail_host(e, &host);
    for (size_t i = 0; i < n && i < all.len; i++) {
        answers[i] = all.ptr[i].is_err ? NULL : kept(all.ptr[i].val.ok);
        if (all.ptr[i].is_err) mr_fail_host(&errors[i], &all.ptr[i].val.err);
    }
    if (all.len) free(all.ptr);
    return true;
}

uint16_t mr_http_status(const mr_http_response_t *r) { return r->of.status; }
mr_bytes_t mr_http_body(const mr_http_response_t *r) { return (mr_bytes_t){r->of.body.ptr, r->of.body.len}; }

mr_bytes_t mr_http_header(const mr_http_response_t *r, const char *name) {
    for (size_t i = 0; i < r->of.headers.len; i++) {
        const transform_plugin_tuple2_string_string_t *h = &r->of.headers.ptr[i];
        if (h->f0.len == strlen(name) && memcmp(h->f0.ptr, name, h->f0.len) == 0) return (mr_bytes_t){h->f1.ptr, h->f1.len};
    }
    return (mr_bytes_t){NULL, 0};
}

void mr_http_free(mr_http_response_t *r) {
    if (r) millrace_plugin_http_response_free(&r->of);
    free(r);
}

void mr_error_free(mr_error_t *e) {
    free(e->code);
    free(e->message);
    free(e->field);
    *e = (mr_error_t){0};
}
