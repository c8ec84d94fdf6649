/* Codes for runtimes whose zero point is always 0 (TensorRT), and what a network says by them. */
#ifndef WELD_PASSES_SYMMETRIC_CODES_H
#define WELD_PASSES_SYMMETRIC_CODES_H

#include "passes/quantize.h"

/* The codes of q refitted so that each zero point is 128, the middle, and [-127, 127] around it
 * holds the range that there was; less those between a product and a function or a sum that takes
 * it up alone: there such runtimes want floats, and round once behind both. */
weld_status weld_symmetric_codes(const weld_graph *g, const weld_quantization *q,
                                 weld_quantization *out, weld_error *err);

/* The integers that g has by q, as they go with such codes: biases, which are in the scales of
 * inputs, become floats. */
weld_status weld_symmetric_weights(const weld_graph *g, const weld_quantization *q,
                                   const weld_weights *integers, weld_weights **out,
                                   weld_error *err);

/* g in floats, each value that has codes rounded to them. */
weld_status weld_rounded_graph(const weld_graph *g, const weld_quantization *q, weld_graph **out,
                               weld_error *err);

#endif
