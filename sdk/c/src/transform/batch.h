/* What the files about batches share. */
#ifndef MR_BATCH_H
#define MR_BATCH_H

#include "inner.h"

/* A call, of which an author sees pointers alone. */
struct mr_lent { millrace_plugin_records_borrow_batch_t handle; transform_plugin_list_u8_t rows; bool has_rows; };
struct mr_out {
    exports_millrace_plugin_transform_output_t output;
    exports_millrace_plugin_transform_list_record_failure_t failures;
};
/* The edits of an answer, which is from then on one of edits. */
exports_millrace_plugin_transform_patch_t *mr_patch(mr_out_t *out);

#endif
