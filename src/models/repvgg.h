/* RepVGG; see repvgg.c. */
#ifndef WELD_MODELS_REPVGG_H
#define WELD_MODELS_REPVGG_H

#include "models/models.h"

extern const weld_model_family weld_family_repvgg;

#endif
