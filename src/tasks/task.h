/* Tasks: what a network is for, and all that follows from it for those who train, evaluate, print
 * and compare networks and do not know.
 *
 * A task is a folder here, one struct of functions and tables in it, and one line in tasks.c. The
 * family of a network (models/models.h) names its task. Functions that are NULL are of what a task
 * does not have; what they get as `void *` is their own.
 */
#ifndef WELD_TASKS_TASK_H
#define WELD_TASKS_TASK_H

#include <jansson.h>

#include "base/keys.h"
#include "base/text.h"
#include "data/loader.h"
#include "graph/graph.h"
#include "images/tiles.h"
#include "serialization/model_file.h"
#include "serialization/onnx.h"
#include "tasks/loss_options.h"
#include "tasks/report_view.h"
#include "weld/model.h"

enum { WELD_SCORES_MAX = 16, WELD_OUTPUTS_MAX = 4, WELD_COLUMNS_MAX = 8 };

/* A number that says how well a network does. */
typedef struct weld_score_kind {
    const char *key;   /* in files: "top1" */
    const char *label; /* for people: "top-1" */
    const char *unit;  /* behind the number: " %" */
    int decimals;
    const char *group; /* of those that share a chart: "accuracy" */
} weld_score_kind;

/* What came of an evaluation. */
typedef struct weld_evaluation {
    int64_t images, skipped;        /* counted, and left out because they are bad */
    double loss;                    /* mean; NAN: the task has none without training */
    double scores[WELD_SCORES_MAX]; /* as the task's table says */
} weld_evaluation;

/* What a data set is held against: a network, which is to judge it, to start from or in training,
 * or a run that is resumed. */
typedef enum weld_labels_of { WELD_LABELS_OF_MODEL, WELD_LABELS_OF_RUN } weld_labels_of;

/* What became of one image, where that is right or wrong. */
typedef struct weld_outcome {
    int label, answer; /* classes, by the numbers of the data set */
    bool right;        /* the mean of this is scores[0] */
    double loss;
} weld_outcome;

/* The classes of a network, by index. */
typedef struct weld_labels {
    int count;
    const char *const *names; /* NULL: unknown */
    weld_class_order order;
    bool all;          /* each of the data's must be one of them */
    weld_labels_of of; /* of a run with its path, for messages */
    const char *path;
    double temperature; /* by which logits are divided for probabilities; 0: by nothing */
} weld_labels;

/* What is asked about a single image. */
typedef struct weld_question {
    const weld_labels *labels;
    const weld_placement *placement; /* where in what the network saw each of its pixels lies */
    int most;                        /* things that are told of it; 0: as is usual */
    const void *values;              /* of the task's answer keys: its struct */
    const weld_array *tiles; /* what was gathered of its tiles; NULL: it has none that were seen */
} weld_question;

/* What a task's targets are made for. */
typedef struct weld_target_options {
    int64_t batch;     /* the most samples of one... */
    int parts;         /* ...and images of a sample */
    int classes;       /* of the network */
    int height, width; /* of its images, where they are largest */
    weld_loss_options loss;
} weld_target_options;

/* How much a caption says: shares as percent behind names, or as fractions before them. */
typedef enum weld_caption_style { WELD_CAPTION_PERCENT, WELD_CAPTION_FRACTION } weld_caption_style;

/* The value of a recipe's "section.key" where nobody sets it. */
typedef struct weld_recipe_standard {
    const char *key, *value;
} weld_recipe_standard;

/* What an ONNX file gives in the place of the network's own outputs. */
typedef struct weld_file_layout {
    const char *name;  /* NULL: the usual one, where none is asked for */
    const char *input; /* what images are called */
    /* Append to g, an evaluation graph of the network, what its values are made of: values
     * [WELD_OUTPUTS_MAX] and *count, by the names that they have in the file. Errors of nodes stay
     * in the graph. */
    weld_status (*build)(weld_graph *g, weld_named_value *values, size_t *count, weld_error *err);
    /* What of them goes into the file where that is more than weld's operators do, by the values of
     * the task's answer keys. NULL: they themselves. */
    weld_onnx_ending (*ending)(const void *values);
} weld_file_layout;

/* How an ONNX file is asked for. */
typedef struct weld_file_request {
    const weld_file_layout *layout;
    const void *values; /* of the task's answer keys */
    int64_t batch;      /* 0: any */
    bool any_size;
} weld_file_request;

