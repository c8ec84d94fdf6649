/* Model files: training checkpoints and merged ("deploy") networks, as stores (store.h).
 *
 *   config            text   JSON: the weld_model_config
 *   preprocessing     text   JSON
 *   class_names       u8     names by index, each ended by a zero byte; absent: unknown
 *   program_version, recipe, summary, verification   texts; the last three may be absent
 *   temperature       f64    of probabilities (infer/temperature.h); absent: 1
 *   graph             text   JSON (graph_text.h): of deploy files, and of checkpoints of networks
 *                            that programs built themselves, whose config does not say what they
 *                            are; for evaluation
 *   quantization      text   JSON (quantization_text.h): of deploy files of networks of integers,
 *                            whose kind is "deploy-int8"
 *   parameters/NAME, buffers/NAME             tensors in checkpoint shape, f32 (counters i64); of
 *                                             integers weights are i8, biases i32
 *   scales/NAME, tables/VALUE                 of integers: of a weight, f32; of a function, u8
 *   optimizer/m/NAME, optimizer/v/NAME        checkpoints only; not for frozen parameters; no v
 *                                             where the optimizer keeps one tensor (SGD)
 *   ema/parameters/NAME, ema/buffers/NAME     moving averages of all; checkpoints of runs with them
 *   quantize/codes    f32 [n, 2]: of a run that trained for codes: by value of the merged graph,
 *                     see passes/fake_quantize.h; and of what was merged of it
 *   quantize/steps    f32 [n, 4]: of a run that learned its steps: base, share, and the two
 *                     moments of the optimizer (0 where these are not kept); likewise
 *   trainer/FIELD     scalars, i64 or f64; checkpoints only, but for those that say of what
 *                     quantize/codes are
 */
#ifndef WELD_SERIALIZATION_MODEL_FILE_H
#define WELD_SERIALIZATION_MODEL_FILE_H

#include "formats/element.h"
#include "formats/file_kind.h"
#include "models/names.h"
#include "passes/quantize.h"
#include "serialization/name_list.h"
#include "weld/model.h"

typedef enum weld_model_file_kind { WELD_MODEL_CHECKPOINT, WELD_MODEL_DEPLOY } weld_model_file_kind;

/* Parts that the loss of a task has at most, and things that it counts in a batch. */
enum { WELD_LOSS_PARTS_MAX = 4, WELD_COUNTS_MAX = 4 };

/* Where a training run stands, in numbers that come back bit for bit. A new field takes one line
 * here and one in model_layout.c. */
typedef struct weld_trainer_state {
    uint64_t seed;
    int64_t epoch;         /* of the next update, from 0 */
    int64_t position;      /* updates of that epoch already done */
    int64_t step;          /* updates done in all */
    int64_t train_images;  /* in the data set */
    int64_t epoch_samples; /* samples in epoch_loss */
    int64_t metrics_bytes; /* length of metrics.jsonl when the checkpoint was made */
    int64_t best_epoch;    /* -1: no evaluation yet */
    double best_score;
    double epoch_loss;      /* sum over the epoch so far */
    double epoch_seconds;   /* time spent on the epoch so far */
    double elapsed_seconds; /* on the whole run */
    double best_loss;       /* of the evaluation with best_score; 0 in files that do not say */
    /* What a plateau has seen (optimize/schedule.h); 0 in files from before there was one. */
    double plateau_best;
    int64_t plateau_since, plateau_reductions;
    double best_average;       /* score of the moving average beside best_score; likewise */
    int64_t stale_evaluations; /* since the latest with a better score; likewise */
    int64_t best_images;       /* that best_score is of; likewise */
    int64_t latest_images;     /* of the latest evaluation; likewise */
    int64_t metrics_tail;      /* of metrics.jsonl at metrics_bytes: weld_metrics_tail; likewise */
    /* What epoch_loss is made of, as the task has it; likewise. */
    double epoch_loss_parts[WELD_LOSS_PARTS_MAX];
    double epoch_counts[WELD_COUNTS_MAX]; /* of the epoch so far; likewise */
    /* Bits of the codes that a run trained for; 0: it did not, or activations were not rounded. */
    int64_t quantize_weights, quantize_activations;
} weld_trainer_state;

