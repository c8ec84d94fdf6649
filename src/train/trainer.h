/* A training run, from inside: what is open while it runs. */
#ifndef WELD_TRAIN_TRAINER_H
#define WELD_TRAIN_TRAINER_H

#include "base/threads.h"
#include "distributed/tree.h"
#include "infer/calibration.h"
#include "infer/evaluate.h"
#include "optimize/schedule.h"
#include "train/estimate.h"
#include "train/metrics.h"
#include "train/ranks.h"
#include "train/run_data.h"
#include "train/run_folder.h"
#include "train/step.h"
#include "train/sums.h"
#include "train/tensorboard.h"

/* Of an average that starts from new weights, with running variances of 1, a percent is enough to
 * spoil it: evaluated, every layer shrinks what it is given. More than this share of it is too
 * much. */
#define WELD_SPOILS_AVERAGE 0.005

/* Of the weights and, where there is one, of their moving average. */
typedef struct weld_run_evaluation {
    weld_graph *graph;
    weld_evaluator *evaluator, *ema_evaluator; /* NULL: nothing to evaluate, or on */
    weld_bad_images *bad_images;               /* of data.val, that were named */
    weld_evaluation last, last_ema;            /* images 0: none yet */
    int64_t step; /* updates that had made the weights which `last` is of */
} weld_run_evaluation;

/* Of a run that trains for codes (quantization.h); graph NULL: it does not. */
typedef struct weld_run_quantization {
    weld_graph *graph;     /* what is evaluated: rounded, as what is trained is */
    weld_graph *merged;    /* what ranges are found by */
    bool *float_nodes;     /* of merged: none is */
    weld_fake_rows rows;   /* of merged */
    weld_weights *weights; /* the run's, in their own memory, and the table of codes */
    weld_tensor table;     /* which is there */
    weld_calibration *images;
    /* Where steps are learned, of which row first[value id of merged] is the first of a value's. */
    size_t *first, step_rows;
    weld_tensor shares, bases; /* in `weights` */
    float *kept;               /* as a file has them */
} weld_run_quantization;

/* What the run leaves behind. */
typedef struct weld_run_record {
    weld_run_folder folder;
    weld_metrics *metrics;
    weld_tensorboard *events; /* NULL: none */
} weld_run_record;

/* Where this process spent its time. */
typedef struct weld_run_clock {
    double data_seconds, evaluation_seconds; /* of this epoch */
    weld_train_times times;                  /* of its updates */
    double run_seconds;                      /* updates and evaluations of all epochs */
    int64_t run_steps;
    weld_threads_use use; /* before this epoch */
    weld_estimate estimate;
} weld_run_clock;

typedef struct weld_trainer {
    weld_train_settings settings; /* with callbacks of `ranks` */
    weld_ranks ranks;
    weld_run_data data;
    char *recipe_text;
    char *init;            /* the file that training started from, at first; NULL: none */
    bool was_mixed;        /* before it was resumed, it was of ranks on cpus of several kinds */
    int64_t extended_from; /* epochs that the run was begun for, where it goes on to more; else 0 */
    weld_weights *weights;
    weld_weights *ema;                      /* their moving average; NULL: none */
    weld_train_step *steps[WELD_SIZES_MAX]; /* by the loader's shapes */
    weld_train_step *step;                  /* that of the latest batch */
    weld_sums *sums;                        /* of the groups of an update */
    float *inputs[WELD_OUTPUTS_MAX];        /* of the step, by the task's numbers */
    weld_tensor teacher;                    /* another one; data NULL: none */
    weld_schedule schedule;
    int64_t updates;   /* of the whole run */
    weld_groups share; /* of an update's batches, which this process computes */
    weld_run_evaluation evaluation;
    weld_run_quantization quantization;
    weld_run_record record;
    weld_trainer_state state;
    weld_run_clock clock;
} weld_trainer;

#endif
