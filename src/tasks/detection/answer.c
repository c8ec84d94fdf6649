/* What a detector says of a single image; see detection.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/text.h"
#include "formats/json_text.h"
#include "images/draw.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/tile_boxes.h"
#include "tasks/drawn_names.h"

const weld_key weld_detection_answer_keys[WELD_DETECTION_ANSWER_KEYS] = {
    {"conf", WELD_KEY_REAL, WELD_KEY_ONE(weld_detection_answer, conf), .max = 1,
     .standard = WELD_STRING(WELD_NMS_CONFIDENCE),
     .help = "boxes of a higher score are told (" WELD_STRING(WELD_NMS_CONFIDENCE) ")"},
    {"iou", WELD_KEY_REAL, WELD_KEY_ONE(weld_detection_answer, iou), .max = 1,
     .standard = WELD_STRING(WELD_NMS_IOU),
     .help = "of boxes that overlap by more (intersection over union) the best is told "
             "(" WELD_STRING(WELD_NMS_IOU) ")"},
    {"max_det", WELD_KEY_INTEGER, WELD_KEY_ONE(weld_detection_answer, max_det), .min = 1,
     .max = 30000, .standard = WELD_STRING(WELD_NMS_KEPT),
     .help = "most boxes of an image (" WELD_STRING(WELD_NMS_KEPT) ")"},
    {"agnostic", WELD_KEY_BOOL, WELD_KEY_ONE(weld_detection_answer, agnostic), .standard = "false",
     .help = "boxes of different classes count as overlapping too"},
    {"tile", WELD_KEY_INTEGER, WELD_KEY_ONE(weld_detection_answer, tiling.side), .min = 32,
     .max = 65536,
     .help = "larger images also in tiles of N x N pixels, for what is small in them; of boxes of "
             "several tiles that overlap by half the best is told, a piece of a thing that a tile "
             "cuts only where it does not lie in another box"},
    {"overlap", WELD_KEY_REAL, WELD_KEY_ONE(weld_detection_answer, tiling.overlap), .max = 0.9,
     .standard = "0.2", .needs = "tile",
     .help = "of --tile's tiles with their neighbours, a share of N: best as large as things are "
             "(0.2)"},
};

static weld_nms_options nms_of(const void *values, int most) {
    weld_detection_answer a = {.agnostic = false};
    if (values) {
        memcpy(&a, values, sizeof a);
    } else {
        weld_keys_set_standard(weld_detection_answer_keys, WELD_DETECTION_ANSWER_KEYS, &a);
    }
    weld_nms_options nms = weld_nms_for_answers();
    nms.confidence = a.conf;
    nms.iou = a.iou;
    nms.kept = most && most < a.max_det ? most : a.max_det;
    nms.agnostic = a.agnostic;
    return nms;
}

/* For an image with tiles, of one of them or of all of it: what is told is chosen when all are put
 * together, so that the few that are asked for are the first of more. */
static weld_nms_options nms_of_pass(const weld_nms_options *told) {
    weld_nms_options nms = *told;
    nms.kept = nms.kept > WELD_NMS_KEPT ? nms.kept : WELD_NMS_KEPT;
    return nms;
}

weld_tiling weld_detection_tiling(const void *values) {
    weld_detection_answer a;
    memcpy(&a, values, sizeof a);
    return a.tiling;
}

weld_status weld_detection_gather(const weld_tensor *outputs, const weld_question *question,
                                  const weld_tile *tile, weld_array *found, weld_error *err) {
    const weld_nms_options nms = nms_of(question->values, question->most), pass = nms_of_pass(&nms);
    weld_array here = {.element = sizeof(weld_detection)};
    weld_status status = weld_nms_of_image(&pass, outputs, 0, &here, err);
    status =
        status ? status : weld_tile_boxes_add(&nms, &here, question->placement, tile, found, err);
    weld_array_free(&here);
    return status;
}

/* Append to boxes, an array of weld_found_box, what is told of the image, by falling score. */
static weld_status find(const weld_tensor *outputs, const weld_question *question,
                        weld_array *boxes, weld_error *err) {
    const weld_nms_options nms = nms_of(question->values, question->most), pass = nms_of_pass(&nms);
    weld_array found = {.element = sizeof(weld_detection)};
    weld_status status = weld_nms_of_image(question->tiles ? &pass : &nms, outputs, 0, &found, err);
    for (size_t i = 0; i < found.count && !status; i++) {
        const weld_detection *d = &((const weld_detection *)found.data)[i];
        const weld_found_box box = weld_found_box_of(d, question->placement);
        status = weld_array_append(boxes, &box, 1) ? WELD_OK : weld_fail_memory(err, "answer");
    }
    weld_array_free(&found);
    if (!status && question->tiles) {
        status = weld_tile_boxes_merge(&nms, question->tiles, boxes, err);
    }
    return status;
}

static const char *class_text(const weld_labels *labels, int i, char text[16]) {
    if (labels->names) {
        return labels->names[i];
    }
    snprintf(text, 16, "%d", i);
    return text;
}

