/* Texts by key that travel beside tensors: safetensors' __metadata__, ONNX's metadata_props. */
#ifndef WELD_FORMATS_METADATA_H
#define WELD_FORMATS_METADATA_H

#include <stddef.h>

enum { WELD_METADATA_MAX = 24 };

typedef struct weld_metadata_item {
    const char *key;
    char *text; /* UTF-8 */
} weld_metadata_item;

typedef struct weld_metadata {
    size_t count;
    weld_metadata_item items[WELD_METADATA_MAX];
} weld_metadata;

/* Release the texts and zero *metadata. */
void weld_metadata_free(weld_metadata *metadata);

#endif
