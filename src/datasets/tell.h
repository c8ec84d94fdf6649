/* What a person should hear of a data set before it is used: whatever uses one says it by this, so
 * that nothing is forgotten. */
#ifndef WELD_DATASETS_TELL_H
#define WELD_DATASETS_TELL_H

#include "datasets/dataset.h"

/* Lines that begin with its path: what became of its index, what was passed over in it, and pixels
 * that its images lose, which depends on scale16 (weld/image.h; 0: 255). Decodes a few images. */
void weld_dataset_tell(const weld_dataset *ds, int scale16,
                       void (*say)(void *context, const char *line), void *context);

#endif
