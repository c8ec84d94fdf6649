/* Texts that travel beside tensors; see metadata.h. */
#include "formats/metadata.h"

#include "base/memory.h"

void weld_metadata_free(weld_metadata *metadata) {
    for (size_t i = 0; i < metadata->count; i++) {
        weld_free(metadata->items[i].text);
    }
    *metadata = (weld_metadata){0};
}
