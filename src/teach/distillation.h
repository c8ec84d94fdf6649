/* Distillation in a training run: what goes into the input "teacher" of the step's loss
 * (tasks/classification/loss.h), batch by batch.
 */
#ifndef WELD_TEACH_DISTILLATION_H
#define WELD_TEACH_DISTILLATION_H

#include "data/loader.h"
#include "recipe/recipe.h"

typedef struct weld_distillation weld_distillation;

/* Open what the recipe learns from: a cache of what a teacher said (formats/logit_cache.h), which
 * must be of these data, augmented as the recipe does; or else a teacher. ds must be the training
 * data; batching: what batches there are. */
weld_status weld_distillation_open(const weld_recipe *r, const weld_dataset *ds,
                                   const weld_batching *batching, int threads,
                                   weld_distillation **out, weld_error *err);
void weld_distillation_free(weld_distillation *d); /* accepts NULL */

/* In how many ways images are augmented in turn (weld_loader_options.views); 0: anew every epoch.
 */
int64_t weld_distillation_views(const weld_distillation *d);
/* What is learned from, as text that is the same exactly where its contents are. */
const char *weld_distillation_identity(const weld_distillation *d);
/* The same for people, one line. */
const char *weld_distillation_text(const weld_distillation *d);

/* Say what there is to say of a batch, just as the loader has made it, into teacher [count,
 * classes]: probabilities for `hard`, logits divided by the temperature for `soft`.
 *
 * A teacher sees the images as they are, mixed. What a cache has of them is mixed as they are,
 * which is not quite what the teacher would say. */
weld_status weld_distillation_fill(weld_distillation *d, const weld_batch *batch,
                                   const float *images, float *teacher, weld_error *err);

#endif
