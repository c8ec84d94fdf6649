/* Integer networks: a merged graph of f32 beside which stands how its values become codes.
 *
 * A value with codes is real = scale (code - zero), code a u8. Which values of a graph have them
 * follows from the graph and from the layers that are to stay float (weld_quantization_mark): what
 * convolutions and linear layers take, and, backwards from there, what they and all that has an
 * integer form make. Who quantises chooses for each of these a scale and a zero point
 * (weld_codes_of_range), puts them into a weld_quantization, and has the integer weights derived
 * (weld_quantize_weights), which are what a file keeps. weld_quantized_graph makes of all the graph
 * that runs, with the integers as its leaves. The arithmetic is "weld-int8-1":
 *
 *   input      q = clamp(rne(x / s) + z), a true division; clamp is to 0..255
 *   products   acc = sum (q_x - z_x) q_w + q_b in int32, padding is the code z_x;
 *              m[c] = float(float(s_x s_w[c]) / s_y), q = clamp(rne(float(acc) m[c]) + z_y);
 *              where the output has no codes it is float(acc) float(s_x s_w[c])
 *   add        r_a = s_a / s_y, r_b = s_b / s_y, k = float(z_y) - fma(r_a, z_a, r_b z_b),
 *              q = clamp(rne(fma(q_a, r_a, fma(q_b, r_b, k))))
 *   functions  a table of 256 codes, which is kept with the weights
 *   pool       acc = sum q - n z_x, q = clamp(rne(float(acc) float(s_x / float(s_y n))) + z_y)
 *   channel_scale  q = clamp(rne(float((q_a - z_a)(q_b - z_b)) float(float(s_a s_b) / s_y)
 *              + float(z_y)))
 *   others     (reshape, slice, concat, maximum, nearest) codes move; where the output has other
 *              codes than an input, by a table of q = clamp(rne(s_x (q - z_x) / s_y) + z_y)
 *
 * all in float, rounded to nearest even; float(acc) rounds where it has more than 24 bits.
 */
#ifndef WELD_PASSES_QUANTIZE_H
#define WELD_PASSES_QUANTIZE_H

#include "graph/graph.h"

/* Scales of weights that were learned: rows of them, where those of a weight begin by value id. */
typedef struct weld_learned_scales {
    float *scales;
    size_t *first;
} weld_learned_scales;

/* Of a graph g, in memory. */
typedef struct weld_quantization {
    size_t value_count, node_count; /* of g */
    weld_codes *codes;              /* by value id; scale 0: the value is float */
    int *origins; /* by value id: its number in the graph that was quantised, after which tables are
                   * called; that of g unless g is a copy (weld_quantization_follow) */
    bool *float_nodes;                  /* by node id: a conv2d or linear that stays float */
    int weight_bits;                    /* of the codes that weights get; 0: 8 */
    const weld_learned_scales *learned; /* not its own: of weights; NULL: they follow from these */
    char *details; /* JSON object: what the file is to say beside (method, images, report); NULL */
} weld_quantization;

/* All float, no layer kept so. */
weld_status weld_quantization_create(const weld_graph *g, weld_quantization *out, weld_error *err);
weld_status weld_quantization_clone(const weld_quantization *q, weld_quantization *out,
                                    weld_error *err);
void weld_quantization_free(weld_quantization *q); /* and zero it */

/* conv2d or linear: what has a weight. */
bool weld_node_is_product(const weld_node *node);
/* Does the node have an integer form? */
bool weld_node_has_integer_form(const weld_node *node);
/* coded[value id]: does the value have codes where these nodes stay float? */
weld_status weld_quantization_mark(const weld_graph *g, const bool *float_nodes, bool *coded,
                                   weld_error *err);
/* Does the node run on integers? A product whose input has codes and that is not kept float (its
 * output is then float where it has none), any other with an integer form whose inputs and output
 * have codes. */
bool weld_quantization_is_integer(const weld_quantization *q, const weld_node *node);
/* It has a table: an integer activation or clamp. */
bool weld_quantization_has_table(const weld_quantization *q, const weld_node *node);

/* The codes of [low, high], widened to hold 0: scale (high - low) / 255, and 0 has a code of its
 * own. The range must be finite; one shorter than 1e-30 is taken as that long. A ReLU's output
 * begins at 0, so its zero is 0; where what it is of is given the same codes it costs nothing. */
weld_codes weld_codes_of_range(double low, double high);
/* Of a sigmoid or hard sigmoid: 1/256, 0. */
#define WELD_SIGMOID_CODES ((weld_codes){1.0f / 256, 0})

/* clamp(rne(float(f(s_x (q - z_x))) / s_y) + z_y) for all q: f of an activation or clamp node. */
void weld_quantize_table(const weld_node *node, weld_codes x, weld_codes y, unsigned char *table);

/* The tensors of the graph that runs, and of the file:
 *
 *   NAME          a layer's weight: i8, -127..127, symmetric for each output channel
 *   scales/NAME   f32 [out]: max |w[c]| / 127, or the largest code of weight_bits in its place, or
 *                 a learned one, raised until the bias is at most 2^30
 *   BIAS          i32: rne(b / float(s_x s_w[c]))
 *   tables/ID     u8 [256]: of the function that makes value ID of g
 *   others        as in w
 *
 * w holds the float weights, which may have been changed (equalised, biases corrected) but not g.
 * WELD_ERROR_NUMERIC, naming the layer, where weld_quantization_check would not pass. */
weld_status weld_quantize_weights(const weld_graph *g, const weld_weights *w,
                                  const weld_quantization *q, weld_weights **out, weld_error *err);

/* Is all sound: codes for just the values that weld_quantization_mark says, zero points of 0..255,
 * scales that are normal and positive, weights of -127..127, and for each channel |q_b| + sum |q_w|
 * max(z, 255 - z) <= 2^31 - 1, and that times m[c] < 2^30? Does each table say, to a code, what its
 * function does? All that the integers' leaves are must
 * be in `integers` with its shape and type. WELD_ERROR_FORMAT names the entry at fault;
 * `where` stands in front. */
weld_status weld_quantization_check(const weld_graph *g, const weld_quantization *q,
                                    const weld_weights *integers, const char *where,
                                    weld_error *err);

/* What of it is of the values alone. */
weld_status weld_quantization_check_codes(const weld_graph *g, const weld_quantization *q,
                                          const char *where, weld_error *err);

/* The graph that runs over the integers: its leaves are in them under their names, its inputs and
 * outputs those of g, of f32. Fused: products take tables and sums as part of themselves, with the
 * same codes. */
weld_status weld_quantized_graph(const weld_graph *g, const weld_quantization *q, bool fuse,
                                 weld_graph **out, weld_error *err);

/* The float weights of g that the integers stand for: s_w[c] q_w, float(s_x s_w[c]) q_b. */
weld_status weld_dequantize_weights(const weld_graph *g, const weld_quantization *q,
                                    const weld_weights *integers, weld_weights **out,
                                    weld_error *err);

/* The quantisation of g as that of a copy of it (weld_graph_cut, weld_graph_resized), which has the
 * same nodes in the same order, though not all. */
weld_status weld_quantization_follow(const weld_quantization *q, const weld_graph *g,
                                     const weld_graph *copy, weld_quantization *out,
                                     weld_error *err);

#endif
