/* The box of what COCO calls a segmentation: polygons, or a mask in runs. */
#ifndef WELD_DATASETS_COCO_SHAPE_H
#define WELD_DATASETS_COCO_SHAPE_H

#include "datasets/boxes.h"
#include "formats/json_scan.h"

/* Takes the value that comes next; false where it has no point or pixel. Polygons are lists of
 * x, y, x, y, ...; masks {"size": [height, width], "counts": runs of 0 and 1 in turn, column by
 * column}, the runs as a list or in the compressed text of COCO's API. Of a mask the box is in
 * whole pixels. Sets x, y, width and height alone. */
bool weld_coco_shape_box(weld_scan *s, weld_box *box);

#endif
