/* RegNetY; see regnety.c. */
#ifndef WELD_MODELS_REGNETY_H
#define WELD_MODELS_REGNETY_H

#include "models/models.h"

extern const weld_model_family weld_family_regnety;

#endif
