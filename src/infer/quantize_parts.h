/* The parts of a network that are of integers or float together, and how much noise comes of each:
 * the layers of one module, so a stem, a depthwise convolution, a squeeze-excite, a channel mixer.
 */
#ifndef WELD_INFER_QUANTIZE_PARTS_H
#define WELD_INFER_QUANTIZE_PARTS_H

#include "infer/quantize_try.h"

typedef struct weld_part {
    char name[128]; /* of the module: its layers' names without their last component */
    double noise;   /* that comes of it, measured by itself; 0: it was not measured */
    bool is_float;
} weld_part;

typedef struct weld_parts {
    weld_part *parts; /* in the order of the graph */
    int count;
    int *of; /* by node id: which part the layer is of; -1: it is no layer that could be integer */
    size_t node_count;
} weld_parts;

weld_status weld_parts_find(const weld_graph *g, weld_parts *out, weld_error *err);
void weld_parts_free(weld_parts *p);

/* float_nodes [node count]: what stays float where these names of layers or modules do.
 * WELD_ERROR_ARGUMENT where one is the name of none. */
weld_status weld_parts_choose_float(const weld_parts *p, const weld_graph *g,
                                    const char *const *names, size_t count, bool *float_nodes,
                                    weld_error *err);
/* Note which parts are float where these nodes are. */
void weld_parts_note_float(weld_parts *p, const bool *float_nodes);

/* The noise of each part that is not float, when all else is. o: who hears how far it is. */
weld_status weld_parts_measure(weld_parts *p, const weld_grounds *on, weld_quantize_method method,
                               const bool *float_nodes, const weld_judge *judge,
                               const weld_quantize_options *o, weld_error *err);
/* Part i's share of the noise of all that are not float. */
double weld_parts_share(const weld_parts *p, int i);
/* order [count]: the noisiest first. */
void weld_parts_rank(const weld_parts *p, int *order);

#endif
