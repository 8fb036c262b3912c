/* Runs a transform on the machine it is written on: no worker, no WebAssembly. Link mr_test.c in the place of the bindings,
 * with the SDK's sources and the plugin's. One transform at a time; memory is given back when the test ends.
 *
 *     mr_test_set("field", "email");
 *     mr_test_configure();             NULL: it took its settings
 *     mr_test_apply(&writer);          NULL: it answered; then look at mr_test_out and mr_test_failure
 *
 * What the host does with an answer is not here: edits (mr_out_drop, mr_out_remove, mr_out_set_texts and its kin) are counted and not
 * made, and columns are not there. `millrace plugin test` has both. */
#ifndef MR_TEST_H
#define MR_TEST_H

#include "millrace.h"

/* A setting, before mr_test_configure; NULL: it is not given. */
void mr_test_set(const char *key, const char *value);

/* A schema of a struct with fields of these kinds, for the records of a test; its id is good for mr_meta_t. */
typedef struct { const char *name; mr_kind_t kind; } mr_test_field_t;
uint32_t mr_test_schema(const mr_test_field_t *fields, size_t n);

/* These answer NULL, or the error's message. */
const char *mr_test_configure(void);
/* Takes the writer's records; those of the last call are gone. */
const char *mr_test_apply(mr_writer_t *records);
/* The key that the last error was of; NULL: it was of none. */
const char *mr_test_error_field(void);

/* What came out of the last call: the records that were given, where it answered that they are unchanged. */
const mr_batch_t *mr_test_out(void);
/* The input row that record i of it descends from. */
uint32_t mr_test_origin(uint32_t i);
/* How many edits the answer has for the host to make; with any, mr_test_out is the input. */
size_t mr_test_edits(void);
size_t mr_test_failures(void);
typedef struct { uint32_t row; bool retriable; const char *code, *message; } mr_test_failure_t;
mr_test_failure_t mr_test_failure(size_t i);

/* Says on standard error what is not so, and that the test has failed. */
#define MR_TEST(what) mr_test_check((what), #what, __FILE__, __LINE__)
void mr_test_check(bool is, const char *what, const char *file, int line);
/* For the end of main: 0 when everything was so. */
int mr_test_result(void);

#endif
