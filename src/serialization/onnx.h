/* ONNX files (https://onnx.ai), written: an evaluation graph for other programs to run. */
#ifndef WELD_SERIALIZATION_ONNX_H
#define WELD_SERIALIZATION_ONNX_H

#include "formats/metadata.h"
#include "passes/quantize.h"
#include "weld/graph.h"

#define WELD_ONNX_INPUT "input"
struct weld_onnx_builder;

/* Operator sets that can be written. In the first, initialisers need not be inputs; up to the last,
 * the operators that are used have the forms that they are used in. */
enum { WELD_ONNX_OLDEST = 9, WELD_ONNX_NEWEST = 28 };

/* What a file ends with that is made of ONNX's operators and of none of weld's: the one output, in
 * the place of the graph's. */
typedef struct weld_onnx_ending {
    const char *name;
    weld_shape shape; /* the batch first */
    /* Append it to what the graph's outputs are (onnx_builder.h), ending with the node that makes
     * it. */
    void (*spell)(struct weld_onnx_builder *b, const void *values);
    const void *values;
} weld_onnx_ending;

typedef struct weld_onnx_options {
    int64_t batch; /* 0: any, the symbolic dimension "batch" */
    int opset;     /* of the file; 0: the lowest that suffices */
    /* The same network for images of other sizes: height and width are then left open. None: they
     * are the graph's. */
    weld_graph *const *others;
    size_t other_count;
    const weld_onnx_ending *ending; /* NULL: the file gives what the graph does */
    /* How values become codes: then the weights are of integers (passes/quantize.h), and the file
     * has QuantizeLinear and DequantizeLinear after each value that has codes, and the latter
     * before weights and biases. Those of the graph and, in their order, of `others`; NULL: all is
     * float. */
    const weld_quantization *codes, *other_codes;
    bool signed_codes;             /* code 128 is written as 0 of 8 bits with a sign */
    const char *input;             /* what images are called; NULL: WELD_ONNX_INPUT */
    const char *name;              /* of the network ("repvit_m0_9"); NULL: unknown */
    const weld_metadata *metadata; /* what becomes metadata_props; may be NULL */
} weld_onnx_options;

typedef struct weld_onnx_versions {
    int opset, ir; /* of the operators and of the format */
} weld_onnx_versions;

/* Write g with its weights, atomically. g is an evaluation graph of f32 with one input, an image
 * [batch, height, width, channels], which is called "input" in the file
 * where nobody says otherwise; outputs keep their names
 * ("logits"). As is the custom there, activations are NCHW: an input or output [n, h, w, c] of the
 * graph is [n, c, h, w] in the file. Initialisers have the names and shapes of g's parameters; the
 * value that a layer makes is called after its parameters' module ("features.0.0/Conv").
 *
 * The file is of the lowest operator set that suffices, or of the one that was asked for, and of
 * the version of the format that came with it; `versions`, which may be NULL, gets them. GELU is
 * exact. GELU, hard swish and layer norm are operators of their own where a set was asked for that
 * has them (20, 14, 17), else spelled out.
 *
 * Dimensions that are left open have names: "batch", "height", "width", and of outputs, where they
 * go by the images' size, "NAME_height" and so on.
 *
 * Errors: WELD_ERROR_ARGUMENT for a node that has no spelling in ONNX, naming it, or that needs a
 * later operator set than was asked for, or a graph of another kind; WELD_ERROR_SHAPE where the
 * file would not be that of the other sizes too; WELD_ERROR_NOT_FOUND or WELD_ERROR_SHAPE for
 * weights that are not g's, or a graph that cannot have this batch; of the file system. Nothing is
 * written then. Weights are written from where they lie, without a copy. */
weld_status weld_onnx_write(const char *path, const weld_graph *g, const weld_weights *w,
                            const weld_onnx_options *options, weld_onnx_versions *versions,
                            weld_error *err);

#endif
