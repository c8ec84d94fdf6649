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

/* class_index -1: the likeliest class. WELD_ERROR_ARGUMENT: a network for something else, or no
 * such class; WELD_ERROR_NOT_FOUND: the end of its last stage cannot be told. */
weld_status weld_explain(const weld_model *m, const char *path, int class_index, int threads,
                         weld_explanation *out, weld_error *err);
void weld_explanation_free(weld_explanation *e);

#endif
