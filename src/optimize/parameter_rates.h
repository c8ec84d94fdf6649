/* How fast each parameter learns, in parts of the run's learning rate: frozen parts not at all, the
 * head perhaps faster, layers near the input perhaps slower.
 *
 * With L layers (0 the stem, each block one, L - 1 the head; see weld_model_place) layer l learns
 * with layer_decay^(L - 1 - l) of the rate, and the head with head_scale times that (ELECTRA, Clark
 * et al. 2020; BEiT, Bao et al. 2022; counted as timm's param_groups_layer_decay does).
 */
#ifndef WELD_OPTIMIZE_PARAMETER_RATES_H
#define WELD_OPTIMIZE_PARAMETER_RATES_H

#include "weld/model.h"

typedef struct weld_parameter_rate {
    bool trained;
    double scale; /* of the learning rate; 0 where not trained */
} weld_parameter_rate;

typedef struct weld_rate_options {
    int frozen;                     /* parts, from the stem on: as weld_build_mode's */
    double head_scale, layer_decay; /* 0 means 1 */
} weld_rate_options;

/* One for every parameter of g, the network of config, in order; released with weld_free. */
weld_status weld_parameter_rates_create(const weld_model_config *config, const weld_graph *g,
                                        const weld_rate_options *options, weld_parameter_rate **out,
                                        weld_error *err);

/* For people, the rates of the parts when the run's is lr: "stem frozen, stage1 0.0002 to 0.0005,
 * head 0.01". */
const char *weld_parameter_rates_text(const weld_model_config *config, const weld_graph *g,
                                      const weld_parameter_rate *rates, double lr, char *text,
                                      size_t size);

#endif
