/* A training run, from inside: what is open while it runs. */
#ifndef WELD_TRAIN_TRAINER_H
#define WELD_TRAIN_TRAINER_H

#include "data/loader.h"
#include "train/tensorboard.h"
#include "serialization/model_file.h"
#include "infer/evaluate.h"
#include "tasks/classification/class_weights.h"
#include "optimize/gradient_mean.h"
#include "teach/distillation.h"
#include "data/bad_images.h"
#include "train/metrics.h"
#include "optimize/optimizer.h"
#include "optimize/parameter_rates.h"
#include "recipe/recipe.h"
#include "train/run_folder.h"
#include "optimize/schedule.h"
#include "train/train_graph.h"
#include "weld/train.h"

/* How fast an evaluation goes, for a dry run: when its first batch was done, and its latest. */
typedef struct weld_pace {
    double begin, first, last;
    int64_t first_images, images, batches;
} weld_pace;

typedef struct weld_trainer {
    const weld_train_settings *settings;
    weld_recipe recipe; /* with what the data decide filled in */
    char *recipe_text;
    weld_model_file start; /* while opening: last.h5 of the run that is resumed, or --init's */
    bool resumes;          /* start is last.h5 */
    char *init;            /* the file that training started from, at first; NULL: none */
    weld_run_folder folder;

    weld_dataset *train, *val;       /* val NULL: no evaluation */
    char **class_names;              /* of train, pointing into it */
    weld_distillation *distillation; /* NULL: none */
    weld_loader *loader;
    weld_bad_images *bad_images;       /* of train, met in this run */
    weld_class_weights *class_weights; /* NULL: none */

    const weld_kernels *kernels;
    weld_weights *weights;
    weld_weights *ema; /* their moving average; NULL: none */
    weld_train_graph step_graph;
    weld_parameter_rate *rates; /* by parameter */
    weld_session *session;
    weld_tensor *gradients;            /* of the last batch, by parameter */
    const weld_tensor *last_gradients; /* what the latest update was made with; NULL: none yet */
    weld_gradient_mean *gradient_mean; /* of an update's batches; NULL: an update has one */
    weld_graph *eval_graph;
    weld_evaluator *evaluator, *ema_evaluator;
    weld_pace *pace; /* of a dry run; else NULL */

    weld_optimizer *optimizer;
    weld_schedule schedule;
    weld_metrics *metrics;
    weld_tensorboard *events; /* NULL: none */
    weld_trainer_state state;
    weld_evaluation last_evaluation, last_ema_evaluation; /* images 0: none yet */
    double last_train_loss;
    /* Of this epoch, as far as this process ran it. */
    double epoch_data_seconds, epoch_evaluation_seconds;
    weld_train_times epoch_times;
    double run_seconds; /* this process: updates and evaluations */
    int64_t run_steps;  /* updates of this process */
} weld_trainer;

/* Everything up to the first update: recipe, data, folder, network, and the state of the run that
 * is resumed. dry: without a folder, so that nothing can be written. On an error what was opened is
 * closed. */
weld_status weld_trainer_open(weld_trainer *t, const weld_train_settings *settings, bool dry,
                              weld_error *err);
void weld_trainer_close(weld_trainer *t);

/* Images an update, which the learning rate is scaled to. */
int64_t weld_trainer_effective_batch(const weld_trainer *t);

/* Tell the caller's message callback. */
void weld_trainer_say(const weld_trainer *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- trainer_data.c --- */

/* Open the recipe's data sets; they decide how many classes there are. */
weld_status weld_trainer_open_data(weld_trainer *t, weld_error *err);
/* The teacher, if there is one; it may decide how images are augmented. Before the loader. */
weld_status weld_trainer_open_distillation(weld_trainer *t, weld_error *err);
/* What makes the batches that the run trains on, and the weights of their classes. */
weld_status weld_trainer_open_loader(weld_trainer *t, weld_error *err);
/* A weld_bad_image_function that tells the caller; arg is the trainer. */
void weld_trainer_say_bad_image(void *arg, int64_t index, const char *reason);

/* --- update.c --- */

/* The next update of the run, on the mean of the gradients of train.accumulate batches: moves the
 * weights, t->state and the seconds of the run on, and fills in *row. A loss that is not finite is
 * WELD_ERROR_NUMERIC and leaves the weights as they were. */
weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err);
/* Of the next update's batches (from 0): its number in the epoch, and that of its run, which
 * decides what dropout draws. */
int64_t weld_trainer_loader_batch(const weld_trainer *t, int64_t batch);
uint64_t weld_trainer_run_number(const weld_trainer *t, int64_t batch);
/* Batch `number` of the update, from 0, into the inputs of the step's session... */
weld_status weld_trainer_load_batch(weld_trainer *t, int64_t number, weld_batch *out,
                                    weld_error *err);
/* ...and what the teacher, if there is one, makes of it. */
weld_status weld_trainer_ask_teacher(weld_trainer *t, const weld_batch *batch, weld_error *err);
/* The targets of the latest batch, as probabilities, before class weights: [batch, classes]. */
float *weld_trainer_targets(const weld_trainer *t);
/* Time that the epoch and the run took. */
void weld_trainer_add_seconds(weld_trainer *t, double seconds);

/* --- dry_run.c --- */

/* An evaluation has done so many images; false: that is enough. */
bool weld_pace_note(weld_pace *p, int64_t images);

/* --- checkpoint.c --- */

/* Write last.h5. Weights that are not finite are an error, and the file stays as it was. */
weld_status weld_trainer_save_last(weld_trainer *t, weld_error *err);
/* Write best.h5: the same without the optimizer's state. Best is the top-1 of the weights as they
 * are; their moving average goes with them. Beside it evaluation.json, with the details of the
 * evaluation that found these weights best. */
weld_status weld_trainer_save_best(weld_trainer *t, weld_error *err);
/* Where train.keep says so: write epoch-N.h5, after N epochs, which is as last.h5. */
weld_status weld_trainer_save_epoch(weld_trainer *t, weld_error *err);
/* Take weights and state from t->start, which is last.h5, after checking that it is of this recipe
 * and these data. */
weld_status weld_trainer_load_last(weld_trainer *t, weld_error *err);
/* Copy the optimizer's state of t->start into t->optimizer. */
weld_status weld_trainer_load_moments(weld_trainer *t, weld_error *err);

/* --- trainer_recipe.c --- */

/* Read the file to start from, if any, and the recipe, which may leave to it what the network and
 * its preprocessing are. */
weld_status weld_trainer_read_recipe(weld_trainer *t, weld_error *err);

/* --- load_init.c --- */

/* Copy the weights of t->start, which is --init's, into t->weights, which are new, and say how
 * many. Rows of the head stay new where the classes are others; a tensor of the backbone that does
 * not fit is an error that lists them. */
weld_status weld_trainer_load_init(weld_trainer *t, weld_error *err);

/* --- not_finite.c --- */

/* The loss of this batch of the next update (from 0) is not finite: find out why, write
 * not_finite.txt, and return WELD_ERROR_NUMERIC with the story in one line. */
weld_status weld_trainer_fail_not_finite(weld_trainer *t, int64_t batch, weld_error *err);

#endif