static void add_text(const weld_labels *labels, const weld_found_box *b, weld_text *out) {
    char text[16];
    weld_text_format(out, "  %6.2f %%  %.1f, %.1f to %.1f, %.1f  ", 100 * b->score, b->x, b->y,
                     b->x + b->width, b->y + b->height);
    weld_text_add_printable(out, class_text(labels, b->class_index, text));
    weld_text_add(out, "\n");
}

static json_t *make_json(const weld_labels *labels, const weld_found_box *b) {
    char text[16];
    return json_pack("{s:o, s:i, s:f, s:f, s:f, s:f, s:f}", "class",
                     weld_json_name(class_text(labels, b->class_index, text)), "index",
                     b->class_index, "score", b->score, "x", b->x, "y", b->y, "width", b->width,
                     "height", b->height);
}

weld_status weld_detection_answer_text(const weld_tensor *outputs, const weld_question *question,
                                       weld_text *text, json_t **json, weld_error *err) {
    weld_array boxes = {.element = sizeof(weld_found_box)};
    weld_status status = find(outputs, question, &boxes, err);
    if (!status && json && !(*json = json_array())) {
        status = weld_fail_memory(err, "answer");
    }
    for (size_t i = 0; i < boxes.count && !status; i++) {
        const weld_found_box *box = &((const weld_found_box *)boxes.data)[i];
        if (!json) {
            add_text(question->labels, box, text);
        } else if (json_array_append_new(*json, make_json(question->labels, box))) {
            status = weld_fail_memory(err, "answer");
        }
    }
    if (!status && !json && !boxes.count) {
        weld_text_add(text, "  nothing\n");
    }
    weld_array_free(&boxes);
    return status;
}

weld_status weld_detection_draw(const weld_tensor *outputs, const weld_question *question,
                                weld_image *image, weld_error *err) {
    weld_array boxes = {.element = sizeof(weld_found_box)};
    weld_status status = find(outputs, question, &boxes, err);
    const int side = image->width < image->height ? image->width : image->height;
    /* The best one comes last, and lies over the others. */
    for (size_t i = boxes.count; i-- > 0 && !status;) {
        const weld_found_box *b = &((const weld_found_box *)boxes.data)[i];
        char number[16], name[WELD_DRAWN_NAME_SIZE], label[WELD_DRAWN_NAME_SIZE + 16];
        const char *text = class_text(question->labels, b->class_index, number);
        weld_snprintf(label, sizeof label, "%s %.2f", weld_drawn_name(text, b->class_index, name),
                      b->score);
        weld_draw_box(image, b->x, b->y, b->x + b->width, b->y + b->height,
                      weld_draw_colour(b->class_index), 1 + side / 320, label);
    }
    weld_array_free(&boxes);
    return status;
}

weld_status weld_detection_label_lines(const weld_tensor *outputs, const weld_question *question,
                                       bool scores, weld_text *out, weld_error *err) {
    const double width = question->placement->width, height = question->placement->height;
    weld_array boxes = {.element = sizeof(weld_found_box)};
    weld_status status = find(outputs, question, &boxes, err);
    for (size_t i = 0; i < boxes.count && !status; i++) {
        const weld_found_box *b = &((const weld_found_box *)boxes.data)[i];
        weld_text_format(out, "%d %.6f %.6f %.6f %.6f", b->class_index,
                         (b->x + b->width / 2) / width, (b->y + b->height / 2) / height,
                         b->width / width, b->height / height);
        if (scores) {
            weld_text_format(out, " %.6f", b->score);
        }
        weld_text_add(out, "\n");
    }
    weld_array_free(&boxes);
    return status;
}

static bool is_same(const weld_detection *p, const weld_detection *q) {
    return p->class_index == q->class_index && fabsf(p->x1 - q->x1) < 1 &&
           fabsf(p->y1 - q->y1) < 1 && fabsf(p->x2 - q->x2) < 1 && fabsf(p->y2 - q->y2) < 1;
}

/* As many, and for each of one another of its class within a pixel: those of equal scores may have
 * changed places. */
bool weld_detection_same_answer(const weld_tensor *a, const weld_tensor *b, int64_t i) {
    const weld_nms_options nms = nms_of(NULL, 0);
    weld_array x = {.element = sizeof(weld_detection)}, y = x;
    bool same = !weld_nms_of_image(&nms, a, i, &x, NULL) &&
                !weld_nms_of_image(&nms, b, i, &y, NULL) && x.count == y.count;
    for (size_t k = 0; k < x.count && same; k++) {
        weld_detection *others = y.data;
        size_t at = 0;
        while (at < y.count && !is_same(&((const weld_detection *)x.data)[k], &others[at])) {
            at++;
        }
        same = at < y.count;
        if (same) { /* taken */
            others[at].class_index = -1;
        }
    }
    weld_array_free(&x);
    weld_array_free(&y);
    return same;
}
