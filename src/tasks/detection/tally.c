/* Counting detections against the boxes of a data set; see tally.h. */
#include "tasks/detection/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/coco_parts.h"
#include "tasks/detection/nms.h"

weld_status weld_detection_tally_of(const weld_dataset *ds, weld_detection_tally **out,
                                    weld_error *err) {
    weld_detection_tally *t = *out = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, "evaluation");
    }
    t->ds = ds;
    weld_status status = weld_coco_create(weld_dataset_class_count(ds), &t->coco, err);
    if (status) {
        weld_free(t);
        *out = NULL;
    }
    return status;
}

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
    weld_detection_tally *t;
    weld_status status = weld_detection_tally_of(ds, &t, err);
    *tally = t;
    return status;
}

static void forget_worst(weld_detection_tally *t) {
    for (int i = 0; i < t->worst_count; i++) {
        weld_array_free(&t->worst[i].found);
    }
    t->worst_count = 0;
}

void weld_detection_tally_free(void *tally) {
    weld_detection_tally *t = tally;
    if (t) {
        forget_worst(t);
        weld_coco_free(t->coco);
        weld_free(t);
    }
}

weld_status weld_detection_tally_clear(void *tally, weld_error *err) {
    weld_detection_tally *t = tally;
    (void)err;
    forget_worst(t);
    weld_coco_clear(t->coco);
    t->result = NULL;
    return WELD_OK;
}

weld_status weld_detection_find(const weld_tensor *outputs, int64_t i,
                                const weld_placement *placement, weld_array *boxes,
                                weld_error *err) {
    weld_nms_options nms = weld_nms_for_evaluation();
    weld_array found = {.element = sizeof(weld_detection)};
    nms.every_class = outputs[1].shape.dim[2] > 1;
    weld_status status = weld_nms_of_image(&nms, outputs, i, &found, err);
    for (size_t k = 0; k < found.count && !status; k++) {
        const weld_detection *d = &((const weld_detection *)found.data)[k];
        const weld_found_box box = weld_found_box_of(d, placement);
        status = weld_array_append(boxes, &box, 1) ? WELD_OK : weld_fail_memory(err, "evaluation");
    }
    weld_array_free(&found);
    return status;
}

/* --- Records: the mistakes, what is found with some confidence, and what COCO's evaluation needs
 */

typedef struct record_head {
    int64_t mistakes, found;
} record_head;

/* Of equal scores the class, and then the place, decide. */
static int higher_score(const void *a, const void *b) {
    const weld_found_box *p = a, *q = b;
    int order = (p->score < q->score) - (p->score > q->score);
    order = order ? order : (p->class_index > q->class_index) - (p->class_index < q->class_index);
    order = order ? order : (p->x > q->x) - (p->x < q->x);
    return order ? order : (p->y > q->y) - (p->y < q->y);
}

/* found[0..count) by falling score. */
static weld_status count_mistakes(const weld_box *truth, int64_t truths,
                                  const weld_found_box *found, int64_t count, int64_t *mistakes,
                                  weld_error *err) {
    weld_array pairs = {.element = sizeof(coco_pair)};
    int64_t *order = weld_alloc((size_t)count, sizeof *order);
    for (int64_t i = 0; order && i < count; i++) {
        order[i] = i;
    }
    weld_status status = order ? weld_coco_confuse(truth, truths, found, order, count, &pairs, err)
                               : weld_fail_memory(err, "evaluation");
    *mistakes = 0;
    for (size_t i = 0; i < pairs.count && !status; i++) {
        const coco_pair *p = &((const coco_pair *)pairs.data)[i];
        *mistakes += p->truth != p->predicted;
    }
    weld_free(order);
    weld_array_free(&pairs);
    return status;
}

static weld_status write_head(const weld_box *truth, int64_t truths, const weld_found_box *found,
                              int64_t count, weld_array *record, weld_error *err) {
    weld_array sure = {.element = sizeof *found};
    record_head head = {.found = 0};
    bool ok = true;
    for (int64_t i = 0; i < count && ok; i++) {
        if (found[i].score > weld_coco_confusion_confidence) {
            ok = weld_array_append(&sure, &found[i], 1);
        }
    }
    if (sure.count) {
        qsort(sure.data, sure.count, sizeof *found, higher_score);
    }
    sure.count = sure.count < COCO_OWN_MOST ? sure.count : COCO_OWN_MOST;
    head.found = (int64_t)sure.count;
    weld_status status =
        ok ? count_mistakes(truth, truths, sure.data, head.found, &head.mistakes, err)
           : weld_fail_memory(err, "evaluation");
    if (!status && (!weld_array_append(record, &head, sizeof head) ||
                    !weld_array_append(record, sure.data, sure.count * sizeof *found))) {
        status = weld_fail_memory(err, "evaluation");
    }
    weld_array_free(&sure);
    return status;
}

