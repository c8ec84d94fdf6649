/* A data set in parts: some images to evaluate on, the others to train on, or only some of these.
 *
 * Of each group (class) of n images round(n share) are set aside, at least one and not all: those
 * that come first by a number that the image's name and the seed make. So where the data set
 * lies, in which form, in what order it is read and what else is in it make no difference.
 *
 * Images of the same bytes are on one side: they go with the one of them that comes first in the
 * data set, in a group of their own accord, or to training where their groups disagree.
 */
#ifndef WELD_DATA_SPLIT_H
#define WELD_DATA_SPLIT_H

#include "data/annotation.h"

typedef struct weld_data_split_options {
    const weld_annotation *annotation; /* whose groups are looked at; without, all are one */
    double validation;                 /* share that is evaluated on; 0: none */
    double fraction;                   /* share of the others that is trained on; 1: all */
    uint64_t seed;
    int threads; /* 0: all that the process may use */
} weld_data_split_options;

typedef enum weld_part { WELD_PART_LEFT_OUT, WELD_PART_TRAIN, WELD_PART_VALIDATION } weld_part;

typedef struct weld_data_split {
    unsigned char *part;      /* a weld_part, by sample */
    int64_t images, count[3]; /* by part */
    int64_t twins;            /* images with the bytes of an earlier one */
    int64_t alone;            /* groups of one image, which have none to evaluate on */
} weld_data_split;

/* Reads what has the length of another sample, to find the same bytes, where some are evaluated
 * on. Errors: memory; no image would be evaluated on. */
weld_status weld_data_split_create(const weld_dataset *ds, const weld_data_split_options *options,
                                   weld_data_split *out, weld_error *err);
void weld_data_split_free(weld_data_split *s);

/* See no more of ds, which is the one that was split or another opening of it, than a part. */
weld_status weld_data_split_take(const weld_data_split *s, weld_part part, weld_dataset *ds,
                                 weld_error *err);

/* For people: "900 images are trained on, 100 evaluated on; ..." */
const char *weld_data_split_text(const weld_data_split *s, char *text, size_t size);

#endif
