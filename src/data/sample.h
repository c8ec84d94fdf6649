/* From the stored bytes of images to a sample of a batch, and how long which part of it took. */
#ifndef WELD_DATA_SAMPLE_H
#define WELD_DATA_SAMPLE_H

#include "formats/bytes.h"
#include "data/annotation.h"
#include "data/composition.h"
#include "datasets/dataset.h"
#include "data/transform.h"

/* Where samples come from, and what they are drawn with. */
typedef struct weld_sample_source {
    const weld_dataset *ds;
    const weld_transform *transform;
    const weld_annotation *annotation; /* NULL: none is read */
    uint64_t seed;
    uint32_t view; /* stands for the epoch where samples are augmented */
    int64_t views; /* 0: no end of them; else how many there are: a repeat is the next of these */
    bool alone;    /* samples are of one image each, whatever the composition */
} weld_sample_source;

/* Which sample: the how manieth of the image whose turn it is, and all images that it is made of.
 */
typedef struct weld_sample {
    int64_t index, repeat;
    const weld_sample_part *parts; /* parts[0].index is index */
    int count;
} weld_sample;

/* The stream of what is drawn for a sample of a view, for a purpose. */
weld_random weld_sample_random(const weld_sample_source *s, int64_t index, int64_t repeat,
                               weld_random_purpose purpose);

/* What the time of making a batch goes into. */
typedef enum weld_time_use {
    WELD_TIME_WAITING,
    WELD_TIME_DECODING,
    WELD_TIME_AUGMENTING
} weld_time_use;
enum { WELD_TIMES = 3 };

/* One image of a sample. */
typedef struct weld_sample_image {
    weld_bytes bytes;       /* weld_sample_begin says that they changed */
    weld_image part, whole; /* decoded: what one sample needs; all of it */
    enum { WHOLE_NEVER, WHOLE_WANTED, WHOLE_THERE } state; /* of `whole` */
} weld_sample_image;

/* What one thread works with. Start with all zero. */
typedef struct weld_sample_worker {
    double since, seconds[WELD_TIMES]; /* since: until when they are counted */
    weld_sample_image images[WELD_SAMPLE_PARTS];
    weld_transform_scratch scratch;
} weld_sample_worker;
void weld_sample_worker_free(weld_sample_worker *w);

/* The time since the last call went into this. */
void weld_sample_spent(weld_sample_worker *w, weld_time_use use);

/* image->bytes are new, and `count` training samples are made of them: several share one decoding
 * of the whole, where else each decodes its crop. The samples are the same. */
void weld_sample_begin(const weld_sample_source *s, weld_sample_image *image, int64_t count);

/* The sample of whose parts w->images hold the bytes: out [height, width, 3], and its
 * annotation appended to *annotation. After an error *bad is the number of the part that caused it.
 */
weld_status weld_sample_training(const weld_sample_source *s, const weld_sample *sample,
                                 weld_sample_worker *w, float *out, weld_array *annotation,
                                 int *bad, weld_error *err);
/* Of one image, as it is; and where in the sample it lies. */
weld_status weld_sample_evaluation(const weld_sample_source *s, int64_t index,
                                   weld_sample_worker *w, float *out, weld_array *annotation,
                                   weld_placement *placement, weld_error *err);

#endif
