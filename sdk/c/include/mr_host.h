/* What a transform may ask of the host besides its records: time, random numbers, the cache of its tasks, HTTP. The log and
 * figures are in millrace.h. */
#ifndef MR_HOST_H
#define MR_HOST_H

#include "millrace.h"

/* Nanoseconds since some moment, which no change of the clock moves. mr_now_us is in millrace.h. */
uint64_t mr_monotonic_ns(void);
/* Suspends this task, which costs no computing time. False: it returned early, because the host has a call waiting. */
bool mr_sleep(uint32_t ms);

/* Bytes from the operating system, good enough for keys and tokens. */
void mr_random(void *to, size_t len);
uint64_t mr_random_u64(void);

/* ---- the cache: what the tasks of a connector share, a transform's by alias; docs/capabilities.md has its limits ---- */

/* A copy of what is there, to be freed with free(); `at` is NULL where nothing is, or no longer, and not where it is empty. */
mr_bytes_t mr_cache_get(const char *key);
/* In place of what was there, for ttl_ms; 0: for an hour. */
bool mr_cache_put(const char *key, mr_bytes_t value, uint32_t ttl_ms, mr_error_t *error);
/* Where nothing is there; *added says whether it was so. Of tasks that add the same key at a time, one hears true. */
bool mr_cache_add(const char *key, mr_bytes_t value, uint32_t ttl_ms, bool *added, mr_error_t *error);
/* Whether it was there. */
bool mr_cache_delete(const char *key);

/* ---- the state: what this task keeps from one run to the next, a transform by alias; it goes when the connector is deleted ----
 *
 * What a call puts is seen at once, and stored just before the offsets of that call's records are; of a call that fails nothing is
 * kept. After a crash records may come again whose changes are there already: who must count them once puts the offset of the last
 * record counted into the same value as the count. */

/* A copy of what is there, to be freed with free(); `at` is NULL where nothing is, and not where it is empty. */
mr_bytes_t mr_state_get(const char *key);
/* In place of what was there. A key has at most 1 KiB, a value 512 KiB ("state.too-large"), all of it what plugin.state.max.entries
 * and plugin.state.max.bytes say ("state.full"). */
bool mr_state_put(const char *key, mr_bytes_t value, mr_error_t *error);
/* Whether it was there. */
bool mr_state_delete(const char *key);
/* Calls `each` for the entries whose keys begin with `prefix`, in the order of the keys' bytes, until it answers false. What it is
 * given is gone when it returns. */
void mr_state_each(const char *prefix, bool (*each)(void *context, mr_bytes_t key, mr_bytes_t value), void *context);

/* ---- HTTP to the hosts that "transforms.<alias>.http.hosts" lists; it needs the grant "http" ---- */

typedef struct {
    const char *name, *value;
    const char *secret_key; /* `value` is what stands before the value of this key of type MR_PASSWORD; or NULL */
    const char *basic_key;  /* `value` is the user of basic authentication, and this key of type MR_PASSWORD has the password; or NULL */
} mr_http_header_t;

typedef struct {
    const char *method, *url;
    const mr_http_header_t *headers;
    size_t n_headers;
    mr_bytes_t body;
    uint32_t timeout_ms;     /* for all of it; 0: 30 seconds */
    bool no_redirects;       /* else up to 5 are followed */
    uint64_t response_bytes; /* the most of the answer's body; 0: 8 MiB */
} mr_http_request_t;

/* The answer, to be freed with mr_http_free; a status of 400 and above is one, not an error. */
typedef struct mr_http_response mr_http_response_t;
/* NULL: it failed, and error says how. */
mr_http_response_t *mr_http_send(const mr_http_request_t *request, mr_error_t *error);
uint16_t mr_http_status(const mr_http_response_t *response);
mr_bytes_t mr_http_body(const mr_http_response_t *response);
/* The first value of a header, whose name is in lower case; `at` is NULL where it has none. */
mr_bytes_t mr_http_header(const mr_http_response_t *response, const char *name);
void mr_http_free(mr_http_response_t *response);

/* Sends up to 1000 requests, `concurrency` of them (1 to 32) at a time. answers[i] is that to requests[i]; NULL: it failed, and
 * errors[i], which starts as {0}, says how. False: all failed, and error says how. */
bool mr_http_send_all(const mr_http_request_t *requests, size_t n, uint32_t concurrency, mr_http_response_t **answers, mr_error_t *errors,
                      mr_error_t *error);
/* Gives back what an error that is not answered with holds. */
void mr_error_free(mr_error_t *error);

#endif
