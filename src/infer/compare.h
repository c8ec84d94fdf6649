/* Two networks that should say the same: on the same images, side by side. */
#ifndef WELD_INFER_COMPARE_H
#define WELD_INFER_COMPARE_H

#include "infer/model_data.h"

/* The models must take inputs of one size and have the same number of classes. Runs both on the
 * first 1024 images of `data`, which has the classes of `before`, or, where that is none, on 32
 * images of normal noise; the same at every call. */
weld_status weld_model_compare(const weld_model *before, const weld_model *after,
                               const weld_model_data *data, int threads, weld_comparison *out,
                               weld_error *err);

/* The same for the maps of all stages, on noise; no answers are counted. */
weld_status weld_model_compare_maps(const weld_model *before, const weld_model *after, int threads,
                                    weld_comparison *out, weld_error *err);
/* `count` numbers of the one and of the other. */
void weld_comparison_add(weld_comparison *sum, const float *before, const float *after,
                         int64_t count);

/* WELD_ERROR_NUMERIC where outputs differ by more than 1e-4 of the largest; "`what` changes logits
 * by up to ..." */
weld_status weld_comparison_check(const weld_comparison *c, const char *what, weld_error *err);

/* Median times of one image in milliseconds, alternating so that both see the same machine. */
weld_status weld_model_time_both(const weld_model *before, const weld_model *after, int threads,
                                 double *milliseconds_before, double *milliseconds_after,
                                 weld_error *err);

#endif
