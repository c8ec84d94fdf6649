/* Samples of kind detection: where the images of a sample come to lie in it.
 *
 * With the probability `mosaic` a sample of width x height is cut out of a canvas of twice its
 * sides, on which four images meet in a point drawn evenly from the middle half of it each way: the
 * one whose turn it is to the upper left, three that are drawn evenly from all to the upper right,
 * the lower left and the lower right (Bochkovskiy, Wang, Liao: "YOLOv4", 2020). Each has the size
 * that a letterbox of width x height gives it, and what stands over the canvas is cut off. Else the
 * canvas is that letterbox. Either way it is then scaled about its centre by one factor drawn
 * evenly from 1 - scale to 1 + scale, and its centre put at half the sample's sides, more or less
 * up to `translate` of them each way. Around it is the letterbox's padding. It may be turned about
 * that point by up to `degrees` to either side, and then sheared by up to `shear` degrees each way.
 * Before all that the canvas may be seen in perspective: what is x to the right of its centre and y
 * below is 1 + a x + b y times as far away, with a and b drawn evenly up to `perspective` to both
 * sides.
 *
 * But for turns, shears and perspective all this is one scale and shift of each image, so that its
 * pixels are resampled once, with the antialiased filter; an edge lies between the pixels that are
 * nearest to it. What is turned, sheared or in perspective is resampled once more, between pixels
 * (images/warp.h). With the probability `blend` a second such picture of images drawn evenly is
 * blended in, in shares drawn from beta(32, 32) (mixup). Colours are changed (images/hsv.h, with
 * gains drawn evenly up to `hsv` to both sides) and all of it flipped in the end.
 *
 * Which images they are is drawn from the sample's stream for composition, all else from that for
 * augmentation.
 */
#ifndef WELD_DATA_MOSAIC_H
#define WELD_DATA_MOSAIC_H

#include "data/composition.h"
#include "data/placement.h"
#include "data/transform.h"

/* Which images samples are made of, by these settings, which must outlive it. */
weld_composition weld_mosaic_composition(const weld_augmentation *a);

typedef struct weld_image_size {
    int width, height;
} weld_image_size;

/* Plans of the parts of a sample, of images of these sizes. */
void weld_mosaic_plan(const weld_transform *t, const weld_sample_part *parts,
                      const weld_image_size *sizes, int count, weld_random *random,
                      weld_sample_plan *plans);

/* The share of the first layer. */
double weld_mosaic_share(weld_random *random);

/* Which part of `in`, the plan's crop as it was decoded, becomes plan->to. */
void weld_mosaic_box(const weld_sample_plan *plan, const weld_decoded_part *in, float box[4]);

#endif
