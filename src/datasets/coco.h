/* Reading COCO's annotation files (https://cocodataset.org/#format-data), of objects with boxes. */
#ifndef WELD_DATASETS_COCO_H
#define WELD_DATASETS_COCO_H

#include "datasets/box_store.h"

/* The listing and the store of the JSON file at `path`, which are the caller's to free, whatever
 * the result. The folder that file names are relative to is looked for beside it.
 *
 * Classes are the categories in the order of their ids. An annotation without a box gets that of
 * its polygons or its mask; without an area, that of its box. Memory: 48 bytes a box, 56 bytes and
 * the name an image; while it is read another 72 bytes a box. */
weld_status weld_coco_read(const char *path, const weld_box_options *options, weld_listing *listing,
                           weld_box_store *store, weld_error *err);

#endif
