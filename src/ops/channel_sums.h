/* Sums over the rows of a tensor seen as [rows, c], in parallel: one partial sum, in double, for
 * each of a fixed set of row ranges, added in order. */
#ifndef WELD_OPS_CHANNEL_SUMS_H
#define WELD_OPS_CHANNEL_SUMS_H

#include "ops/ops.h"

typedef struct weld_channel_sums {
    const weld_run *run;
    const weld_tensor *dy, *x; /* x NULL: sums of dy alone; else of dy (x - center[c]) too */
    const void *center;        /* or NULL */
    double *sums;              /* of weld_channel_sums_bytes(dy): [chunks][2][c] */
} weld_channel_sums;

/* Ranges of rows; also those of batch norm's moments. */
weld_split weld_channel_chunks(const weld_tensor *x);
size_t weld_channel_sums_bytes(const weld_tensor *dy);
/* A workspace of sums and, behind them, so many vectors [c] of parameters' type; vector i of it. */
size_t weld_channel_workspace(const weld_tensor *dy, int vectors);
void *weld_channel_vector(const weld_run *run, const weld_tensor *dy, int i);
void weld_channel_sums_run(weld_channel_sums *s);
/* Instead, mean and sum of (dy - mean)^2 of each chunk. */
void weld_channel_moments_run(weld_channel_sums *s);
/* After the run: the sums of channel j. */
double weld_channel_sums_dy(const weld_channel_sums *s, int64_t j);
double weld_channel_sums_dy_x(const weld_channel_sums *s, int64_t j);

#endif
