/* Detection: where in an image things are, and of which classes. Networks for it have, in training,
 * the outputs "distances", "boxes" and "classes", and in evaluation "boxes" [batch, anchors, 4] (x1
 * y1 x2 y2 in pixels of the input) and "scores" [batch, anchors, classes] (probabilities).
 */
#ifndef WELD_TASKS_DETECTION_DETECTION_H
#define WELD_TASKS_DETECTION_DETECTION_H

#include "tasks/detection/nms.h"
#include "tasks/task.h"

extern const weld_task weld_task_detection;

/* What is said of an image: boxes, moved to where they lie in the sample. Of boxes that hang over
 * the edge of their image what lies within is kept. Those are left out that no network could be
 * asked for: of at most 2 pixels in width or height, of which at most a tenth is to be seen, or
 * that are more than a hundred times as long as wide (the candidate test of YOLO's augmentation).
 * All of one that is so small stays, marked as such, for it to be counted. */
typedef struct weld_placed_box {
    float x1, y1, x2, y2;
    int32_t class_index;
    uint32_t flags; /* WELD_BOX_..., and WELD_PLACED_... */
} weld_placed_box;
enum {
    WELD_PLACED_CUT = 1 << 16,  /* some of it is not to be seen */
    WELD_PLACED_TINY = 1 << 17, /* it is, and nobody could be asked for it */
};
extern const weld_annotation weld_box_annotation;
/* An error where no image has a box that is trained on. */
weld_status weld_box_check_training(const weld_dataset *ds, weld_error *err);

/* Of all: where less is learned of fewer, nobody is told. */
#define WELD_FEW_OBJECTS 0.01

/* --- Its functions for weld_task, by file --- */

/* targets.c: the input "targets" [batch, most, 6] has for each object its class, x1 y1 x2 y2 in
 * pixels of the sample, and its kind (ops/task_aligned.h), the tiny ones last; a class of -1 is
 * where there is none. */
weld_status weld_box_targets_create(const weld_dataset *ds, const weld_target_options *options,
                                    void **targets, weld_error *err);
void weld_box_targets_free(void *targets);
size_t weld_box_target_size(const void *targets, int input);
void weld_box_targets_fill(void *targets, const weld_batch *batch, float *const *inputs);
/* Tells how many objects are small in samples, where these are not few. */
weld_status weld_box_targets_tell(const void *targets, weld_text *out, weld_error *err);
void weld_box_caption(const void *targets, float *const *inputs, int64_t i,
                      weld_caption_style style, char *text, size_t size);
void weld_box_draw_targets(const void *targets, float *const *inputs, int64_t i, weld_image *image);

/* loss.c: the sum of the losses of boxes, classes and distributions, which are outputs too, and
 * what was counted: */
enum { WELD_COUNT_OBJECTS, WELD_COUNT_POSITIVES, WELD_COUNT_MISSED };
enum { WELD_DETECTION_LOSS_KEYS = 6 };
extern const weld_key weld_detection_loss_keys[WELD_DETECTION_LOSS_KEYS];
weld_status weld_detection_build_loss(const weld_loss_options *options, weld_graph *g,
                                      weld_error *err);
/* Says how many objects of an epoch nothing was learned of, where those are not few. */
void weld_detection_tell_counts(const double *counts, char *text, size_t size);
void weld_detection_fill_noise(weld_session *s);

/* answer.c: what is kept of the outputs for an image, in pixels of it: the keys' struct. */
typedef struct weld_detection_answer {
    double conf, iou;
    int max_det;
    bool agnostic;
    weld_tiling tiling;
} weld_detection_answer;
/* Tiles are not for files. */
enum { WELD_DETECTION_FILE_KEYS = 4, WELD_DETECTION_ANSWER_KEYS = 6 };
extern const weld_key weld_detection_answer_keys[WELD_DETECTION_ANSWER_KEYS];

weld_tiling weld_detection_tiling(const void *values);
weld_status weld_detection_gather(const weld_tensor *outputs, const weld_question *question,
                                  const weld_tile *tile, weld_array *found, weld_error *err);

weld_status weld_detection_answer_text(const weld_tensor *outputs, const weld_question *question,
                                       weld_text *text, json_t **json, weld_error *err);
weld_status weld_detection_draw(const weld_tensor *outputs, const weld_question *question,
                                weld_image *image, weld_error *err);
/* Of YOLO: class, centre, width and height as parts of the image's, and maybe the score. */
weld_status weld_detection_label_lines(const weld_tensor *outputs, const weld_question *question,
                                       bool scores, weld_text *out, weld_error *err);
bool weld_detection_same_answer(const weld_tensor *a, const weld_tensor *b, int64_t i);

/* file_layouts.c, file_metadata.c: ONNX files as YOLO's runtimes read them. */
extern const weld_file_layout weld_detection_layouts[];
weld_status weld_detection_file_metadata(const weld_model_file *file,
                                         const weld_file_request *request, weld_metadata *out,
                                         weld_error *err);
/* onnx_nms.c: what is told of each image (weld_detection_answer), in ONNX's operators. */
weld_onnx_ending weld_detection_nms_ending(const void *values);

#endif
