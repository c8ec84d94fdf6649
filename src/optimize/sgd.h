/* The update of stochastic gradient descent with momentum, in the arithmetic of PyTorch's SGD. */
#ifndef WELD_OPTIMIZE_SGD_H
#define WELD_OPTIMIZE_SGD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct weld_sgd_step {
    double lr, momentum, weight_decay;
    bool nesterov;         /* look ahead along the momentum */
    double gradient_scale; /* of all gradients, before all else */
    double gradient_limit; /* then they are brought to within +- this; may be infinite */
    double average_decay;  /* of the moving average of weights */
} weld_sgd_step;

/* g = gradient (scaled, then limited; what is not a number stays so) + wd w; m = momentum m + g;
 * w -= lr m, or with nesterov w -= lr (g + momentum m) (Sutskever et al. 2013). Weight decay is
 * part of the gradient and so of the momentum, other than AdamW's. Where `average` is not NULL,
 * then also average = d average + (1 - d) w. All n long. */
void weld_sgd_update(const weld_sgd_step *s, int64_t n, const float *gradient, float *weight,
                     float *m, float *average);

#endif
