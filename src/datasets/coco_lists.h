/* The lists of one of COCO's annotation files, as they stand in it: images, categories and boxes
 * with the ids by which they speak of each other. coco.c makes a data set of them.
 */
#ifndef WELD_DATASETS_COCO_LISTS_H
#define WELD_DATASETS_COCO_LISTS_H

#include "datasets/box_store.h"

typedef struct weld_coco_image {
    int64_t id;
    uint64_t name; /* in the listing's names */
    uint64_t place;
    int32_t width, height;
} weld_coco_image;

typedef struct weld_coco_category {
    int64_t id;
    uint64_t name, parent; /* in the listing's class_names; the parent may be "" */
    uint64_t place;
} weld_coco_category;

/* What a box was said to be of, and where. */
typedef struct weld_coco_origin {
    int64_t image, category;
    uint64_t place;
} weld_coco_origin;

typedef struct weld_coco_id {
    int64_t id;
    uint64_t place;
} weld_coco_id;

typedef struct weld_coco_lists {
    const char *path;
    const weld_box_options *options;
    weld_listing *listing;                  /* gets the names */
    weld_box_store *store;                  /* gets the boxes, and counts faults */
    weld_array images, categories, origins; /* of the structs above; an origin for each box */
    weld_array ids;                         /* of annotations, where faults are asked for */
    weld_error *err;
} weld_coco_lists;

/* Of nothing yet; the rest stays the caller's. */
weld_coco_lists weld_coco_lists_make(const char *path, const weld_box_options *options,
                                     weld_listing *listing, weld_box_store *store, weld_error *err);
void weld_coco_lists_free(weld_coco_lists *lists);

weld_status weld_coco_lists_read(weld_coco_lists *lists);

/* Count and tell a fault of the entry at `place`. */
weld_status weld_coco_fault(weld_coco_lists *lists, weld_box_fault kind, uint64_t place,
                            const char *what);

#endif
