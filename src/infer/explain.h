/* Where in an image a decision came from: Grad-CAM (Selvaraju et al., 2017) on the map that the
 * network's last stage makes.
 *
 * With A [h, w, c] that map and y the logit of a class, the weight of channel k is the mean over
 * the positions of dy / dA[k], and a position says relu(sum over k of weight_k A[k]) for the class.
 */
#ifndef WELD_INFER_EXPLAIN_H
#define WELD_INFER_EXPLAIN_H

#include "images/image.h"
#include "weld/model.h"

typedef struct weld_explanation {
    int class_index;    /* of what it explains */
    double probability; /* that the network gives it */
    int height, width;  /* of the map */
    float *map;         /* [height, width], 0 to 1, the largest 1; all 0: nothing speaks for it */
    weld_image picture; /* what the network saw, and beside it the same under the map's colours */
} weld_explanation;

/* For several images with one model, which must outlive it. WELD_ERROR_ARGUMENT: a network for
 * something else; WELD_ERROR_NOT_FOUND: the end of its last stage cannot be told. */
typedef struct weld_explainer weld_explainer;
weld_status weld_explainer_create(const weld_model *m, int threads, weld_explainer **out,
                                  weld_error *err);
void weld_explainer_free(weld_explainer *e); /* accepts NULL */
/* class_index -1: the likeliest class. WELD_ERROR_ARGUMENT: there is no such class. *out is freed
 * with weld_explanation_free, also after an error. */
weld_status weld_explainer_image(weld_explainer *e, const weld_image *image, int class_index,
                                 weld_explanation *out, weld_error *err);

/* Of one image file. */
weld_status weld_explain(const weld_model *m, const char *path, int class_index, int threads,
                         weld_explanation *out, weld_error *err);
void weld_explanation_free(weld_explanation *e);

#endif
