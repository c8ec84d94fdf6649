/* Data sets whose labels become those of a network; see task.h. */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/boxes.h"
#include "serialization/name_list.h"
#include "tasks/task.h"

static const char *task_of_boxes(void) {
    for (size_t i = 0; i < weld_task_count; i++) {
        if (weld_tasks[i]->annotation->of_boxes) {
            return weld_tasks[i]->name;
        }
    }
    return "boxes";
}

weld_status weld_task_check_data(const weld_task *task, const weld_dataset *ds, weld_error *err) {
    const bool has_boxes = weld_dataset_has_boxes(ds);
    if (has_boxes == task->annotation->of_boxes) {
        return WELD_OK;
    }
    if (has_boxes) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has boxes, which networks for %s do not learn: give a folder of "
                         "class folders, or a network for %s",
                         weld_dataset_path(ds), task->name, task_of_boxes());
    }
    char above[PATH_MAX];
    const bool is_within = weld_layout_above(weld_dataset_path(ds), above);
    return weld_fail(
        err, WELD_ERROR_ARGUMENT, "%s: has no boxes, which networks for %s learn: give %s%s",
        weld_dataset_path(ds), task->name,
        is_within ? "that which has them: " : "annotations of COCO's, YOLO's or VOC's kind",
        is_within ? above : "");
}

weld_status weld_task_match_labels(const weld_task *task, const weld_dataset *ds,
                                   const weld_labels *labels, int *to, weld_error *err) {
    const int count = weld_dataset_class_count(ds);
    WELD_TRY(weld_task_check_data(task, ds, err));
    for (int i = 0; i < count; i++) {
        to[i] = i;
    }
    return task->match_labels ? task->match_labels(ds, labels, to, err) : WELD_OK;
}

weld_status weld_task_check_labels(const weld_task *task, const weld_dataset *ds,
                                   const weld_labels *labels, weld_error *err) {
    int *to = weld_alloc((size_t)weld_dataset_class_count(ds), sizeof *to);
    weld_status status = to ? weld_task_match_labels(task, ds, labels, to, err)
                            : weld_fail_memory(err, "class names");
    weld_free(to);
    return status;
}

static void tell(const weld_dataset *ds, const weld_name_list *without,
                 const weld_name_list *unknown, int64_t left_out, weld_adoption *out) {
    const char *things = weld_dataset_has_boxes(ds) ? "boxes" : "images";
    int used = 0;
    if (without->count) {
        used = snprintf(out->text, sizeof out->text,
                        "%.100s: no %s of %zu of the network's classes: %s", weld_dataset_title(ds),
                        things, without->count, without->text);
    }
    if (unknown->count && used < (int)sizeof out->text) {
        snprintf(out->text + used, sizeof out->text - (size_t)used,
                 "%.100s%s%zu %s that the network does not know (%s), whose %lld %s left out",
                 used ? "" : weld_dataset_title(ds), used ? "; " : ": ", unknown->count,
                 weld_plural((int64_t)unknown->count, "class", "classes"), unknown->text,
                 (long long)left_out,
                 weld_dataset_has_boxes(ds) ? weld_plural(left_out, "box is", "boxes are")
                                            : weld_plural(left_out, "image is", "images are"));
    }
}

/* things[i]: images, or boxes, of the data set's class i, of which `to` says which it is. Returns
 * how many are of none. */
static int64_t sum_up(const weld_dataset *ds, const weld_labels *labels, const int *to,
                      const int64_t *things, int64_t *adopted, weld_adoption *out) {
    weld_name_list without = {.count = 0}, unknown = {.count = 0};
    int64_t left_out = 0;
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        if (to[i] < 0) {
            left_out += things[i];
            weld_name_list_add_quoted(&unknown, weld_dataset_class_name(ds, i), "");
        } else {
            adopted[to[i]] += things[i];
        }
    }
    for (int i = 0; i < labels->count; i++) {
        if (adopted[i] == 0 && labels->names) {
            weld_name_list_add_quoted(&without, labels->names[i], "");
        }
    }
    out->classes_without_images = (int)without.count;
    out->unknown_classes = (int)unknown.count;
    out->left_out = weld_dataset_has_boxes(ds) ? 0 : left_out;
    tell(ds, &without, &unknown, left_out, out);
    return left_out;
}

/* Images by their labels, or boxes; returns how many there are. */
static int64_t count_things(const weld_dataset *ds, int64_t *things) {
    int64_t all = 0;
    if (!weld_dataset_has_boxes(ds)) {
        for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
            things[weld_dataset_label(ds, i)]++;
        }
        return weld_dataset_count(ds);
    }
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t count;
        const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
        for (int64_t k = 0; k < count; k++) {
            things[boxes[k].class_index]++;
        }
        all += count;
    }
    return all;
}

static weld_status adopt(const weld_task *task, weld_dataset *ds, const weld_labels *labels,
                         int *to, int64_t *things, int64_t *adopted, weld_adoption *out,
                         weld_error *err) {
    WELD_TRY(weld_task_match_labels(task, ds, labels, to, err));
    const int64_t all = count_things(ds, things);
    if (!all) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has no box at all, by which a network could be judged",
                         weld_dataset_title(ds));
    }
    if (sum_up(ds, labels, to, things, adopted, out) == all) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: no %s of a class that the network knows: give the data it was made "
                         "for",
                         weld_dataset_title(ds), weld_dataset_has_boxes(ds) ? "box" : "image");
    }
    bool same = weld_dataset_class_count(ds) == labels->count;
    for (int i = 0; same && i < labels->count; i++) {
        same = to[i] == i;
    }
    return same ? WELD_OK : weld_dataset_take_classes(ds, labels->names, labels->count, to, err);
}

weld_status weld_task_adopt_labels(const weld_task *task, weld_dataset *ds,
                                   const weld_labels *labels, weld_adoption *out, weld_error *err) {
    const size_t own = (size_t)weld_dataset_class_count(ds);
    *out = (weld_adoption){.left_out = 0};
    if (!task->match_labels) {
        return WELD_OK;
    }
    int *to = weld_alloc(own, sizeof *to);
    int64_t *things = weld_alloc(own, sizeof *things);
    int64_t *adopted = weld_alloc((size_t)labels->count, sizeof *adopted);
    weld_status status = to && things && adopted
                             ? adopt(task, ds, labels, to, things, adopted, out, err)
                             : weld_fail_memory(err, "class names");
    weld_free(adopted);
    weld_free(things);
    weld_free(to);
    return status;
}
