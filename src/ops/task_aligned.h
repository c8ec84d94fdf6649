/* Task-aligned assignment in one image; detection_assign.c has the rule. */
#ifndef WELD_OPS_TASK_ALIGNED_H
#define WELD_OPS_TASK_ALIGNED_H

#include "ops/detection.h"

enum { WELD_ASSIGN_BOXES, WELD_ASSIGN_CLASSES, WELD_ASSIGN_TARGETS }; /* inputs */

/* Of a row of the targets. */
enum { WELD_TARGET_CLASS, WELD_TARGET_BOX, WELD_TARGET_KIND = 5, WELD_TARGET_SIZE };
enum {
    WELD_TARGET_OBJECT,
    WELD_TARGET_CROWD,
    WELD_TARGET_CUT,  /* a part of an object, which is not counted */
    WELD_TARGET_TINY, /* an object that is not to be found, and counted */
};

/* What an image adds to the batch; `scores` is NaN where what it was given is not to be used. */
typedef struct weld_assigned_image {
    double scores, positives, objects, missed;
} weld_assigned_image;

/* Of room for one image. */
size_t weld_task_aligned_bytes(const weld_run *run);
/* Fill in the matches of an image. */
weld_assigned_image weld_task_aligned(const weld_run *run, int64_t index, void *room);

#endif
