/* Training a network so that it keeps what it can do when it runs on codes (quantize.h): the merged
 * network, whose weights are computed of the branches that are trained (merged_nodes.h), with
 * weights and activations rounded to codes and back wherever the integer network has some.
 *
 * A table of codes [n, 2], the buffer WELD_FAKE_CODES, says how. Its row v is that of value v of
 * the merged graph: scale and zero of an activation; of a weight the largest code, whose scales
 * follow from the weight. What has a scale or code of 0 is not rounded.
 *
 * Where steps are learned (ops/learned_step.c) the parameter WELD_FAKE_STEPS and the buffer
 * WELD_FAKE_BASES take the table's place: a row for each activation that has codes and for each
 * output channel of a weight that has, by value id.
 */
#ifndef WELD_PASSES_FAKE_QUANTIZE_H
#define WELD_PASSES_FAKE_QUANTIZE_H

#include "passes/quantize.h"

#define WELD_FAKE_CODES "quantize.codes"
#define WELD_FAKE_STEPS "quantize.steps"
#define WELD_FAKE_BASES "quantize.bases"
/* Rows of files: the base, the share, and the optimizer's two moments of that. */
enum { WELD_STEP_COLUMNS = 4 };

/* Of codes; activations 0: they are not rounded. */
typedef struct weld_fake_bits {
    int weights, activations;
    bool learned; /* steps are */
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

/* first[value id], for each value that has codes: which its first row of learned steps is. How many
 * there are in all. */
size_t weld_fake_steps_find(const weld_graph *merged, const weld_fake_rows *rows,
                            weld_fake_bits bits, size_t *first);
/* The step that row (base, share) comes to. */
float weld_fake_step(float base, float share);
/* Where a weight's steps begin (the paper's): twice the mean size of its numbers over the root of
 * the largest code, but no larger than that all numbers have a code. Of a row of zeros 0. */
float weld_fake_first_step(const float *row, int64_t count, int bits);

/* Fill a table [count of values, 2]: codes by value id. Nothing is rounded that has none. */
void weld_fake_table_fill(const weld_fake_rows *rows, size_t count, weld_fake_bits bits,
                          const weld_codes *codes, float *table);
/* Is nothing rounded by it? */
bool weld_fake_table_is_empty(const float *table, size_t count);
/* The codes that a network was trained for (model_file.h: `codes`) as those of its merged graph,
 * for who makes integers of it: of weights as many bits, of activations 8 in the same range (none
 * where bits.activations is 0). WELD_ERROR_FORMAT: they are of another graph, or of other values
 * than have codes. */
weld_status weld_fake_table_read(const float *table, size_t count, weld_fake_bits bits,
                                 const weld_graph *merged, weld_quantization *out, weld_error *err);

/* The scales of weights that were learned (model_file.h: `steps`), to be released with
 * weld_learned_scales_free. WELD_ERROR_FORMAT: they are of another network. */
weld_status weld_fake_steps_read(const float *steps, size_t count, const weld_fake_rows *rows,
                                 weld_fake_bits bits, const weld_graph *merged,
                                 weld_learned_scales *out, weld_error *err);
void weld_learned_scales_free(weld_learned_scales *s); /* and zero it */

/* Could a run have trained for so many? */
bool weld_fake_bits_are_sound(int64_t weights, int64_t activations);
/* The codes of [low, high], as weld_codes_of_range has those of 8 bits. */
weld_codes weld_fake_codes_of(double low, double high, int bits);
/* The largest code of a weight. */
static inline int weld_fake_largest(int bits) {
    return (1 << (bits - 1)) - 1;
}

#endif
