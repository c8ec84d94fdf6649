/* The float network and those that are made of it, on the same images. */
#ifndef WELD_INFER_QUANTIZE_SCORE_H
#define WELD_INFER_QUANTIZE_SCORE_H

#include "infer/calibration.h"
#include "infer/evaluate.h"

/* What the one lost against the other. */
typedef struct weld_standoff {
    int64_t images;
    bool labelled;            /* the scores hold */
    weld_score before, after; /* the score that decides */
    double drop, error;       /* points (in percent where it is a share) and their standard error;
                               * NAN: unknown */
    int64_t lost, gained;     /* -1: unknown */
    int64_t same;             /* -1: it has no answers */
} weld_standoff;

typedef struct weld_standard weld_standard;

/* m on a data set with labels, which has its classes. */
weld_status weld_standard_create(const weld_model *m, const weld_dataset *ds,
                                 const weld_evaluator_options *options, weld_standard **out,
                                 weld_error *err);
/* On images without labels: all that there is to say is whether both say the same. */
weld_status weld_standard_create_unlabelled(const weld_model *m, const weld_calibration *images,
                                            int threads, weld_standard **out, weld_error *err);
void weld_standard_free(weld_standard *s);
/* Another network with m's inputs and outputs. */
weld_status weld_standard_compare(const weld_standard *s, const weld_graph *g, weld_weights *w,
                                  weld_standoff *out, weld_error *err);

#endif
