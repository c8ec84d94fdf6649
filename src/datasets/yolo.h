/* Reading data sets of YOLO's kind: data.yaml, and for each image a text file of boxes. */
#ifndef WELD_DATASETS_YOLO_H
#define WELD_DATASETS_YOLO_H

#include "datasets/box_store.h"
#include "datasets/layout.h"

/* The listing and the store of a part, which are the caller's to free, whatever the result.
 *
 * Labels are where an image's path has its last folder images replaced by labels, and its ending by
 * .txt; where no image of the part has one there, beside the images. An image without a file of
 * labels is background, but a part without any is an error. The size of each image is read from its
 * first bytes; where there is none (training leaves such an image out) it has no boxes. `listed` is
 * told what is passed over in folders of images. */
weld_status weld_yolo_read(const weld_layout *layout, const weld_listing_options *listed,
                           const weld_box_options *options, weld_listing *listing,
                           weld_box_store *store, weld_error *err);

#endif
