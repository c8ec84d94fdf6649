/* Steps that are learned, as shares of those that they began with: see learned_step.c. */
#ifndef WELD_OPS_LEARNED_STEP_H
#define WELD_OPS_LEARNED_STEP_H

/* Of a share: rounding by less would be none, by nothing at all no number. */
#define WELD_LEAST_SHARE (1.0F / 16)

#endif
