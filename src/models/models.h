/* Families of networks, from inside. A family is one file that builds graphs from a config, and one
 * line in registry.c.
 */
#ifndef WELD_MODELS_MODELS_H
#define WELD_MODELS_MODELS_H

#include "weld/model.h"

typedef struct weld_model_family {
    const char *name;
    const weld_model_config *variants; /* complete but for num_classes */
    size_t variant_count;

    /* Is the config one that this family can build? */
    weld_status (*check)(const weld_model_config *config, weld_error *err);
    /* Append the network to g, outputs included. Errors stay in the graph. */
    void (*build)(weld_graph *g, const weld_model_config *config, bool training,
                  weld_value *images);
} weld_model_family;

extern const weld_model_family weld_family_repvit;

#endif
