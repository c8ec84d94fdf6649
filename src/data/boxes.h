/* Boxes: what a data set for detection says of an image. */
#ifndef WELD_DATA_BOXES_H
#define WELD_DATA_BOXES_H

#include <stdint.h>

enum {
    WELD_BOX_CROWD = 1, /* many objects that nobody drew one by one (COCO's iscrowd) */
    WELD_BOX_IGNORE = 2 /* neither to be found nor wrong to be found (VOC's difficult) */
};

/* In pixels of the upright image, edges: pixel i covers [i, i + 1]. `area` is the object's, which
 * may be less than the box's. */
typedef struct weld_box {
    double x, y, width, height, area;
    int32_t class_index;
    uint32_t flags;
} weld_box;

#endif
