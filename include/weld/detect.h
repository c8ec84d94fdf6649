/* Detectors: where in images things are, and of which classes.
 *
 *     weld_model *model;
 *     weld_detector *detector;
 *     weld_found found[100];
 *     int count;
 *     weld_model_open("deploy.h5", &model, &err);
 *     weld_detector_create(model, NULL, &detector, &err);
 *     weld_detector_run_file(detector, "street.jpg", found, 100, &count, &err);
 *     for (int i = 0; i < count; i++)
 *         printf("%s %.2f at %.0f, %.0f\n", weld_model_class_name(model, found[i].class_index),
 *                found[i].score, found[i].x, found[i].y);
 *
 * Structs that callers fill have reserved room, which stays zero, so that later versions can add
 * members.
 */
#ifndef WELD_DETECT_H
#define WELD_DETECT_H

#include "weld/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A thing that was found: its box, in pixels of the upright image from its upper left corner. */
typedef struct weld_found {
    float x, y, width, height;
    float score; /* 0 to 1 */
    int class_index;
} weld_found;

/* What is told of all that the network sees. */
typedef struct weld_detector_options {
    int threads;       /* 0: all that the process may use */
    double confidence; /* boxes of a higher score; 0: 0.25 */
    double iou;        /* of boxes of one class that overlap by more (intersection over union) the
                          best is told; 0: 0.7 */
    int most;          /* boxes of an image; 0: 300 */
    int agnostic;      /* 1: boxes of different classes count as overlapping too */
    void *reserved[6]; /* NULL */
} weld_detector_options;

typedef struct weld_detector weld_detector;

/* options NULL: all zero. The model must outlive the detector; several detectors may share one and
 * run in different threads at once. WELD_ERROR_ARGUMENT: the network is no detector, or a value out
 * of its range. */
WELD_API weld_status weld_detector_create(const weld_model *m, const weld_detector_options *options,
                                          weld_detector **out, weld_error *err);
WELD_API void weld_detector_free(weld_detector *d);
/* Decode (JPEG, PNG, WebP), preprocess, run, suppress: the best of what was found, by falling
 * score, into found[0..room); *count: how many these are. */
WELD_API weld_status weld_detector_run_file(weld_detector *d, const char *path, weld_found *found,
                                            int room, int *count, weld_error *err);
WELD_API weld_status weld_detector_run_bytes(weld_detector *d, const void *bytes, size_t size,
                                             weld_found *found, int room, int *count,
                                             weld_error *err);
/* Pixels [height, width, 3], red, green, blue. */
WELD_API weld_status weld_detector_run_rgb(weld_detector *d, const unsigned char *pixels, int width,
                                           int height, weld_found *found, int room, int *count,
                                           weld_error *err);

#ifdef __cplusplus
}
#endif
#endif
