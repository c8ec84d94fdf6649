/* MobileOne; see mobileone.c. */
#ifndef WELD_MODELS_MOBILEONE_H
#define WELD_MODELS_MOBILEONE_H

#include "models/models.h"

extern const weld_model_family weld_family_mobileone;

#endif
