/* Models as files for other programs, between export.c and export_onnx.c. */
#ifndef WELD_INFER_EXPORT_H
#define WELD_INFER_EXPORT_H

#include "infer/model_data.h"

/* What a file is held to, and what came of it. */
typedef struct weld_verification {
    const weld_model *original;
    const weld_model_data *data;
    int threads;
    weld_comparison found;
} weld_verification;

/* Write the network of m, which is the original or made of it by merging; the report gets what
 * there is to say of an ONNX file alone, and counts. */
weld_status weld_export_onnx(const weld_model *m, const char *path,
                             const weld_export_options *options, weld_verification *v,
                             weld_export_report *report, weld_error *err);

#endif
