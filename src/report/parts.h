/* The parts of a report's data, each as members of the JSON object of its run; see
 * weld_report_write.
 *
 * Members have the names under which the scripts in page/ look for them. A part that is missing or
 * damaged is left out, and a note says why: only a lack of memory is an error, or makes the object
 * NULL (weld_json_set).
 */
#ifndef WELD_REPORT_PARTS_H
#define WELD_REPORT_PARTS_H

#include <jansson.h>

#include "datasets/dataset.h"
#include "formats/json.h"
#include "recipe/recipe.h"
#include "report/report.h"
#include "tasks/task.h"
#include "weld/status.h"

/* Add a line to the run's "notes". */
void weld_report_note(json_t **run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* metrics.jsonl: "steps" and "epochs" (thinned out, so that their size has a limit), "final",
 * "best", "seconds". Scores have the task's keys. Of steps at most `points` are shown, each the
 * mean of neighbours. "best" is the epoch of best.h5, by the recipe's train.best (recipe NULL: not
 * known), with the scores of what that holds. A last line that was cut is nothing to worry about.
 */
weld_status weld_report_add_curves(const char *path, const weld_task *task,
                                   const weld_recipe *recipe, int points, json_t **run,
                                   weld_error *err);

/* recipe.yaml: "recipe", and what was to be trained how. *recipe is what was read, for other parts;
 * *found: it could be. */
weld_status weld_report_add_recipe(const char *path, json_t **run, weld_recipe *recipe, bool *found,
                                   weld_error *err);

/* Of the recipe's network and image size: "parameters" and "macs", "merged" with the same of the
 * merged network, and with options->latency "latency". */
weld_status weld_report_add_network(const weld_recipe *recipe, const weld_report_options *options,
                                    json_t **run, weld_error *err);

/* evaluation.json: "evaluation", the scores and, where the task has details shown
 * (tasks/report_view.h), its words for them ("view"), "names", a row for each of at most `classes`
 * classes and "curves" of some of them, "curve" and "calibration" where they are there, "matrix" or
 * "confused", and at most `images` of the worst images, from the data set that the file names or
 * else that of the recipe (NULL: it is not known). */
weld_status weld_report_add_evaluation(const char *path, const weld_task *task,
                                       const weld_recipe *recipe, int classes, int images,
                                       json_t **run, weld_error *err);

/* --- Parts of an evaluation --- */

/* "worst", at most `most` images, as the task has them shown, with "picture" where the image is
 * there; "explained" where they say a class that was predicted, and the run's best weights can be
 * read: where these took their answer from. to: has "names". */
weld_status weld_report_add_worst(weld_json *j, const weld_task *task, const json_t *from,
                                  const weld_recipe *recipe, size_t most, json_t **run,
                                  json_t **to);
/* list: of [truth, predicted, count]. "matrix": all cells, where there are few classes; "confused":
 * the largest that are wrong. */
weld_status weld_report_add_confusion(weld_json *j, const json_t *list, int64_t classes,
                                      json_t **to);
/* The image, with no side longer than `most`, as a data URL. */
weld_status weld_report_add_picture(const weld_image *image, int most, const char *key, json_t *to,
                                    weld_error *err);
/* The data set that an evaluation names, or else that of the recipe (NULL: not known). *out NULL:
 * neither can be read, which the run's notes say. */
weld_status weld_report_open_images(const char *named, const weld_recipe *recipe, json_t **run,
                                    weld_dataset **out, weld_error *err);
/* null where it is no number */
json_t *weld_report_number(const json_t *object, const char *key);

#endif
