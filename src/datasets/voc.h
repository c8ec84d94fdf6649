/* Reading data sets of Pascal VOC's kind: an XML file for each image. */
#ifndef WELD_DATASETS_VOC_H
#define WELD_DATASETS_VOC_H

#include "datasets/box_store.h"
#include "datasets/layout.h"

/* The listing and the store of a part, which are the caller's to free, whatever the result.
 *
 * In a folder with Annotations and JPEGImages the part is what ImageSets/Main/PART.txt lists (of
 * train, where there are no lists, all of it); a folder of images with their XML files beside them
 * is one part. Classes are the names in all its XML files, sorted. Corners count pixels from 1 and
 * are within the box: xmin 1, xmax 1 is one pixel wide. What is difficult is neither trained on nor
 * counted. */
weld_status weld_voc_read(const weld_layout *layout, const weld_box_options *options,
                          weld_listing *listing, weld_box_store *store, weld_error *err);

#endif