weld_status weld_detection_record(const void *tally, int64_t index, const weld_found_box *found,
                                  int64_t count, weld_array *record, weld_error *err) {
    const weld_detection_tally *t = tally;
    int64_t truths;
    const weld_box *truth = weld_dataset_boxes(t->ds, index, &truths);
    WELD_TRY(write_head(truth, truths, found, count, record, err));
    return weld_coco_measure(truth, truths, found, count, record, err);
}

/* By the boxes that the data set has for the image: how the network got to see it, and which of its
 * boxes could be learned so, has nothing to do with how it is judged. */
weld_status weld_detection_measure(const void *tally, const weld_tensor *outputs, int64_t i,
                                   const weld_batch *batch, weld_array *record, weld_error *err) {
    weld_array boxes = {.element = sizeof(weld_found_box)};
    weld_status status = weld_detection_find(outputs, i, &batch->placements[i], &boxes, err);
    status = status ? status
                    : weld_detection_record(tally, batch->indices[i], boxes.data,
                                            (int64_t)boxes.count, record, err);
    weld_array_free(&boxes);
    return status;
}

static weld_status note_worst(weld_detection_tally *t, int64_t index, const record_head *head,
                              const void *found, weld_error *err) {
    int at = t->worst_count;
    while (at > 0 && t->worst[at - 1].mistakes < head->mistakes) {
        at--;
    }
    if (!head->mistakes || at == WELD_MISTAKEN_IMAGES) {
        return WELD_OK;
    }
    weld_mistaken_image image = {index, head->mistakes, {.element = sizeof(weld_found_box)}};
    weld_array bytes = {.element = 1};
    if (!weld_array_append(&bytes, found, (size_t)head->found * sizeof(weld_found_box))) {
        return weld_fail_memory(err, "evaluation");
    }
    image.found =
        (weld_array){bytes.data, (size_t)head->found, (size_t)head->found, sizeof(weld_found_box)};
    if (t->worst_count == WELD_MISTAKEN_IMAGES) {
        weld_array_free(&t->worst[--t->worst_count].found);
    }
    memmove(&t->worst[at + 1], &t->worst[at], (size_t)(t->worst_count - at) * sizeof *t->worst);
    t->worst[at] = image;
    t->worst_count++;
    return WELD_OK;
}

weld_status weld_detection_count(void *tally, int64_t index, const void *record, size_t bytes,
                                 weld_error *err) {
    weld_detection_tally *t = tally;
    record_head head;
    memcpy(&head, record, sizeof head);
    const char *found = (const char *)record + sizeof head;
    const size_t size = (size_t)head.found * sizeof(weld_found_box);
    WELD_TRY(note_worst(t, index, &head, found, err));
    return weld_coco_count(t->coco, weld_dataset_image_id(t->ds, index), found + size,
                           bytes - sizeof head - size, err);
}

void weld_detection_finish(void *tally, weld_evaluation *out) {
    weld_detection_tally *t = tally;
    t->result = weld_coco_finish(t->coco);
    out->loss = NAN;
    memcpy(out->scores, t->result->figures, sizeof t->result->figures);
}

weld_status weld_detection_resample_create(const void *tally, void **resample, weld_error *err) {
    weld_coco_resample *r;
    weld_status status =
        weld_coco_resample_create(((const weld_detection_tally *)tally)->coco, &r, err);
    *resample = r;
    return status;
}

void weld_detection_resample_free(void *resample) {
    weld_coco_resample_free(resample);
}

/* AP and AP50, which are told while a run goes on. */
void weld_detection_resample(const void *resample, const int32_t *times, double *const *values) {
    weld_coco_resample_run(resample, times, values[WELD_COCO_AP], values[WELD_COCO_AP50]);
}
