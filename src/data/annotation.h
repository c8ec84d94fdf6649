/* What a data set says of an image beside its pixels: a label, boxes, a number. What that is only a
 * task knows (tasks/task.h): to this room it is an array of elements, any number an image, that the
 * task's functions read, and move as the image's pixels move.
 */
#ifndef WELD_DATA_ANNOTATION_H
#define WELD_DATA_ANNOTATION_H

#include "base/array.h"
#include "datasets/dataset.h"
#include "data/transform.h"

/* Called by several threads at once, each for samples of its own. */
typedef struct weld_annotation {
    size_t element; /* bytes */
    bool of_boxes;  /* data sets must have boxes (boxes.h); else they must not */
    /* Append what is said of image `index`. */
    weld_status (*read)(const weld_dataset *ds, int64_t index, weld_array *out, weld_error *err);
    /* The elements from `first` on are of an image that comes to lie there in the sample: move
     * them, and leave out what is not to be seen any more. NULL: they have no place. */
    void (*place)(weld_array *elements, size_t first, const weld_placement *placement);
    /* Which of how many groups an image belongs to, for those who want as much of each (sampling.h)
     * or look whether there is enough (check.h). NULL: there are none. */
    int (*group_count)(const weld_dataset *ds);
    int (*group)(const weld_dataset *ds, int64_t index);
    const char *(*group_name)(const weld_dataset *ds, int group);
} weld_annotation;

#endif
