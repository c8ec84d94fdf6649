/* Networks of 8-bit integers.
 *
 * A merged network is made to compute with integers after its training: weights become i8, with a
 * scale for each output channel, and activations codes of 8 bits, with a scale and a zero point for
 * each tensor. Some hundred images say what range each activation has; nothing is trained. The
 * network is then a quarter as large and several times as fast, and loses little.
 */
#ifndef WELD_QUANTIZE_H
#define WELD_QUANTIZE_H

#include "weld/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How much of what an activation was seen to be its codes cover. */
typedef enum weld_quantize_method {
    /* What the network was trained for, unless that is clearly noisier; else whichever of the next
     * two comes nearer to the float network. */
    WELD_QUANTIZE_AUTO,
    WELD_QUANTIZE_MINMAX,     /* all of it */
    WELD_QUANTIZE_PERCENTILE, /* all but the outermost 0.01 %: codes of the others are finer */
    WELD_QUANTIZE_TRAINED     /* the ranges of a run with `quantize` in its recipe, and its bits of
                               * weights: integers say what the rounded network said there */
} weld_quantize_method;

typedef struct weld_quantize_options {
    /* To calibrate on, of `data`, at most, spread over its classes: 256; of fewer than 16 it warns.
     * A quarter as many more, or a fifth of those that there are, say which way is the best. */
    int images;
    /* A data set to compare both networks on. NULL: the images of `data` that were not taken, where
     * it has labels; else both are only held against each other. */
    const char *evaluate;
    /* Points of the score (top-1 in percent; of detectors mean average precision times 100) that
     * may be lost: where more are, layers stay float, the noisiest first, until it is met. NAN: any
     * number. */
    double max_drop;
    weld_quantize_method method;
    /* Layers that stay float in any case: by their names, or all that are in modules of these names
     * ("features.0"). */
    const char *const *float_layers;
    size_t float_count;
    int threads; /* 0: all that the process may use; the file does not depend on it */
    /* Lines for people about what is odd: few images, ones that cannot be read, activations that
     * are always 0. May be NULL. */
    void (*message)(void *context, const char *text);
    void *context;
    /* What is done, "calibrating" say, and how far it is, often. May be NULL. */
    void (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    void *reserved[7]; /* NULL */
} weld_quantize_options;

/* 256 images, any drop, WELD_QUANTIZE_AUTO, no layer float. */
WELD_API weld_quantize_options weld_quantize_defaults(void);

/* Layers of one module: the stem, a depthwise convolution, a squeeze-excite, a channel mixer. */
#define WELD_QUANTIZE_PARTS_MAX 8
typedef struct weld_quantize_part {
    char name[128]; /* "features.8.token_mixer" */
    int place;      /* among all, in the order of the network */
    double share;   /* of the noise, 0..1; 0 where it is float */
    bool is_float;
} weld_quantize_part;

typedef struct weld_quantize_report {
    int64_t images, skipped;     /* calibrated on, and left out because they are bad */
    weld_quantize_method method; /* that was taken */
    /* Bits of the codes that a run trained the network for, where they were taken; 0: weights have
     * 8, ranges were found on the images. The integers of fewer bits lie on the same grid (weights)
     * or in the same range (activations). */
    int trained_weights, trained_activations;
    bool equalised;        /* channels of residual streams were brought to one range... */
    double equalised_gain; /* ...which changed the noise by so many dB, taken or not; NAN: it
                            * was not tried, or layers became float since */
    bool corrected;        /* biases were; never without `chosen_by` */
    int64_t chosen_by;     /* other images of `data`, which said what comes nearest; 0: there
                            * were too few */
    /* What both networks were compared on: "evaluation", "others" of `data`, those they were
     * "chosen_by", or, where there are none of these, those they were "calibrated" on. */
    const char *compared_on;
    double sqnr;              /* dB that the noise is below the outputs, on these */
    int64_t evaluated;        /* images that both networks were compared on */
    bool labelled;            /* the scores hold, and where images are right or wrong */
    weld_score before, after; /* the score that decides: top-1 */
    double drop, drop_error;  /* points of it, and their standard error (NAN: unknown) */
    int64_t lost, gained;     /* images right before and wrong after, the other way round; -1 */
    int64_t same_answer;      /* images for which both come to the same; -1: it has no answers */
    int64_t bytes_before, bytes_after;                 /* of the files, merged */
    double milliseconds_before, milliseconds_after;    /* median of batch 1 */
    weld_quantize_part parts[WELD_QUANTIZE_PARTS_MAX]; /* by their noise */
    int part_count, parts_in_all, float_parts;
    char float_names[512]; /* "features.0, classifier", as many as there is room for */
    /* For people: one number of the outputs, and what they come to: "logit", "class". */
    const char *output_word, *answer_word;
    char *json; /* all of it and every part: an object */
    void *reserved[7];
} weld_quantize_report;

/* Write m as a deploy file of integers; a checkpoint is merged first. Of one that was trained for
 * codes (and of what weld_model_merge made of it) these are taken, unless options->method names
 * others. data: images as
 * weld_model_evaluate takes them, or a folder of images without classes, which are prepared as m
 * has it and never changed at random.
 *
 * The file is written aside, read again and run: only what then says what it is to say takes the
 * place of what is at `path`. report, which may be NULL, is to be released with
 * weld_quantize_report_free.
 *
 * WELD_ERROR_ARGUMENT: m is of integers already; options out of range; a float layer that there is
 * not; WELD_QUANTIZE_TRAINED of a network that was trained for no codes. WELD_ERROR_FORMAT: no
 * image can be read. WELD_ERROR_NUMERIC: activations that are not finite, naming layer and image;
 * max_drop cannot be met. */
WELD_API weld_status weld_model_quantize(const weld_model *m, const char *data,
                                         const weld_quantize_options *options, const char *path,
                                         weld_quantize_report *report, weld_error *err);
WELD_API void weld_quantize_report_free(weld_quantize_report *report);

#ifdef __cplusplus
}
#endif
#endif
