/* What a training run is made from: its recipe, the file that it starts from, and what it learns
 * from: data sets, teacher, batches. Opened step by step, so that who needs less opens less; closed
 * once, whatever was opened.
 */
#ifndef WELD_TRAIN_RUN_DATA_H
#define WELD_TRAIN_RUN_DATA_H

#include "base/array.h"
#include "data/bad_images.h"
#include "data/loader.h"
#include "data/split.h"
#include "datasets/identity.h"
#include "recipe/recipe.h"
#include "serialization/model_file.h"
#include "tasks/task.h"
#include "teach/distillation.h"
#include "weld/train.h"

/* A bad image that a batch met. */
typedef struct weld_met_image {
    int64_t index;
    char reason[WELD_ERROR_MESSAGE_SIZE];
} weld_met_image;

typedef struct weld_run_data {
    const weld_train_settings *settings;
    weld_recipe recipe;         /* with what the data decide filled in */
    const weld_task *task;      /* of its network */
    weld_model_file start_file; /* last.h5 of the run that is resumed, or --init's; no weights:
                                 * neither, or they have been taken */
    bool resumes;               /* it is last.h5 */

    weld_data_split split;             /* of data.train; no parts: all is trained on */
    weld_dataset *train, *val;         /* val NULL: no evaluation */
    weld_data_identity train_identity; /* by which the same data are known */
    weld_data_identity val_identity;   /* no images: never evaluated */
    char **class_names;                /* of train, pointing into it */
    weld_distillation *distillation;   /* NULL: none */
    weld_loader *loader;               /* of the batches that are trained on */
    weld_bad_images *bad_images;       /* of train, met in this run */
    weld_array *met; /* weld_met_image: where bad images go that batches meet, to be
                      * counted by weld_run_data_count_bad; NULL: counted at once */
    bool met_lost;   /* memory was too short for one of these */
    void *targets;   /* of the task: what a step learns of a batch */
} weld_run_data;

/* Read the file to start from, if any, and the recipe, which may leave to it what the network and
 * its preprocessing are; then open the data sets, which decide how many classes there are.
 * train_only: leave out data.val. Errors: also an update that is more than an epoch. d stays where
 * it is until it is closed, which it must be after errors too. */
weld_status weld_run_data_open(weld_run_data *d, const weld_train_settings *settings,
                               bool train_only, weld_error *err);
/* The same in two steps: the file and the recipe, which other processes may have by its text alone;
 * and the data sets. */
weld_status weld_run_data_read(weld_run_data *d, const weld_train_settings *settings,
                               weld_error *err);
weld_status weld_run_data_take(weld_run_data *d, const weld_train_settings *settings,
                               const char *recipe, weld_error *err);
weld_status weld_run_data_open_sets(weld_run_data *d, bool train_only, weld_error *err);
/* The teacher, if there is one; it may decide how images are augmented. Before the loader. */
weld_status weld_run_data_open_teacher(weld_run_data *d, weld_error *err);
/* What makes the batches, and targets of them. */
weld_status weld_run_data_open_loader(weld_run_data *d, weld_error *err);
void weld_run_data_close(weld_run_data *d);

/* Count a bad image of train, and say so where it is new, which is returned. Whether there are too
 * many of them, weld_run_data_check_bad says. */
bool weld_run_data_count_bad(weld_run_data *d, int64_t index, const char *reason);

/* After an error of too many bad images of a part: add to its message what can be done. Returns the
 * status, after which it asks. */
weld_status weld_run_data_advise_bad(const weld_run_data *d, const weld_dataset *ds,
                                     weld_status status, weld_error *err);

/* An error where train has had too many, with what can be done. */
weld_status weld_run_data_check_bad(const weld_run_data *d, weld_error *err);

/* Room for the inputs that the task fills, where no step has it; NULL for those that there are not.
 */
weld_status weld_run_data_inputs(const weld_run_data *d, float *inputs[WELD_OUTPUTS_MAX],
                                 weld_error *err);
void weld_run_data_free_inputs(float *inputs[WELD_OUTPUTS_MAX]);

/* What the recipe says of the loss. */
weld_loss_options weld_run_data_loss(const weld_run_data *d);

/* Updates of the first `epochs` epochs. */
int64_t weld_run_data_updates(const weld_run_data *d, int64_t epochs);

/* Images an update, of the input size, which the learning rate is scaled to. */
int64_t weld_run_data_update_images(const weld_run_data *d);

#endif