/* A file of results that is read. */
typedef struct weld_results_source {
    const char *path;
    bool has_first_category; /* else the file must tell */
    int first_category;      /* the number of the first class, where the data set counts them too */
} weld_results_source;

/* Files of what networks say of the images of a data set, as programs of the field exchange them.
 */
typedef struct weld_results_format {
    const char *what;                     /* for people: "detections, as COCO's results" */
    const char *before, *between, *after; /* what stands around the entries of a file */
    /* Append the entries of image i of a batch. */
    weld_status (*write)(const weld_dataset *ds, const weld_tensor *outputs, int64_t i,
                         const weld_batch *batch, weld_text *out, weld_error *err);
    /* A tally of what a file says of ds, which is not finished; *notes: what it says that counts
     * nowhere, and what it was taken for, in a line for people; "": nothing. */
    weld_status (*read)(const weld_results_source *from, const weld_dataset *ds, void **tally,
                        weld_text *notes, weld_error *err);
} weld_results_format;

typedef struct weld_task {
    const char *name;
    /* Of the evaluation graph, by name, ended by NULL: functions below get them in this order. */
    const char *outputs[WELD_OUTPUTS_MAX + 1];
    const char *output_word; /* one number of them, for people: "logit" */
    const char *answer_word; /* what they come to: "class" */
    bool has_temperature;    /* its outputs are logits, which a file may say to divide by one */
    bool can_be_taught;      /* by another network's outputs: teach/ */

    /* --- Scores: the best network has the largest scores[0], or the smallest; of equal ones see
     * weld_task_is_better. The first run_scores of them are told while a run goes on, the others on
     * asking. */
    const weld_score_kind *scores;
    int score_count, run_scores;
    bool smaller_is_better;
    bool has_no_loss; /* in evaluation */

    /* --- Data */
    const weld_annotation *annotation;
    /* An error where there is nothing to learn of a data set. NULL: there always is. */
    weld_status (*check_training)(const weld_dataset *ds, weld_error *err);
    /* Which of the labels each class of a data set is, by name: to[i], -1 for those that are none
     * of them. An error where that would be a guess, where none is, or where a run that goes on
     * would not get what it had; the message says what differs. */
    weld_status (*match_labels)(const weld_dataset *ds, const weld_labels *labels, int *to,
                                weld_error *err);

    /* --- Training: a recipe's keys under `loss` that are the task's, of its struct, which gets at
     * weld_loss_options.values. */
    const weld_key *keys;
    size_t key_count;
    /* What recipes for it start from where that is not what all start from, ended by a key NULL.
     * NULL: there is no such. */
    const weld_recipe_standard *recipe;
    const char *start_recipe; /* the file that recipes of one's own start from; NULL: none */
    /* Inputs of a step beside "images", by name, ended by NULL. */
    const char *inputs[WELD_OUTPUTS_MAX + 1];
    weld_build_loss *build_loss;
    /* What the loss is made of, which is told beside it: "box" is the output "loss_box" of one
     * element. Ended by NULL. */
    const char *loss_parts[WELD_LOSS_PARTS_MAX + 1];
    /* What is counted in a batch, which is told beside the loss too: outputs of one element, the
     * first of what the others are shares of. Ended by NULL. */
    const char *counts[WELD_COUNTS_MAX + 1];
    /* What those of an epoch say that a person should know, in a line; "": nothing. */
    void (*tell_counts)(const double *counts, char *text, size_t size);
    void (*fill_noise)(weld_session *s); /* the inputs of a step on trial */
    /* Of ds, which must outlive them. */
    weld_status (*targets_create)(const weld_dataset *ds, const weld_target_options *options,
                                  void **targets, weld_error *err);
    void (*targets_free)(void *targets);
    /* Floats of an input's row, which is for one sample. */
    size_t (*target_size)(const void *targets, int input);
    /* What the annotations of a batch come to, mixed as the batch is: inputs[i] is [count, size].
     */
    void (*targets_fill)(void *targets, const weld_batch *batch, float *const *inputs);
    /* What sample i of the latest batch is to be taken for, in a line or two. */
    void (*caption)(const void *targets, float *const *inputs, int64_t i, weld_caption_style style,
                    char *text, size_t size);
    const char *caption_help; /* a line about captions */
    /* The same, drawn on its image. NULL: there is nothing to draw. */
    void (*draw_targets)(const void *targets, float *const *inputs, int64_t i, weld_image *image);
    /* What is to be known of the data, and done about uneven ones, a line each for people; "":
     * nothing. */
    weld_status (*targets_tell)(const void *targets, weld_text *out, weld_error *err);

    /* --- Evaluation: each image is measured by itself, and what that says counted in the order of
     * the data set. So parts of an evaluation, wherever they are made, are put together by handing
     * their records over in order. */
    weld_status (*tally_create)(const weld_dataset *ds, const weld_tensor *outputs, void **tally,
                                weld_error *err);
    void (*tally_free)(void *tally);
    weld_status (*tally_clear)(void *tally, weld_error *err);
    /* Append to *record, an array of bytes, what counting needs of image i of a batch, whose
     * annotations are in the sample's place and whose placement says how it came there. The tally
     * stays as it is. WELD_ERROR_NUMERIC: outputs that are not finite. */
    weld_status (*measure)(const void *tally, const weld_tensor *outputs, int64_t i,
                           const weld_batch *batch, weld_array *record, weld_error *err);
    /* Indices rise. The record's bytes may stand anywhere. */
    weld_status (*count)(void *tally, int64_t index, const void *record, size_t bytes,
                         weld_error *err);
    /* Of a record; NULL: images are not right or wrong by themselves. */
    void (*outcome)(const void *record, weld_outcome *out);
    /* Fill in loss and scores. */
    void (*finish)(void *tally, weld_evaluation *out);

    /* What scores would be if image k, in the order in which they were counted, counted times[k]
     * times, so that chance can be told from more: of a tally that is finished, which must outlive
     * it. values[i], of the first run_scores, are those of each class of the data set, NAN where
     * it has none, of which the score is the mean. Several threads may call it at once. NULL:
     * images are right or wrong by themselves. */
    weld_status (*resample_create)(const void *tally, void **resample, weld_error *err);
    void (*resample_free)(void *resample);
    void (*resample)(const void *resample, const int32_t *times, double *const *values);

    /* Of a tally that is finished: lines for people, the few that always are to be read... */
    void (*tell)(const void *tally, const weld_dataset *ds, weld_text *out);
    /* ...and a table, which is also members of a JSON object... */
    void (*tell_classes)(const void *tally, const weld_dataset *ds, weld_text *out);
    void (*json_classes)(const void *tally, const weld_dataset *ds, json_t *object);
    /* ...members of evaluation.json, and a file of what is taken for what. */
    void (*write_details)(const void *tally, const weld_dataset *ds, weld_text *out);
    weld_status (*write_confusion)(const char *path, const void *tally, const weld_dataset *ds,
                                   weld_error *err);
    const weld_report_view *report; /* those members in a report; NULL: only scores are shown */

    const weld_results_format *results; /* NULL: there are none */

    /* --- Single images: what the outputs for one image say. *text lines, or *json a value,
     * whichever is not NULL. */
    weld_status (*answer)(const weld_tensor *outputs, const weld_question *question,
                          weld_text *text, json_t **json, weld_error *err);
    /* What may be set about it, of the struct that gets at weld_question.values: options of the
     * command line by their names. */
    const weld_key *answer_keys;
    size_t answer_key_count;
    size_t
        file_key_count; /* of these, from the first, what may be set about files too: `layouts` */
    /* Which tiles of an image are to be seen beside all of it, by these values, and, of the outputs
     * for one, what the answer needs: appended to *found, an array of bytes, with the placement in
     * the question as if the tile were the image. NULL: none. */
    weld_tiling (*tiling)(const void *values);
    weld_status (*gather)(const weld_tensor *outputs, const weld_question *question,
                          const weld_tile *tile, weld_array *found, weld_error *err);
    /* Draw it on the image, which has its own size and is upright. NULL: there is nothing to draw.
     */
    weld_status (*draw_answer)(const weld_tensor *outputs, const weld_question *question,
                               weld_image *image, weld_error *err);
    /* Lines of a file of labels for the image, as tools of the field read them: with what each is
     * worth, or as what is learned from. NULL: there are none. */
    weld_status (*label_lines)(const weld_tensor *outputs, const weld_question *question,
                               bool scores, weld_text *out, weld_error *err);
    /* Where that value is a list of objects: the members that are columns of a table, ended by
     * NULL. */
    const char *answer_columns[WELD_COLUMNS_MAX + 1];
    /* Do two networks say the same about image i of a batch? */
    bool (*same_answer)(const weld_tensor *a, const weld_tensor *b, int64_t i);

    /* --- Files for other programs: the usual layout first, ended by one without an input. NULL:
     * the network's own outputs. */
    const weld_file_layout *layouts;
    /* Images a run of files of one size where nobody says: 0: any. */
    int64_t file_batch;
    /* Texts that runtimes of the field read beside weld's own. */
    weld_status (*file_metadata)(const weld_model_file *file, const weld_file_request *request,
                                 weld_metadata *out, weld_error *err);
} weld_task;

