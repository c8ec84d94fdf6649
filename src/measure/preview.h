/* What a run will see: the first samples of an epoch as its batches hold them, augmented and mixed,
 * on a contact sheet. Where a run has several sizes: as many of each, from its first batch in the
 * epoch, in the order in which they come. */
#ifndef WELD_MEASURE_PREVIEW_H
#define WELD_MEASURE_PREVIEW_H

#include "weld/train.h"

typedef struct weld_preview_options {
    weld_train_settings settings; /* recipe, set, data, init, threads and callbacks.message count */
    const char *out;              /* the PNG file */
    int64_t count;                /* samples; at least 1. Not more than an epoch has are drawn */
    int64_t epoch;                /* from 0 */
} weld_preview_options;

typedef struct weld_preview_report {
    int64_t samples, batches;
    bool several_sizes;
    int width, height; /* of the sheet */
    /* Batches that were passed over: where the recipe mixes, the last on the sheet is one that is
     * mixed, unless another is. */
    int64_t passed;
    const char *caption_help; /* a line about what stands below each sample */
} weld_preview_report;

/* Write the sheet. Below each sample stands its target, as mixing left it: of classification the
 * two largest shares. Errors: as of weld_train_run for recipe and data; more samples than a sheet
 * has room for; the file cannot be written. */
weld_status weld_preview(const weld_preview_options *options, weld_preview_report *out,
                         weld_error *err);

#endif
