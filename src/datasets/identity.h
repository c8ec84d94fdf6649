/* Whether two data sets are the same: all of it that can be told without reading an image. */
#ifndef WELD_DATASETS_IDENTITY_H
#define WELD_DATASETS_IDENTITY_H

#include <stdint.h>

#include "datasets/dataset.h"

/* Hash of the names of its classes and, in order, of each sample its name and its label or boxes,
 * as they are seen: after a choice of classes or of a part. It is the same in other processes, from
 * another path, and of a packed copy of the same images. */
uint64_t weld_dataset_identity(const weld_dataset *ds);

/* The same in parts, so that it can be told what differs, and with how large files are. */
typedef struct weld_data_identity {
    int64_t images;
    uint64_t names;    /* of the samples, in order */
    uint64_t said;     /* weld_dataset_identity */
    uint64_t sizes;    /* bytes of each sample, in order; 0: of some it could not be told */
    uint64_t contents; /* of a packed file: its checksum (weld_dataset_contents); else 0 */
} weld_data_identity;

/* Asks the file system for each file of a folder, with so many threads at once. */
weld_data_identity weld_dataset_identify(const weld_dataset *ds, int threads);

#endif