extern const weld_task *const weld_tasks[];
extern const size_t weld_task_count;

/* NULL where there is none of that name. */
const weld_task *weld_task_find(const char *name);
/* That of the network of a config, which can be built. */
const weld_task *weld_task_of(const weld_model_config *config);

/* The task whose results are of such data; an error says what it would have to be. */
weld_status weld_task_of_results(const weld_dataset *ds, const weld_task **out, weld_error *err);

/* An error where the data set has boxes and the task is not about these, or the other way round. */
weld_status weld_task_check_data(const weld_task *task, const weld_dataset *ds, weld_error *err);
/* match_labels, of data that the task is about: to[class count of ds]; each to itself where the
 * task has no labels. */
weld_status weld_task_match_labels(const weld_task *task, const weld_dataset *ds,
                                   const weld_labels *labels, int *to, weld_error *err);
/* Is nothing wrong with them? For a run that goes on: are they the same in the same order? */
weld_status weld_task_check_labels(const weld_task *task, const weld_dataset *ds,
                                   const weld_labels *labels, weld_error *err);

/* What became of the classes of a data set that took a network's. */
typedef struct weld_adoption {
    int classes_without_images; /* of the network's */
    int unknown_classes;        /* of the data set's */
    int64_t left_out;           /* images of these */
    char text[512];             /* a line for people: which; "" where every class has its images */
} weld_adoption;
/* Match, and see the data set with the network's classes from now on (weld_dataset_take_classes).
 * The names of the labels must outlive it. */
