/* From the stored bytes of an image to a sample of a batch, and how long which part of it took. */
#ifndef WELD_DATA_SAMPLE_H
#define WELD_DATA_SAMPLE_H

#include "formats/bytes.h"
#include "data/dataset.h"
#include "data/transform.h"

/* Where samples come from, and what they are drawn with. */
typedef struct weld_sample_source {
    const weld_dataset *ds;
    const weld_transform *transform;
    uint64_t seed;
    uint32_t view; /* stands for the epoch where samples are augmented */
    int64_t views; /* 0: no end of them; else how many there are: a repeat is the next of these */
} weld_sample_source;

/* What the time of making a batch goes into. */
typedef enum weld_stage { WELD_STAGE_WAIT, WELD_STAGE_DECODE, WELD_STAGE_AUGMENT } weld_stage;
enum { WELD_STAGES = 3 };

/* What one thread works with. Start with all zero. */
typedef struct weld_sample_worker {
    double since, seconds[WELD_STAGES]; /* since: when the stage began that is under way */
    weld_bytes bytes;                   /* of the image; weld_sample_begin says that it changed */
    weld_image image, whole;            /* decoded: what one sample needs; all of it */
    enum { WHOLE_NEVER, WHOLE_WANTED, WHOLE_THERE } state; /* of `whole` */
    weld_transform_scratch scratch;
} weld_sample_worker;
void weld_sample_worker_free(weld_sample_worker *w);

/* A stage is over, the next begins. */
void weld_sample_end_stage(weld_sample_worker *w, weld_stage stage);

/* w->bytes are those of the next image, of which `count` training samples are made: several share
 * one decoding of the whole, where else each decodes its crop. The samples are the same. */
void weld_sample_begin(const weld_sample_source *s, weld_sample_worker *w, int64_t count);

/* Of sample `index`, whose bytes w holds: [input_size, input_size, 3] floats. */
weld_status weld_sample_training(const weld_sample_source *s, int64_t index, int64_t repeat,
                                 weld_sample_worker *w, float *out, weld_error *err);
weld_status weld_sample_evaluation(const weld_sample_source *s, int64_t index,
                                   weld_sample_worker *w, float *out, weld_error *err);

#endif
