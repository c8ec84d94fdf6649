/* What annotation files say of the images of a data set: for dataset.c, for those who read such
 * files (coco.c, yolo.c, voc.c), and for packed files.
 *
 * A reader fills in a listing (its samples, all of label 0, and the classes) and a store beside it,
 * and has weld_box_store_judge look at what came of it. What is wrong with an entry is a fault
 * (box_faults.h).
 */
#ifndef WELD_DATASETS_BOX_STORE_H
#define WELD_DATASETS_BOX_STORE_H

#include "datasets/box_faults.h"
#include "datasets/boxes.h"

typedef struct weld_box_image {
    int64_t id;
    int32_t width, height; /* upright or stored, as the annotations have it; 0: they do not say */
    uint64_t first, count; /* its boxes */
} weld_box_image;

typedef struct weld_box_store {
    const char *format;    /* "COCO", "YOLO" or "VOC" */
    char *root;            /* the folder of the samples, unless their names begin with a slash */
    weld_array images;     /* of weld_box_image, one a sample */
    weld_array boxes;      /* of weld_box */
    weld_array categories; /* of int64_t, one a class; none: as the classes */
    bool shape_areas;
    int64_t faults[WELD_BOX_FAULTS];
    weld_array files; /* texts: all that were read */
    /* Only where faults are asked for: the offset or line of each box, and for each image where the
     * name of its file begins in `files`. Without these all are of the one file `source`. */
    weld_array places;  /* of uint64_t */
    weld_array file_of; /* of uint64_t */
    const char *source; /* borrowed, while reading */
} weld_box_store;

weld_box_store weld_box_store_make(const char *format);
void weld_box_store_free(weld_box_store *s);

/* Count a fault and tell it where that is asked for; an error where it is one and is not. `at` is a
 * line where `is_line` (0: it is of the file as a whole), else an offset. */
weld_status weld_box_store_fault(weld_box_store *s, const weld_box_options *options,
                                 weld_box_fault fault, const char *file, uint64_t at, bool is_line,
                                 weld_error *err, const char *format, ...)
    __attribute__((format(printf, 8, 9)));

/* Is it the width or height of an image: a whole number of pixels, 1 at least? */
bool weld_box_is_side(double value);
/* Are these numbers a box, of whatever size? Not where one is not finite, or beyond 1e9. */
bool weld_box_is_sound(const weld_box *box);
/* Is a sound box to be trained on? Not where it has no area, or all of it is off its image. */
bool weld_box_is_seen(const weld_box *box, const weld_box_image *of);
/* Mark what is not to be trained on, and tell what is odd. Errors: memory. */
weld_status weld_box_store_judge(weld_box_store *s, const weld_box_options *options,
                                 weld_error *err);

/* Mark boxes that are the same as another of their image, after classes became one. Errors: memory.
 */
weld_status weld_box_store_find_twins(weld_box_store *s, weld_error *err);

/* Classes must have names, each another. Errors name `path`. */
weld_status weld_box_check_names(const weld_listing *l, const char *path, weld_error *err);

/* See boxes by other classes: class i is to[i] from now on, and those with to[i] < 0 are not there
 * any more. */
void weld_box_store_map(weld_box_store *s, const int *to);

/* Faults that a training should hear of, in a line; nothing where there are none. */
void weld_box_store_tell(const weld_box_store *s, weld_text *out);

#endif
