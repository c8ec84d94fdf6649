/* Boxes of a data set: where on its images which things are.
 *
 * Such data sets are COCO's JSON files, YOLO's data.yaml with a text file an image, VOC's XML files
 * (layout.h says how they are told apart), and packed files of these. They are opened as all are
 * (dataset.h); whether one has boxes follows from what it holds. An image may have none: it is
 * background. The label of a sample is 0 then for all, and means nothing.
 *
 * Samples of COCO's are in the order of their ids, VOC's in that of the names of their XML files,
 * others in that of their paths, bytewise; boxes in the order in which they were written. All is in
 * pixels of the upright image, that is with the orientation of its metadata applied, and
 * weld_dataset_size, _decode and _decode_part speak of it.
 */
#ifndef WELD_DATASETS_BOXES_H
#define WELD_DATASETS_BOXES_H

#include "datasets/dataset.h"

enum {
    WELD_BOX_CROWD = 1,  /* of many things that are not told apart */
    WELD_BOX_IGNORE = 2, /* neither to be trained on nor counted in evaluation (VOC: difficult) */
    WELD_BOX_UNUSED = 4, /* not to be trained on: without area, off the image, or one twice */
};

typedef struct weld_box {
    double x, y, width, height; /* left, top: edges of pixels, not their centres */
    double area;                /* of the thing's shape; where it is not told, of the box */
    int32_t class_index;
    uint32_t flags;
} weld_box;

/* COCO's bounds of areas, which begin at 0: small up to the first, medium up to the second, large
 * up to the third. */
#define WELD_BOX_SMALL (32.0 * 32.0)
#define WELD_BOX_MEDIUM (96.0 * 96.0)
#define WELD_BOX_LARGEST 1e10

/* Is the area in one of them? Other boxes are neither to be found nor missed. */
static inline bool weld_box_is_in_range(const weld_box *b) {
    return b->area >= 0 && b->area <= WELD_BOX_LARGEST;
}

/* How long two lengths lie on each other; not above 0: they do not. */
static inline double weld_box_shared(double a, double a_length, double b, double b_length) {
    const double a_end = a + a_length, b_end = b + b_length;
    return (a_end < b_end ? a_end : b_end) - (a > b ? a : b);
}

bool weld_dataset_has_boxes(const weld_dataset *ds);
/* Whose kind of annotations: "COCO", "YOLO", "VOC" or "packed"; NULL: it has no boxes. */
const char *weld_dataset_box_kind(const weld_dataset *ds);
/* Those of sample i, which the data set keeps; NULL where there are none. A box may reach beyond
 * the image: training clips it, evaluation does not. */
const weld_box *weld_dataset_boxes(const weld_dataset *ds, int64_t i, int64_t *count);
/* By what the data set names the sample and the class, for files of results: COCO's ids; else
 * sample i among all that are stored, and the class, both from 0. Where several classes became one
 * it is the first's. A class of a network that the data set does not have has no name (below): -1,
 * which COCO's may be too. */
int64_t weld_dataset_image_id(const weld_dataset *ds, int64_t i);
int64_t weld_dataset_category_id(const weld_dataset *ds, int class_index);
/* The class's name in the data set, whatever a network calls it; NULL for such a class. */
const char *weld_dataset_category_name(const weld_dataset *ds, int class_index);
/* How often each fault (box_faults.h) was found; NULL: no data set with boxes. */
const int64_t *weld_dataset_box_faults(const weld_dataset *ds);
/* As the annotations state it, upright or not; 0: they do not. */
void weld_dataset_stated_size(const weld_dataset *ds, int64_t i, int *width, int *height);
/* The orientation (images/upright.h) that is applied to sample i, whose stored bytes these are. It
 * is that of the metadata, unless the annotations state the size without it: 1 then. Errors: they
 * state one that is neither. Where there are no boxes `upright` says whether it is the metadata's.
 */
weld_status weld_dataset_orientation(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                     bool upright, int *out, weld_error *err);
/* Are the areas those of shapes, as COCO's are? Else those of boxes, which are larger. */
bool weld_dataset_has_shape_areas(const weld_dataset *ds);

#endif
