/* Whether two data sets are the same: all of it that can be told without reading an image. */
#ifndef WELD_DATASETS_IDENTITY_H
#define WELD_DATASETS_IDENTITY_H

#include <stdint.h>

#include "datasets/dataset.h"

/* Hash of the names of its classes and, in order, of each sample its name and its label or boxes,
 * as they are seen: after a choice of classes or of a part. It is the same in other processes, from
 * another path, and of a packed copy of the same images. */
uint64_t weld_dataset_identity(const weld_dataset *ds);

#endif
