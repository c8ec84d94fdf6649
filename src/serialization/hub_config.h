/* config.json beside weights, as timm writes it when a network goes to a hub: how images are
 * prepared ("pretrained_cfg"), and what classes are called ("label_names"). */
#ifndef WELD_SERIALIZATION_HUB_CONFIG_H
#define WELD_SERIALIZATION_HUB_CONFIG_H

#include "weld/image.h"

typedef struct weld_hub_config {
    char path[4096];                  /* of the file; "": there is none, or none of this kind */
    char architecture[64];            /* what timm calls the network; "": it does not say */
    weld_preprocessing preprocessing; /* as it was, but for what the file says */
    int num_classes;                  /* 0: it does not say */
    int name_count;                   /* 0: it has no names */
    char **class_names;               /* freed with weld_hub_config_free */
} weld_hub_config;

/* Look beside the file of weights `path`. *out is {.preprocessing} before. Errors name the file:
 * it is timm's, but a value is none that weld knows. */
weld_status weld_hub_config_read(const char *path, weld_hub_config *out, weld_error *err);
/* Its path and architecture alone, which say how the rest is to be understood. */
weld_status weld_hub_config_open(const char *path, weld_hub_config *out, weld_error *err);
void weld_hub_config_free(weld_hub_config *c);

#endif
