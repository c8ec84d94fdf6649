/* Which loops over pixels to use; see loops.h. */
#include "images/loops.h"

#include <pthread.h>

#include "kernels/isa.h"

static const weld_image_loops tables[] = {
    {"ref", weld_resize_across_ref, weld_resize_down_ref, weld_sample_rows_ref,
     weld_blur_bytes_ref},
#if defined(__x86_64__)
    {"avx2", weld_resize_across_avx2, weld_resize_down_avx2, weld_sample_rows_avx2,
     weld_blur_bytes_avx2},
#elif defined(__aarch64__)
    /* Compilers make NEON of plain C's blur. */
    {"neon", weld_resize_across_neon, weld_resize_down_neon, weld_sample_rows_neon,
     weld_blur_bytes_ref},
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

const weld_image_loops *weld_image_loops_at(int i) {
    for (int k = 0; k < TABLES; k++) {
        if (weld_isa_allowed(tables[k].isa) && i-- == 0) {
            return &tables[k];
        }
    }
    return NULL;
}

static const weld_image_loops *best;
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

static void choose(void) {
    for (int i = 0; weld_image_loops_at(i); i++) {
        best = weld_image_loops_at(i);
    }
}

const weld_image_loops *weld_image_loops_best(void) {
    pthread_once(&chosen, choose);
    return best;
}
