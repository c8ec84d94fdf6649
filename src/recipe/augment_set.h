/* The keys of a recipe's section `augment` by themselves, for programs without a recipe. */
#ifndef WELD_RECIPE_AUGMENT_SET_H
#define WELD_RECIPE_AUGMENT_SET_H

#include "data/augmentation.h"

#include <stddef.h>

/* The defaults, with what set[0..count), "key=value" each, says otherwise. WELD_ERROR_ARGUMENT: no
 * such key, or a value out of its range. What values say to one another is not checked. */
weld_status weld_augmentation_set(const char *const *set, size_t count, weld_augmentation *out,
                                  weld_error *err);

#endif
