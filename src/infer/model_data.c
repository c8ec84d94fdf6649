/* Data sets that models are judged by; see model_data.h. */
#include "infer/model_data.h"

weld_status weld_model_data_open(const weld_model *m, const char *path, weld_model_data *out,
                                 weld_error *err) {
    *out = (weld_model_data){.ds = NULL};
    weld_status status = path ? weld_dataset_open_to_judge(path, &out->ds, err) : WELD_OK;
    if (!status && path) {
        status = weld_model_adopt_labels(m, out->ds, &out->adopted, err);
    }
    if (status) {
        weld_model_data_close(out);
    }
    return status;
}

void weld_model_data_close(weld_model_data *d) {
    weld_dataset_free(d->ds);
    *d = (weld_model_data){.ds = NULL};
}
