/* Precision: the activations of a network in bf16. */
#ifndef WELD_PASSES_PRECISION_H
#define WELD_PASSES_PRECISION_H

#include "weld/graph.h"

/* *out computes what g does, with its activations in bf16 from the first operator on that can take
 * them so; leaves and outputs are as in g, in the same order, of f32. What makes f32 of bf16 stays
 * f32 from there on (global average pooling, so the head), and so does what comes after an operator
 * that takes f32 alone. The last convolutions and linear layers, those that no other takes anything
 * of, give f32 of what is bf16. To be done before differentiation, whose gradients follow the
 * types. Other passes on *out see the casts as operators like any other.
 *
 * WELD_ERROR_ARGUMENT unless g is of f32. */
weld_status weld_precision_bf16(const weld_graph *g, weld_graph **out, weld_error *err);
/* The same where the outputs are values inside of a network: none of its layers is the last. */
weld_status weld_precision_bf16_inside(const weld_graph *g, weld_graph **out, weld_error *err);

#endif
