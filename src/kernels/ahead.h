/* Packed weights on their way into the cache. */
#ifndef WELD_KERNELS_AHEAD_H
#define WELD_KERNELS_AHEAD_H

#include <stdint.h>

/* Weights come from beyond the second-level cache once an image, and at their first use a product
 * would wait for each line. So while a panel is used for one tile of rows after the other, what
 * lies behind it is fetched: the next panel or, after the last, mostly what the next layer has
 * prepared. Nothing is read of it, and it need not exist. */
typedef struct panel_ahead {
    uintptr_t at;
    int64_t lines; /* a part */
} panel_ahead;

enum { CACHE_LINE = 64 };

static inline panel_ahead behind_panel(const void *panel, int64_t bytes, int64_t parts) {
    const int64_t lines = bytes / CACHE_LINE;
    return (panel_ahead){(uintptr_t)panel + (uintptr_t)bytes, (lines + parts - 1) / parts};
}

static inline void fetch_part(panel_ahead *ahead) {
    for (int64_t i = 0; i < ahead->lines; i++, ahead->at += CACHE_LINE) {
        __builtin_prefetch((const void *)ahead->at, 0, 2);
    }
}

#endif
