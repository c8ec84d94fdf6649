/* Have all ranks been started to do the same?
 *
 * A launcher of jobs that are one command each (srun in a sweep) makes ranks of them: without this,
 * rank 0's job would be done by all of them, and those of the others by nobody.
 */
#ifndef WELD_DISTRIBUTED_SAME_CALL_H
#define WELD_DISTRIBUTED_SAME_CALL_H

#include "base/array.h"
#include "distributed/group.h"

/* What a rank was started with. Start with WELD_CALL; memory that was short stays so. */
typedef struct weld_call {
    weld_array bytes; /* texts one after the other, each with a zero behind it */
    bool failed;
} weld_call;
#define WELD_CALL ((weld_call){.bytes = {.element = 1}})

void weld_call_add(weld_call *c, const char *text);
/* "--out runs/a", or "no --out". */
void weld_call_add_option(weld_call *c, const char *name, const char *value);

/* Called by all ranks: an error on all of them where one differs from rank 0's. */
weld_status weld_call_compare(weld_group *g, const weld_call *c, weld_error *err);
void weld_call_free(weld_call *c);

#endif
