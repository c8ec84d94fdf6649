/* A data set that a model is judged by: opened, and seen with the model's classes. */
#ifndef WELD_INFER_MODEL_DATA_H
#define WELD_INFER_MODEL_DATA_H

#include "data/loader.h"
#include "infer/model.h"

/* Zero: none, which is of no use but to weld_model_compare and what is above it. */
typedef struct weld_model_data {
    weld_dataset *ds;
    weld_adoption adopted;
    weld_bad_image_function
        *bad_image; /* hears of those that weld_model_compare meets; may be NULL */
} weld_model_data;

/* path NULL: none. m must outlive it. */
weld_status weld_model_data_open(const weld_model *m, const char *path, weld_model_data *out,
                                 weld_error *err);
void weld_model_data_close(weld_model_data *d);

/* weld_model_merge and weld_model_export with data that are open, in the place of `verify`. */
weld_status weld_model_merge_on(const weld_model *m, const weld_model_data *data, int threads,
                                const char *path, weld_merge_report *report, weld_error *err);
weld_status weld_model_export_on(const weld_model *m, const weld_model_data *data, const char *path,
                                 const weld_export_options *options, weld_export_report *report,
                                 weld_error *err);

#endif
