/* Training a network so that it keeps what it can do when it runs on codes (quantize.h): the merged
 * network, whose weights are computed of the branches that are trained (merged_nodes.h), with
 * weights and activations rounded to codes and back wherever the integer network has some.
 *
 * A table of codes [n, 2], the buffer WELD_FAKE_CODES, says how. Its row v is that of value v of
 * the merged graph: scale and zero of an activation; of a weight the largest code, whose scales
 * follow from the weight. What has a scale or code of 0 is not rounded.
 */
#ifndef WELD_PASSES_FAKE_QUANTIZE_H
#define WELD_PASSES_FAKE_QUANTIZE_H

#include "passes/quantize.h"

#define WELD_FAKE_CODES "quantize.codes"

/* Of codes; activations 0: they are not rounded. */
typedef struct weld_fake_bits {
    int weights, activations;
} weld_fake_bits;

/* Of an evaluation graph g, whose leaves are those of *out, in their order and before the table.
 * merged: NULL, or gets the merged graph. */
weld_status weld_fake_quantized(const weld_graph *g, weld_fake_bits bits, weld_graph **out,
                                weld_graph **merged, weld_error *err);

/* Does a value of the merged graph have a row? By value id. In double, where gradients are checked,
 * none has. */
typedef struct weld_fake_rows {
    bool *activation, *weight; /* in one piece: weld_free(activation) */
} weld_fake_rows;
weld_status weld_fake_rows_of(const weld_graph *merged, weld_fake_rows *out, weld_error *err);

/* Fill a table [count of values, 2]: codes by value id. Nothing is rounded that has none. */
void weld_fake_table_fill(const weld_fake_rows *rows, size_t count, weld_fake_bits bits,
                          const weld_codes *codes, float *table);
/* The codes that a network was trained for (model_file.h: `codes`) as those of its merged graph,
 * for who makes integers of it. WELD_ERROR_FORMAT: they are of another graph, or of other values
 * than have codes. */
weld_status weld_fake_table_read(const float *table, size_t count, const weld_graph *merged,
                                 weld_quantization *out, weld_error *err);

/* The codes of [low, high], as weld_codes_of_range has those of 8 bits. */
weld_codes weld_fake_codes_of(double low, double high, int bits);
/* The largest code of a weight. */
static inline int weld_fake_largest(int bits) {
    return (1 << (bits - 1)) - 1;
}

#endif
