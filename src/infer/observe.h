/* What the values of a network are like on calibration images: their ranges, as wholes and channel
 * by channel. The same to the last bit for any number of threads. */
#ifndef WELD_INFER_OBSERVE_H
#define WELD_INFER_OBSERVE_H

#include "graph/graph.h"
#include "infer/calibration.h"

/* Of a value: all that was seen lies in [low, high], and but for one in 20,000 on either side (the
 * 99.99 percentile) in [tail_low, tail_high]. */
typedef struct weld_observed {
    int64_t count; /* elements; 0: the value was not looked at */
    float low, high, tail_low, tail_high;
} weld_observed;

typedef struct weld_observation {
    weld_observed *values; /* by value id */
    float *ranges;         /* by element (passes/lanes.h): how far apart 0 and what was seen lie */
} weld_observation;

/* Run g over all images, looking at the values that are `wanted`, by id. A view is what it is a
 * view of. WELD_ERROR_NUMERIC, naming layer and image: one is not finite. */
weld_status weld_observe(const weld_graph *g, weld_weights *w, const weld_calibration *c,
                         const bool *wanted, int threads, weld_observation *out, weld_error *err);
void weld_observation_free(weld_observation *o);

/* For messages: the convolution or linear layer that v is made by, or by what follows it:
 * "features.3.token_mixer.0"; "images" where it is before all of them. Returns text. */
const char *weld_value_layer(const weld_value *v, char *text, size_t size);

#endif
