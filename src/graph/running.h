/* Moving the running averages of a node (weld_running). */
#ifndef WELD_GRAPH_RUNNING_H
#define WELD_GRAPH_RUNNING_H

#include "graph/graph.h"

/* Move `count` elements of one of them, of WELD_F32 or WELD_F64. */
void weld_running_move_some(weld_dtype dtype, double momentum, int64_t count, const double *values,
                            void *average);
/* All of the node's, by its last output or a copy, and count the run. Nothing where there are none.
 */
void weld_running_move(const weld_run *run, const double *values);
/* Count runs alone. */
void weld_running_count(const weld_run *run, int64_t runs);

#endif
