/* What a detector finds in the tiles of an image, put together with what it finds in all of it.
 *
 * A thing that lies in several tiles is found in each, and in all of the image too. Of boxes from
 * different ones that overlap by more than half (or by what suppression allows, where that is less)
 * the best is told, of one class or of any as suppression goes. A box that ends where its tile does
 * and the image does not is a piece of something: it comes after all that are whole, however high
 * its score, and is not told where half of it lies in another. So what is smaller than the overlap,
 * which some tile has whole, is told as one box.
 */
#ifndef WELD_TASKS_DETECTION_TILE_BOXES_H
#define WELD_TASKS_DETECTION_TILE_BOXES_H

#include "images/tiles.h"
#include "tasks/detection/detections.h"
#include "tasks/detection/nms.h"

/* Append to *found, an array of bytes, what is found in a tile (by falling score) that placement
 * says how the network saw. Of more than `candidates` those of the highest scores stay. */
weld_status weld_tile_boxes_add(const weld_nms_options *o, const weld_array *detections,
                                const weld_placement *placement, const weld_tile *tile,
                                weld_array *found, weld_error *err);
/* boxes, an array of weld_found_box: what is found in all of the image, and then, by falling score,
 * that with what is in the tiles. */
weld_status weld_tile_boxes_merge(const weld_nms_options *o, const weld_array *found,
                                  weld_array *boxes, weld_error *err);

#endif
