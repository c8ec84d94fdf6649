/* The update of RMSprop as TensorFlow has it, in the arithmetic of timm's RMSpropTF (rmsproptf). */
#ifndef WELD_OPTIMIZE_RMSPROP_TF_H
#define WELD_OPTIMIZE_RMSPROP_TF_H

#include <stdint.h>

typedef struct weld_rmsprop_tf_step {
    double lr, alpha, eps, momentum, weight_decay;
    double gradient_scale; /* of all gradients, before all else */
    double gradient_limit; /* then they are brought to within +- this; may be infinite */
    double average_decay;  /* of the moving average of weights */
} weld_rmsprop_tf_step;

/* g = gradient (scaled, then limited; what is not a number stays so) + wd w;
 * v += (1 - alpha) (g^2 - v); m = momentum m + lr g / sqrt(v + eps); w -= m (Tieleman and Hinton
 * 2012). v must begin as ones, not zeros: the first updates are then small. eps stands within the
 * root, and the rate within the momentum, so that a change of the rate shows only gradually. Where
 * `average` is not NULL, then also average = d average + (1 - d) w. All n long. */
void weld_rmsprop_tf_update(const weld_rmsprop_tf_step *s, int64_t n, const float *gradient,
                            float *weight, float *m, float *v, float *average);

#endif
