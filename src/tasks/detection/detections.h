/* What a detector says of an image: in pixels of the network's input, and brought back to the
 * image's own. */
#ifndef WELD_TASKS_DETECTION_DETECTIONS_H
#define WELD_TASKS_DETECTION_DETECTIONS_H

#include <stdint.h>

#include "data/transform.h"

/* In pixels of the input, as the network gives it. */
typedef struct weld_detection {
    float x1, y1, x2, y2, score;
    int32_t class_index;
} weld_detection;

/* In pixels of the image, as a data set says where its objects are. */
typedef struct weld_found_box {
    double x, y, width, height, score;
    int32_t class_index;
} weld_found_box;

/* Back to where `placement` took it from (the inverse, with the sizes that the image really got),
 * cut off at the image's edges. */
weld_found_box weld_found_box_of(const weld_detection *detection, const weld_placement *placement);

#endif
