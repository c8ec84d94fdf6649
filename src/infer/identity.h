/* Whether two models are the same: by text that is the same exactly where weights and preparation
 * of images are, in other files and processes too. */
#ifndef WELD_INFER_IDENTITY_H
#define WELD_INFER_IDENTITY_H

#include "infer/model.h"

enum { WELD_MODEL_IDENTITY_SIZE = 128 };

uint64_t weld_weights_hash(const weld_weights *w);
/* For people too: "repvit_m0_9, weights 0123456789abcdef, images prepared as ...", which is all
 * that pixels depend on, and the temperature. */
weld_status weld_model_identity(const weld_model *m, char text[WELD_MODEL_IDENTITY_SIZE],
                                weld_error *err);

#endif
