/* Image files to what a network takes of them: read, decoded, prepared as evaluation does. Several
 * at once, in threads that work ahead of who asks; what each image comes to depends on it alone.
 */
#ifndef WELD_INFER_IMAGE_INPUT_H
#define WELD_INFER_IMAGE_INPUT_H

#include "data/transform.h"

/* Memory that calls of one thread share. Start zeroed. */
typedef struct weld_image_input {
    weld_transform_scratch scratch;
    weld_image image;
    weld_bytes bytes;
} weld_image_input;
void weld_image_input_free(weld_image_input *in);

/* An image as a network takes it, and where in it each of its pixels lies. */
typedef struct weld_prepared_image {
    const float *pixels;
    weld_placement placement;
    const weld_image *image; /* itself, where that is asked for; else NULL */
} weld_prepared_image;

/* Decode into in->image as the transform's preprocessing says. */
weld_status weld_image_input_decode(weld_image_input *in, const weld_transform *t,
                                    const void *bytes, size_t size, weld_error *err);
/* *placement, which may be NULL: where what the image shows comes to lie in `out`. Errors name the
 * file. */
weld_status weld_image_input_read(weld_image_input *in, const weld_transform *t, const char *path,
                                  float *out, weld_placement *placement, weld_error *err);

typedef struct weld_image_queue weld_image_queue;

typedef struct weld_image_queue_options {
    const weld_transform *transform;
    const char *const *paths; /* [count] */
    int64_t count;
    bool with_images; /* images themselves are asked for too */
    int jobs; /* threads that prepare images ahead; 1: none, each image when it is asked for */
} weld_image_queue_options;

/* Transform and paths must outlive it. */
weld_status weld_image_queue_create(const weld_image_queue_options *options, weld_image_queue **out,
                                    weld_error *err);
void weld_image_queue_free(weld_image_queue *q); /* accepts NULL */
/* The next image, in order, until the next call; there must be one. */
weld_status weld_image_queue_next(weld_image_queue *q, weld_prepared_image *out, weld_error *err);

#endif
