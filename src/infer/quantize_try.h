/* One way of quantising a network, in memory, and how near it comes to the network. */
#ifndef WELD_INFER_QUANTIZE_TRY_H
#define WELD_INFER_QUANTIZE_TRY_H

#include "infer/observe.h"
#include "passes/quantize.h"
#include "weld/quantize.h"

/* Graphs are of the float network, whose values and nodes have the same numbers in all. */
typedef struct weld_attempt {
    weld_quantization codes;
    weld_weights *integers;
    weld_graph *graph; /* that runs on them */
} weld_attempt;

/* Float weights and what the network's values are like with them. */
typedef struct weld_grounds {
    const weld_graph *graph;
    weld_weights *weights;
    weld_observation seen;
    const weld_quantization *trained;   /* that WELD_QUANTIZE_TRAINED takes; or NULL */
    int weight_bits;                    /* of all attempts; 0: 8 */
    const weld_learned_scales *learned; /* likewise; or NULL */
} weld_grounds;

/* Does the node no more than cut off what it is of? Then codes that end where it cuts do that. */
bool weld_node_cuts(const weld_node *node);

/* The nodes whose float_nodes [node count] are set stay float. */
weld_status weld_attempt_make(const weld_grounds *on, weld_quantize_method method,
                              const bool *float_nodes, weld_attempt *out, weld_error *err);
void weld_attempt_free(weld_attempt *a);

/* What the float network says of the first images, to hold others against. */
typedef struct weld_judge weld_judge;
/* most: images at most; fewer where memory would be short. */
weld_status weld_judge_create(const weld_graph *g, weld_weights *w, const weld_calibration *c,
                              int64_t most, int threads, weld_judge **out, weld_error *err);
void weld_judge_free(weld_judge *j);
/* Power of the differences over that of the outputs, the mean over the outputs. */
weld_status weld_judge_noise(const weld_judge *j, const weld_graph *g, weld_weights *w,
                             double *noise, weld_error *err);
/* Do two say the same to the bit? */
weld_status weld_judge_same(const weld_judge *j, const weld_attempt *a, const weld_graph *g,
                            weld_weights *w, bool *same, weld_error *err);
/* Of a noise, in dB; at most 200. */
double weld_noise_decibel(double noise);

/* Move the biases of the integer layers so that each channel of what they make has the mean that it
 * has in the float network, layer after layer, each seeing what those before it make by then
 * (Nagel et al., ICCV 2019, section 4.2, from images). weights: the float ones, which get the
 * biases; the attempt is made anew of them. */
weld_status weld_attempt_correct(weld_attempt *a, const weld_grounds *on, const weld_calibration *c,
                                 int threads, weld_error *err);

#endif
