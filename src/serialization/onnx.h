/* ONNX files (https://onnx.ai), written: an evaluation graph for other programs to run. */
#ifndef WELD_SERIALIZATION_ONNX_H
#define WELD_SERIALIZATION_ONNX_H

#include "formats/metadata.h"
#include "weld/graph.h"

typedef struct weld_onnx_options {
    int64_t batch;                 /* 0: any, the symbolic dimension "batch" */
    const char *name;              /* of the network ("repvit_m0_9"); NULL: unknown */
    const weld_metadata *metadata; /* what becomes metadata_props; may be NULL */
} weld_onnx_options;

/* Write g with its weights, atomically. g is an evaluation graph of f32 with one input, an image
 * [batch, height, width, channels], which is called "input" in the file; outputs keep their names
 * ("logits"). As is the custom there, activations are NCHW: an input or output [n, h, w, c] of the
 * graph is [n, c, h, w] in the file. Initialisers have the names and shapes of g's parameters; the
 * value that a layer makes is called after its parameters' module ("features.0.0/Conv").
 *
 * IR version 8 and operator set 15, which came with it, so that what reads the one reads the other;
 * 17 where the graph has a layer norm. GELU is exact, spelled with Erf (Gelu is no operator there).
 *
 * Errors: WELD_ERROR_ARGUMENT for a node that has no spelling in ONNX, naming it, or a graph of
 * another kind; WELD_ERROR_NOT_FOUND or WELD_ERROR_SHAPE for weights that are not g's, or a graph
 * that cannot have this batch; of the file system. Nothing is written then. Weights are written
 * from where they lie, without a copy. */
weld_status weld_onnx_write(const char *path, const weld_graph *g, const weld_weights *w,
                            const weld_onnx_options *options, weld_error *err);

#endif
