/* Looking through a whole data set: every image is decoded once, and whatever is broken or odd is
 * told, with counts and sizes. */
#ifndef WELD_DATA_CHECK_H
#define WELD_DATA_CHECK_H

#include "data/annotation.h"

typedef enum weld_finding_kind {
    WELD_FINDING_BROKEN,    /* training leaves it out */
    WELD_FINDING_ODD,       /* used, but perhaps not as was meant */
    WELD_FINDING_TURNED,    /* with an orientation in its metadata, as many photos are */
    WELD_FINDING_DUPLICATE, /* the same bytes as another sample of its class, */
    WELD_FINDING_CONFLICT,  /* or of another class: the labels contradict each other */
    WELD_FINDING_LEAK,      /* the same bytes as a sample of the other data set */
    WELD_FINDING_UNREAD,    /* could not be read, or not again, to be compared */
    WELD_FINDING_CLASS,     /* a class without images, or with very few */
    WELD_FINDING_KINDS
} weld_finding_kind;

const char *weld_finding_text(weld_finding_kind kind); /* "broken" */

typedef struct weld_check_options {
    const weld_annotation *annotation; /* its groups are what is called classes here; data sets with
                                          boxes have none (check_boxes.h) */
    const weld_dataset *against; /* another data set to look for the same images in, or NULL */
    int max_pixels; /* of an image that is not broken; 0: as many as are usual (weld/image.h) */
    int threads;    /* 0: all that the process may use */
    /* Called by the thread that called weld_check: first what is broken, odd or turned, in
     * order of samples; then classes; then duplicates and conflicts, and what the other data set
     * has, in order again. `name` is of the sample or class; of one of the other data set with that
     * set's path in front. A sample that is odd in several ways
     * is one finding. */
    void (*found)(void *arg, weld_finding_kind kind, const char *name, const char *reason);
    /* false: stop. May be NULL. */
    bool (*progress)(void *arg, int64_t done, int64_t total);
    void *arg;
} weld_check_options;

typedef struct weld_check_range {
    int least, median, most;
} weld_check_range;

typedef struct weld_check_report {
    int64_t images, found[WELD_FINDING_KINDS];
    int64_t upright;       /* of those that are turned: seen upright (boxes.h), not as stored */
    int64_t *class_images; /* [classes]; NULL: there are none; release with weld_free */
    int64_t class_least, class_most;
    double class_median;
    weld_check_range width, height; /* of what could be decoded; all zero where nothing could */
    bool stopped;                   /* by progress: the rest was not looked at */
} weld_check_report;

/* What counts as odd: the contents are not what the name's ending says; CMYK; grey; 16 bits a
 * channel; a side below 32 pixels or above 10,000; more than 50 megapixels; more than
 * 8 times as long as wide.
 *
 * Two samples are the same if their bytes are: by length and XXH3, and compared before it is said.
 * A class has very few images if it has fewer than a tenth of the median, or one. Memory: 32 bytes
 * a sample. Errors: memory. */
weld_status weld_check(const weld_dataset *ds, const weld_check_options *options,
                       weld_check_report *report, weld_error *err);

#endif