/* How the tensors stood in a file that weld did not write. */
typedef struct weld_model_origin {
    weld_file_kind kind; /* WELD_FILE_PTH, WELD_FILE_SAFETENSORS; 0: a store */
    const weld_naming *naming;
    weld_element element; /* of the first weight... */
    bool mixed;           /* ...but not of all */
    int tables_from;      /* size of the images that tables of positions were for, which are resized
                             for others; 0: they are as they were */
    bool unchecked;       /* weld_state_dict_is_unchecked */
    bool usual;           /* nothing said how images are prepared: it is the usual way */
    bool untold;          /* nor, in the file, what its tensors do not tell of the network */
    bool hub;             /* config.json beside the file said it (hub_config.h) */
    bool headless;        /* it is a backbone: `weights` has no more of the head than the file */
    size_t tensors;
    char prefix[256];           /* before the names of the network's tensors; "": none */
    weld_name_list passed_over; /* tensors that are not of the network */
    char named_by[64];          /* what said which variant it is of, beside tensors; "": nothing */
    char key[32];               /* where in the file: "model"; "" for the top level */
    char others[96];            /* the keys of other state dicts in it: "model_ema" */
} weld_model_origin;

/* What temperatures are fitted to, and files may hold. */
#define WELD_MIN_TEMPERATURE 0.01
#define WELD_MAX_TEMPERATURE 100.0
static inline bool weld_is_temperature(double value) {
    return value >= WELD_MIN_TEMPERATURE && value <= WELD_MAX_TEMPERATURE;
}

/* What a file holds. From weld_model_file_read it owns all that it points to; for
 * weld_model_file_write the caller may point to what lives elsewhere. */
typedef struct weld_model_file {
    weld_model_file_kind kind;
    weld_model_config config;
    weld_preprocessing preprocessing;
    char **class_names;    /* config.num_classes of them, or NULL */
    weld_weights *weights; /* exactly the parameters and buffers of the network, in its order */
    weld_graph *graph;     /* evaluation, f32: deploy: the merged one; checkpoint: that of a network
                            * that is in files alone (models/models.h), else NULL */
    /* deploy: how the graph's values are codes, where the network is of integers: then `weights`
     * are these (weld_quantize_weights), for weld_quantized_graph of graph; else NULL */
    weld_quantization *quantization;
    char *program_version; /* that wrote the file; ignored on writing */
    char *recipe;          /* YAML; this and the next two may be NULL */
    char *summary;         /* JSON: of the training, or where the weights came from */
    char *verification;    /* JSON: of the merge */
    double temperature;    /* by which logits are divided for probabilities; 0: none was fitted */
    weld_trainer_state trainer;      /* checkpoints */
    weld_weights *moment1, *moment2; /* of the optimizer, both for the same parameters: those that
                                      * are trained; NULL: not kept, or the second only: there is
                                      * none */
    float *codes; /* code_rows pairs that were trained for, of floats; NULL: none */
    size_t code_rows;
    float *steps; /* step_rows that were learned beside them (WELD_STEP_COLUMNS); NULL: none */
    size_t step_rows;
    weld_weights *ema; /* checkpoints: the moving average of `weights`; NULL: none */
    weld_model_origin origin;
} weld_model_file;

/* Read and check a whole file: the checksum; the network of a checkpoint as weld_model_build makes
 * it, or the graph of a deploy file with an input "images" [batch, size, size, 3] of the
 * preprocessing's size and an output "logits" [batch, num_classes]; every tensor of it there with
 * its shape and type, and nothing else. Other programs' weights are imported, with no options.
 * Files of further kinds are refused by what they are. */
weld_status weld_model_file_read(const char *path, weld_model_file *out, weld_error *err);
/* As weld_model_import (weld/model.h): weights in the training form are a checkpoint of a run that
 * has not begun, without moments; in the merged form a deploy file. */
weld_status weld_model_file_import(const char *path, const weld_import_options *options,
                                   weld_model_file *out, weld_error *err);
/* The same, but weights of a backbone, without a head, are taken too. */
weld_status weld_model_file_import_backbone(const char *path, const weld_import_options *options,
                                            weld_model_file *out, weld_error *err);
/* *goes_on: there is a checkpoint with the optimizer's state, from which a run can be resumed.
 * Where that cannot be told, of a file that cannot be opened or a checkpoint that is damaged, is an
 * error. */
weld_status weld_model_file_goes_on(const char *path, bool *goes_on, weld_error *err);
/* Write atomically (file.h). mf->weights must hold what a reader will ask for. */
weld_status weld_model_file_write(const char *path, const weld_model_file *mf, weld_error *err);
/* The same into what is to take the place of `path` (file.h), which is then still to be committed.
 */
struct weld_replacement;
weld_status weld_model_file_put(const char *path, const weld_model_file *mf,
                                struct weld_replacement *to, weld_error *err);
/* Release what *mf owns and zero it. */
void weld_model_file_free(weld_model_file *mf);

#endif
