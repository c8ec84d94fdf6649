/* A network that is being quantised: what the steps of it (quantize.c) hand on. */
#ifndef WELD_INFER_QUANTIZER_H
#define WELD_INFER_QUANTIZER_H

#include "infer/quantize_data.h"
#include "infer/quantize_parts.h"
#include "infer/quantize_score.h"

enum { WELD_GROUNDS = 2, WELD_METHODS = 2 };

typedef struct weld_quantizer {
    const weld_quantize_options *options;
    const weld_model *model; /* merged, of floats */
    const weld_graph *graph; /* its */
    const weld_quantize_data *data;
    weld_calibration *images;
    weld_calibration *unlabelled; /* that both are held against each other on; may be `images` */
    weld_standard *standard;
    weld_judge *judge;
    weld_parts parts;
    bool *float_nodes;                  /* by node id: those that are asked for */
    weld_grounds grounds[WELD_GROUNDS]; /* as it is; with its channels equalised */
    int ground_count;
    double noise[WELD_GROUNDS][WELD_METHODS]; /* of each candidate; NAN: not tried */

    int ground;                  /* the best of them */
    weld_quantize_method method; /* likewise */
    weld_attempt best;           /* with corrected biases where that helped */
    double best_noise;
    bool corrected;
    int float_count; /* noisiest parts that are float beside those that were asked for */
    weld_standoff standoff;
    int evaluations;
    int64_t bytes[2];
    double milliseconds[2];
} weld_quantizer;

/* The candidate that comes nearest: its ground, method, itself and its noise. */
weld_status weld_quantizer_choose(weld_quantizer *q, weld_error *err);
/* By that ground and method, with these nodes float; biases are corrected where that helps. */
weld_status weld_quantizer_attempt(const weld_quantizer *q, const bool *float_nodes,
                                   weld_attempt *out, double *noise, bool *corrected,
                                   weld_error *err);
/* Has the noisiest parts float until options->max_drop is met; or an error. */
weld_status weld_quantizer_meet_budget(weld_quantizer *q, weld_error *err);
/* What came of it, as JSON, with what was measured of the files or without, which then is the same
 * on any machine; NULL where memory is short. To be released with weld_free. */
char *weld_quantizer_json(const weld_quantizer *q, bool measured);
void weld_quantizer_report(const weld_quantizer *q, weld_quantize_report *out);

#endif
