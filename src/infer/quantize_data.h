/* The images that a network is quantised by and those that both networks are compared on. */
#ifndef WELD_INFER_QUANTIZE_DATA_H
#define WELD_INFER_QUANTIZE_DATA_H

#include "infer/calibration.h"
#include "infer/model_data.h"
#include "weld/quantize.h"

typedef struct weld_quantize_data {
    weld_dataset *ds; /* to calibrate on, ... */
    int64_t *order;   /* ...by its samples, the first that are good in this order */
    int64_t count;
    bool parted;                /* what both networks are compared on is of `ds` too: others */
    weld_model_data evaluation; /* ds NULL: there are no labels */
} weld_quantize_data;

/* out->evaluation may have been opened before; all else of *out is zero. m must outlive it. */
weld_status weld_quantize_data_open(const weld_model *m, const char *data,
                                    const weld_quantize_options *options, weld_quantize_data *out,
                                    weld_error *err);
void weld_quantize_data_close(weld_quantize_data *d);

/* Where the data are parted and have labels: `evaluation` without the images that were taken. */
weld_status weld_quantize_data_leave_out(weld_quantize_data *d, const weld_calibration *taken,
                                         weld_error *err);

/* weld_model_quantize with data that are open. */
weld_status weld_model_quantize_on(const weld_model *m, weld_quantize_data *data,
                                   const weld_quantize_options *options, const char *path,
                                   weld_quantize_report *report, weld_error *err);

/* How far a stage is, by the options' function. */
void weld_quantize_show(const weld_quantize_options *o, const char *stage, int64_t done,
                        int64_t total);

/* A line for people, by the options' function. */
void weld_quantize_say(const weld_quantize_options *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
