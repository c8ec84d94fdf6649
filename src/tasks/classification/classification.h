/* Classification: which of several classes an image is of. Networks for it have the output "logits"
 * [batch, classes]; in training perhaps "logits_dist", of a second head that learns from a teacher.
 */
#ifndef WELD_TASKS_CLASSIFICATION_CLASSIFICATION_H
#define WELD_TASKS_CLASSIFICATION_CLASSIFICATION_H

#include "kernels/kernels.h"
#include "tasks/task.h"

extern const weld_task weld_task_classification;

/* Its scores, by their numbers. */
enum { WELD_TOP1, WELD_TOP5, WELD_CALIBRATION_ERROR };

/* An int32_t, the class's index; groups are classes. */
extern const weld_annotation weld_class_annotation;
int32_t weld_class_label(const weld_batch *batch, int64_t i);

/* targets [count, classes] of a batch: probabilities, one-hot rows mixed as the images are. */
void weld_class_targets(const weld_batch *batch, int classes, float *targets);

/* Of one class there is nothing to learn, nor to tell: its probability is 1 whatever the logit
 * says. Data of one class: the message names the folders in its folder, which may be the classes.
 */
weld_status weld_class_check_data(const weld_dataset *ds, weld_error *err);
weld_status weld_class_check_network(int64_t classes, weld_error *err);

/* softmax(logits / temperature); 0: a temperature of 1. */
void weld_class_probabilities(const weld_kernels *kernels, const float *logits, int64_t classes,
                              double temperature, float *out);

/* --- Its functions for weld_task, by file --- */

/* targets.c */
weld_status weld_class_targets_create(const weld_dataset *ds, const weld_target_options *options,
                                      void **targets, weld_error *err);
void weld_class_targets_free(void *targets);
size_t weld_class_target_size(const void *targets, int input);
void weld_class_targets_fill(void *targets, const weld_batch *batch, float *const *inputs);
void weld_class_caption(const void *targets, float *const *inputs, int64_t i,
                        weld_caption_style style, char *text, size_t size);
weld_status weld_class_targets_tell(const void *targets, weld_text *out, weld_error *err);

/* answer.c */
weld_status weld_class_answer(const weld_tensor *outputs, const weld_question *question,
                              weld_text *text, json_t **json, weld_error *err);
bool weld_class_same_answer(const weld_tensor *a, const weld_tensor *b, int64_t i);

/* evaluation_text.c: of a weld_evaluation_details. evaluation.json has
 *
 *   top1, top5, calibration_error    percent
 *   calibration        list of 15 {low, high: probabilities, the bin being (low, high]; images;
 *                      confidence, accuracy: 0 to 1, null where there are no images}
 *   classes            list of {name, images, recall, precision: percent, null where undefined}
 *   confusion          list of [class, predicted class, images], without zeros, sorted
 *   worst              list of at most 64 {image: its name in the data set, label, predicted,
 *                      probability: of the predicted class, label_probability, loss}, the largest
 *                      loss first
 *
 * and the confusion matrix as CSV (tasks/confusion.h) begins with "class". */
void weld_class_tell(const void *details, const weld_dataset *ds, weld_text *out);
void weld_class_tell_classes(const void *details, const weld_dataset *ds, weld_text *out);
void weld_class_json_classes(const void *details, const weld_dataset *ds, json_t *object);
void weld_class_write_details(const void *details, const weld_dataset *ds, weld_text *out);
weld_status weld_class_write_confusion(const char *path, const void *details,
                                       const weld_dataset *ds, weld_error *err);
extern const weld_report_view weld_class_report_view; /* report_view.c */

#endif
