/* MobileViT, the family of networks; see mobilevit.c. */
#ifndef WELD_MODELS_MOBILEVIT_H
#define WELD_MODELS_MOBILEVIT_H

#include "models/models.h"

extern const weld_model_family weld_family_mobilevit;

#endif
