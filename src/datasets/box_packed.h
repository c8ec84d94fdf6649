/* Boxes in packed data sets, both ways. */
#ifndef WELD_DATASETS_BOX_PACKED_H
#define WELD_DATASETS_BOX_PACKED_H

#include "datasets/box_store.h"
#include "formats/packed.h"

/* Copy the boxes of a packed file, which keeps none. *out is the caller's to free, whatever the
 * result. Those that are not to be trained on are marked again. Errors, which name `path`: memory,
 * a box that is beyond all images. */
weld_status weld_box_store_unpack(weld_packed *packed, const char *path, weld_box_store *out,
                                  weld_error *err);

/* Have a writer take boxes, those of ds; and add those of its sample i, whose image became
 * `scale[0]` times as wide and `scale[1]` as high, and is width x height then; 0: as it was. */
weld_status weld_box_pack_begin(const weld_dataset *ds, weld_packed_writer *w, weld_error *err);
weld_status weld_box_pack_add(const weld_dataset *ds, int64_t i, const double scale[2], int width,
                              int height, weld_packed_writer *w, weld_error *err);

#endif
