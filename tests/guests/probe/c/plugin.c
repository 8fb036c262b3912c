/* For tests: asks the host for everything that it offers a transform, and answers with what it heard. */
#include <stdlib.h>
#include <string.h>

#include "mr_host.h"

static const mr_key_t keys[] = {
    {.name = "url", .type = MR_TEXT, .required = true, .doc = "What is asked for over HTTP."},
    {.name = "token", .type = MR_PASSWORD, .required = true, .doc = "What is sent with it."},
};

const mr_info_t mr_info = {
    .name = "probe-c",
    .version = "0.1.0",
    .doc = "For tests: asks the host for everything that it offers a transform.",
    .keys = keys,
    .n_keys = 2,
};

static const char *url;

bool mr_configure(const mr_context_t *context, mr_error_t *error) {
    (void)context;
    return (url = mr_config_required("url", error)) != NULL;
}

void mr_close(void) {}

static char text[2048];
static void add(const void *at, size_t len) {
    size_t there = strlen(text);
    if (there + len + 1 > sizeof text) mr_panic("more was heard than there is room for", NULL);
    memcpy(text + there, at, len);
    text[there + len] = 0;
}
static void says(const char *word) { add(word, strlen(word)); }
static void truth(bool is) { says(is ? "true" : "false"); }
static mr_bytes_t bytes(const char *word) { return (mr_bytes_t){(const uint8_t *)word, strlen(word)}; }

static void number(unsigned n) {
    char digit = (char)('0' + n % 10);
    if (n > 9) number(n / 10);
    add(&digit, 1);
}

static bool each(void *context, mr_bytes_t key, mr_bytes_t value) {
    (void)context, (void)key;
    add(value.at, value.len);
    return true;
}

static bool ask(mr_error_t *error) {
    bool added;
    text[0] = 0;
    if (!mr_cache_put("k", bytes("kept"), 60000, error)) return false;
    mr_bytes_t kept = mr_cache_get("k");
    says("{\"cached\":\"");
    add(kept.at, kept.len);
    free((void *)kept.at);
    says("\",\"added\":[");
    for (int i = 0; i < 2; i++) {
        if (!mr_cache_add("n", bytes("1"), 0, &added, error)) return false;
        if (i) says(",");
        truth(added);
    }
    says("],\"deleted\":[");
    truth(mr_cache_delete("n"));
    says(",");
    truth(mr_cache_delete("n"));
    says(",");
    truth(mr_cache_delete("k"));
    says("],\"gone\":");
    truth(mr_cache_get("k").at == NULL);

    static uint8_t random[100000];
    mr_random(random, sizeof random);
    bool any = false;
    for (size_t i = sizeof random - 16; i < sizeof random; i++) any |= random[i] != 0;
    says(",\"random\":");
    truth(any && mr_random_u64() != mr_random_u64());
    uint64_t before = mr_monotonic_ns();
    says(",\"clock\":");
    truth(mr_sleep(5) && mr_monotonic_ns() - before >= 5000000 && mr_now_us() > 1600000000000000u);

    static const char *const kept_keys[] = {"p/b", "p/a", "q"}, *const kept_values[] = {"p/b;", "p/a;", "q;"};
    for (int i = 0; i < 3; i++)
        if (!mr_state_put(kept_keys[i], bytes(kept_values[i]), error)) return false;
    says(",\"state\":\"");
    mr_state_each("p/", each, NULL);
    mr_bytes_t q = mr_state_get("q");
    add(q.at, q.len);
    free((void *)q.at);
    if (!mr_state_delete("q") || mr_state_get("q").at) says("wrong");
    says("\"");

    const mr_http_header_t headers[] = {{.name = "authorization", .value = "Bearer ", .secret_key = "token"}};
    const mr_http_request_t request = {.method = "POST", .url = url, .headers = headers, .n_headers = 1, .body = bytes("ping"),
                                       .timeout_ms = 10000, .response_bytes = 1000};
    mr_http_response_t *response = mr_http_send(&request, error);
    if (!response) return false;
    mr_bytes_t body = mr_http_body(response), header = mr_http_header(response, "x-server");
    says(",\"status\":");
    number(mr_http_status(response));
    says(",\"body\":\"");
    add(body.at, body.len);
    says("\",\"header\":\"");
    add(header.at, header.len);
    mr_http_free(response);

    const mr_http_request_t three[] = {request, {.method = "GET", .url = "http://192.0.2.1/"}, request};
    mr_http_response_t *answers[3];
    mr_error_t errors[3] = {{0}};
    if (!mr_http_send_all(three, 3, 2, answers, errors, error)) return false;
    says("\",\"refused\":[\"");
    says(errors[1].code ? errors[1].code : "nothing");
    says("\"],\"all\":[");
    for (int i = 0; i < 3; i++) {
        if (answers[i]) {
            if (i) says(",");
            number(mr_http_status(answers[i]));
        }
        mr_http_free(answers[i]);
        mr_error_free(&errors[i]);
    }
    says("]}");
    return true;
}

bool mr_apply(mr_lent_t *lent, mr_out_t *out, mr_error_t *error) {
    mr_batch_t batch;
    mr_writer_t writer;
    if (!mr_lent_rows(lent, &batch, error)) return false;
    uint32_t *origin = malloc(sizeof *origin * batch.records + 1);
    if (!origin) abort();
    mr_writer_new(&writer, 0);
    for (uint32_t i = 0; i < batch.records; i++) {
        mr_record_t record = mr_batch_record(&batch, i);
        mr_meta_t meta = mr_record_meta(record);
        meta.topic = mr_writer_topic(&writer, mr_batch_topic(&batch, meta.topic));
        meta.key_schema = meta.value_schema = MR_NONE;
        if (!ask(error)) {
            mr_writer_free(&writer);
            free(origin);
            return false;
        }
        mr_writer_begin(&writer, &meta);
        mr_mark_t value = mr_buf_begin(&writer.rows, 1);
        mr_buf_text(&writer.rows, value, 0, text);
        mr_writer_end_value(&writer, value);
        mr_writer_end(&writer);
        origin[i] = i;
    }
    mr_count("probed", batch.records, "by", "c", NULL);
    mr_gauge("last", 1, NULL);
    mr_observe("size", batch.records, NULL);
    mr_log(MR_LOG_INFO, "probed", "records", "all", NULL);
    bool ok = mr_out_rows(out, &writer, origin, error);
    free(origin);
    return ok;
}
