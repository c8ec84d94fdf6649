/* The mean of the gradients of several batches: gradient accumulation.
 *
 * The mean of the gradients of n batches of equal size is the gradient of the mean loss of their
 * samples, but for batch norm, which normalises within each batch. They are added along a tree
 * (distributed/tree.h), in the memory of the trained parameters as often as n can be halved: once
 * for 2 and 3 batches, twice for 4 to 7, three times for 8 to 15.
 */
#ifndef WELD_OPTIMIZE_GRADIENT_MEAN_H
#define WELD_OPTIMIZE_GRADIENT_MEAN_H

#include "kernels/kernels.h"

typedef struct weld_gradient_mean weld_gradient_mean;

/* gradients[0..count): as each batch has them; data is NULL for parameters that are frozen. They
 * are not needed later. batches: how many there are at most, of 2 or more. */
weld_status weld_gradient_mean_create(const weld_tensor *gradients, size_t count, int64_t batches,
                                      const weld_kernels *kernels, int threads,
                                      weld_gradient_mean **out, weld_error *err);
void weld_gradient_mean_free(weld_gradient_mean *m); /* accepts NULL */

/* Take in the gradients of a batch, which may lie elsewhere than another's. */
void weld_gradient_mean_add(weld_gradient_mean *m, const weld_tensor *gradients);
/* The mean of all batches added since the last take, at least one: by parameter, as the gradients;
 * valid until the next add. */
const weld_tensor *weld_gradient_mean_take(weld_gradient_mean *m);

size_t weld_gradient_mean_bytes(const weld_gradient_mean *m);

#endif
