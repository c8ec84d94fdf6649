/* The parts of a report's data, each as members of the JSON object of its run; see
 * weld_report_write.
 *
 * Members have the names under which the scripts in page/ look for them. A part that is missing or
 * damaged is left out, and a note says why: only a lack of memory is an error.
 */
#ifndef WELD_REPORT_PARTS_H
#define WELD_REPORT_PARTS_H

#include <jansson.h>

#include "recipe/recipe.h"
#include "report/report.h"
#include "tasks/task.h"
#include "weld/status.h"

/* Add a line to the run's "notes". */
void weld_report_note(json_t *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* metrics.jsonl: "steps" and "epochs" (thinned out, so that their size has a limit), "final",
 * "best", "seconds". Scores have the task's keys. Of steps at most `points` are shown, each the
 * mean of neighbours. A last line that was cut is nothing to worry about. */
weld_status weld_report_add_curves(const char *path, const weld_task *task, int points, json_t *run,
                                   weld_error *err);

/* recipe.yaml: "recipe", and what was to be trained how. *recipe is what was read, for other parts;
 * *found: it could be. */
weld_status weld_report_add_recipe(const char *path, json_t *run, weld_recipe *recipe, bool *found,
                                   weld_error *err);

/* Of the recipe's network and image size: "parameters" and "macs", "merged" with the same of the
 * merged network, and with options->latency "latency". */
weld_status weld_report_add_network(const weld_recipe *recipe, const weld_report_options *options,
                                    json_t *run, weld_error *err);

/* evaluation.json: "evaluation", the scores and, where it has classes, the recall of at most
 * `classes` classes and at most `images` of the worst images, small, from the data set that it
 * names or else that of the recipe (NULL: it is not known). Beside each stands where the run's best
 * weights took their answer from, where these can be read. */
weld_status weld_report_add_evaluation(const char *path, const weld_task *task,
                                       const weld_recipe *recipe, int classes, int images,
                                       json_t *run, weld_error *err);

#endif
