/* A network that is being quantised: what the steps of it (quantize.c) hand on. */
#ifndef WELD_INFER_QUANTIZER_H
#define WELD_INFER_QUANTIZER_H

#include "infer/quantize_data.h"
#include "infer/quantize_parts.h"
#include "infer/quantize_score.h"
#include "passes/fake_quantize.h"

enum { WELD_GROUNDS = 2, WELD_TRAINED = 2, WELD_METHODS = 3 };

/* Of one candidate: with its biases as they are and corrected; NAN: it was not tried so. Taken is
 * what is less. */
typedef struct weld_noises {
    double plain, corrected;
} weld_noises;

typedef struct weld_quantizer {
    const weld_quantize_options *options;
    const weld_model *merged; /* of floats */
    const weld_model *model;  /* the same with layers for what batch norms are left */
    const weld_graph *graph;  /* its */
    weld_quantize_data *data;
    weld_calibration *taken;      /* of `data`: */
    weld_calibration *images;     /* those that are calibrated on and... */
    weld_calibration *held;       /* ...others that are chosen by; NULL: there are too few */
    weld_calibration *unlabelled; /* that both are held against each other on; or NULL */
    weld_standard *standard;
    weld_judge *judge;
    weld_parts parts;
    bool *float_nodes;                  /* by node id: those that are asked for */
    weld_grounds grounds[WELD_GROUNDS]; /* as it is; with its channels equalised */
    int ground_count;
    weld_fake_bits bits;         /* that it was trained for, if that may be taken; else 0 */
    weld_quantization trained;   /* its codes then, where those of activations were trained too */
    weld_learned_scales learned; /* of weights, where their steps were learned */
    weld_noises noise[WELD_GROUNDS][WELD_METHODS]; /* by `judge`, of the same float layers alone */

    int ground;                  /* the best of them */
    weld_quantize_method method; /* likewise */
    weld_attempt best;           /* with corrected biases where that helped */
    double best_noise;           /* by `judge` */
    double said_noise;           /* on images that nothing was chosen by, where there are some */
    int64_t said_images;
    bool corrected;
    int float_count; /* noisiest parts that are float beside those that were asked for */
    weld_standoff standoff;
    int evaluations;
    int64_t bytes[2];
    double milliseconds[2];
} weld_quantizer;

/* Reads taken, images, held, unlabelled. */
weld_status weld_quantizer_open_images(weld_quantizer *q, weld_error *err);
/* said_noise, of `best`. */
weld_status weld_quantizer_say_noise(weld_quantizer *q, weld_error *err);
void weld_quantizer_close_images(weld_quantizer *q);
/* The candidate that comes nearest: its ground, method, itself and its noise. */
weld_status weld_quantizer_choose(weld_quantizer *q, weld_error *err);
weld_quantize_method weld_quantizer_method(int i); /* of noise[][i] */
/* The codes that it was trained for, if there are any and these are asked for: bits, trained. */
weld_status weld_quantizer_read_trained(weld_quantizer *q, weld_error *err);
/* Are there such, of fewer bits than integers have? Then only these are what was trained. */
bool weld_quantizer_is_bound(const weld_quantizer *q);
/* By that ground and method, with these nodes float; biases are corrected where that helps. */
weld_status weld_quantizer_attempt(const weld_quantizer *q, const bool *float_nodes,
                                   weld_attempt *out, weld_noises *noise, weld_error *err);
bool weld_noises_are_corrected(const weld_noises *n); /* is what is taken? */
double weld_noises_least(const weld_noises *n);       /* of what is taken; NAN: there is none */
/* Has the noisiest parts float until options->max_drop is met; or an error. */
weld_status weld_quantizer_meet_budget(weld_quantizer *q, weld_error *err);
/* What came of it, as JSON, with what was measured of the files or without, which then is the same
 * on any machine; NULL where memory is short. To be released with weld_free. */
char *weld_quantizer_json(const weld_quantizer *q, bool measured);
void weld_quantizer_report(const weld_quantizer *q, weld_quantize_report *out);

#endif
