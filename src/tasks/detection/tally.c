/* Counting detections against the boxes of a data set; see tally.h. */
#include "tasks/detection/tally.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/nms.h"

weld_status weld_detection_tally_create(const weld_dataset *ds, const weld_tensor *outputs,
                                        void **tally, weld_error *err) {
    const int classes = (int)outputs[1].shape.dim[2];
    if (!weld_dataset_has_boxes(ds)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has no boxes, by which a detector is judged", weld_dataset_path(ds));
    }
    if (classes != weld_dataset_class_count(ds)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: it has %d classes, the network %d: they must be the same",
                         weld_dataset_path(ds), weld_dataset_class_count(ds), classes);
    }
    weld_detection_tally *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, "evaluation");
    }
    *tally = t;
    t->ds = ds;
    return weld_coco_create(classes, &t->coco, err);
}

void weld_detection_tally_free(void *tally) {
    weld_detection_tally *t = tally;
    if (t) {
        weld_coco_free(t->coco);
        weld_free(t);
    }
}

weld_status weld_detection_tally_clear(void *tally, weld_error *err) {
    weld_detection_tally *t = tally;
    (void)err;
    weld_coco_clear(t->coco);
    t->result = NULL;
    return WELD_OK;
}

weld_status weld_detection_find(const weld_tensor *outputs, int64_t i,
                                const weld_placement *placement, weld_array *boxes,
                                weld_error *err) {
    const int64_t anchors = outputs[1].shape.dim[1], classes = outputs[1].shape.dim[2];
    const float *at = outputs[0].data, *scores = outputs[1].data;
    weld_nms_options nms = weld_nms_for_evaluation();
    weld_array found = {.element = sizeof(weld_detection)};
    nms.every_class = classes > 1;
    weld_status status = weld_nms(&nms, at + i * anchors * 4, scores + i * anchors * classes,
                                  anchors, classes, &found, err);
    for (size_t k = 0; k < found.count && !status; k++) {
        const weld_detection *d = &((const weld_detection *)found.data)[k];
        const weld_found_box box = weld_found_box_of(d, placement);
        status = weld_array_append(boxes, &box, 1) ? WELD_OK : weld_fail_memory(err, "evaluation");
    }
    weld_array_free(&found);
    return status;
}

/* By the boxes that the data set has for the image: how the network got to see it, and which of its
 * boxes could be learned so, has nothing to do with how it is judged. */
weld_status weld_detection_measure(const void *tally, const weld_tensor *outputs, int64_t i,
                                   const weld_batch *batch, weld_array *record, weld_error *err) {
    const weld_detection_tally *t = tally;
    weld_array boxes = {.element = sizeof(weld_found_box)};
    int64_t truths;
    const weld_box *truth = weld_dataset_boxes(t->ds, batch->indices[i], &truths);
    weld_status status = weld_detection_find(outputs, i, &batch->placements[i], &boxes, err);
    status = status
                 ? status
                 : weld_coco_measure(truth, truths, boxes.data, (int64_t)boxes.count, record, err);
    weld_array_free(&boxes);
    return status;
}

weld_status weld_detection_count(void *tally, int64_t index, const void *record, size_t bytes,
                                 weld_error *err) {
    weld_detection_tally *t = tally;
    return weld_coco_count(t->coco, weld_dataset_image_id(t->ds, index), record, bytes, err);
}

void weld_detection_finish(void *tally, weld_evaluation *out) {
    weld_detection_tally *t = tally;
    t->result = weld_coco_finish(t->coco);
    out->loss = NAN;
    memcpy(out->scores, t->result->figures, sizeof t->result->figures);
}
