/* What the boxes of a data set are like: for check-data. */
#ifndef WELD_DATA_CHECK_BOXES_H
#define WELD_DATA_CHECK_BOXES_H

#include "datasets/boxes.h"

typedef struct weld_box_report {
    int64_t images, background; /* without a box */
    int64_t boxes, crowds, ignored;
    int64_t small, medium, large; /* by area, up to 32 x 32, up to 96 x 96, and more */
    int64_t per_image[4];         /* least, median, of nine tenths of all, most */
    int64_t over_100, over_300;   /* images with more boxes */
    int64_t elongated;            /* more than 20 times as long as wide */
    int64_t whole;                /* boxes of all of their image */
    int64_t overlapping;          /* pairs of one class in an image with an IoU above 0.9 */
    int64_t crowded;              /* images with so many boxes that not all pairs were looked at */
    /* The shorter sides, in pixels of an input of `size`: the hundredth, the tenth, the median; and
     * shares of those below 8 and 2 pixels. Of images whose size is not stated, none. */
    double sides[3], below_8, below_2;
    int64_t *class_boxes; /* [classes]; released with weld_free */
} weld_box_report;

/* size: of the longer side of an image as the network sees it. Errors: memory. */
weld_status weld_check_boxes(const weld_dataset *ds, int size, weld_box_report *out,
                             weld_error *err);

#endif
