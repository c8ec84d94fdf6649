/* Networks that programs build themselves. */
#ifndef WELD_MODELS_OWN_H
#define WELD_MODELS_OWN_H

#include "models/models.h"

extern const weld_model_family weld_family_own;

/* The config of one; title NULL or "": it has none. */
weld_status weld_own_config(const char *title, int num_classes, weld_model_config *out,
                            weld_error *err);

#endif
