/* An open model file, from inside. */
#ifndef WELD_INFER_MODEL_H
#define WELD_INFER_MODEL_H

#include "formats/model_file.h"

struct weld_model {
    weld_model_file file;
    weld_graph *graph; /* the deploy file's own, or built from the checkpoint's config */
};

#endif