weld_status weld_task_adopt_labels(const weld_task *task, weld_dataset *ds,
                                   const weld_labels *labels, weld_adoption *out, weld_error *err);

/* values [WELD_TASK_VALUES_SIZE]: those of the task's keys where nobody sets them. */
void weld_task_standard_values(const weld_task *task, unsigned char *values);

/* values: those of the task's answer keys, the usual ones and what is set: "conf=0.25". of_file: of
 * the keys that may be set about files alone. */
weld_status weld_task_answer_values(const weld_task *task, bool of_file, const char *const *set,
                                    size_t count, void *values, weld_error *err);
/* The layout of files that is called so (NULL: the usual; *out is NULL where the task has none), or
 * an error that lists them. */
weld_status weld_task_find_layout(const weld_task *task, const char *name,
                                  const weld_file_layout **out, weld_error *err);

/* Is a later evaluation better than what was the best so far? Of equal scores that of the lower
 * loss is, of equal losses (or where there are none) the later. */
typedef struct weld_standing {
    double score, loss;
    int64_t images; /* that they are of; 0: nobody noted it */
    int64_t
        before; /* of `now`: that the evaluation before it is of; 0: there is none, or likewise */
} weld_standing;
bool weld_task_is_better(const weld_task *task, weld_standing now, weld_standing best);
/* Images that `now` is of beyond those of `best`; below 0: it lacks some. 0 where nobody noted, and
 * where the evaluation before `now` was of no more than it: what it lacks then is lost for good. */
int64_t weld_standing_more_images(weld_standing now, weld_standing best);
/* The same by the loss first where train.best says so: of equal losses, none of which may be
 * finite, that of the better score. Scores on images of which some could not be read this time are
 * not compared with those on more: these are better. */
bool weld_task_is_best(const weld_task *task, bool by_loss, weld_standing now, weld_standing best);
/* Score i of an evaluation, as public headers have it. */
weld_score weld_task_score(const weld_task *task, int i, double value);

#endif
