/* The networks between MobileNetV3-L and RepViT-M0.9. */
#ifndef WELD_MODELS_MOBILENETV3_REPVIT_H
#define WELD_MODELS_MOBILENETV3_REPVIT_H

#include "models/models.h"

extern const weld_model_family weld_family_mobilenetv3_repvit;

#endif
