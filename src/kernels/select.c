/* Which table of kernels to use on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/kernels.h"

/* src/kernels/meson.build defines WELD_HAVE_... where it builds the variant. */
#ifndef WELD_HAVE_AVX2
const weld_kernels *weld_kernels_avx2(void) {
    return NULL;
}
#endif

#ifndef WELD_HAVE_AVX512
const weld_kernels *weld_kernels_avx512(void) {
    return NULL;
}
#endif

enum { MAX_TABLES = 3 };

/* The float tables that this build has and this cpu can run, slowest first; returns their number.
 */
static int runnable_tables(const weld_kernels *tables[MAX_TABLES]) {
    const weld_cpu cpu = weld_cpu_features();
    int count = 0;
    tables[count++] = weld_kernels_ref_f32();
    if (cpu.avx2_fma && weld_kernels_avx2()) {
        tables[count++] = weld_kernels_avx2();
    }
    if (cpu.avx512 && weld_kernels_avx512()) {
        tables[count++] = weld_kernels_avx512();
    }
    return count;
}

const char *weld_kernels_available(int i) {
    const weld_kernels *tables[MAX_TABLES];
    const int count = runnable_tables(tables);
    return i >= 0 && i < count ? tables[i]->name : NULL;
}

static weld_status fail_unknown(const char *source, const char *isa, weld_error *err) {
    char names[64] = "";
    const char *name;
    for (int i = 0; (name = weld_kernels_available(i)); i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: this build on this cpu has no kernels '%.40s': use one of %s", source,
                     isa, names);
}

weld_status weld_kernels_select(weld_dtype dtype, const char *isa, const weld_kernels **out,
                                weld_error *err) {
    if (dtype == WELD_F64) {
        *out = weld_kernels_ref_f64();
        return WELD_OK;
    }
    if (dtype != WELD_F32) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "kernels: there are none for type %d: use f32 or f64", (int)dtype);
    }
    const char *source = "kernels";
    if (!isa) {
        isa = getenv("WELD_ISA");
        source = "WELD_ISA";
    }
    const weld_kernels *tables[MAX_TABLES];
    const int count = runnable_tables(tables);
    if (!isa || !*isa) {
        *out = tables[count - 1];
        return WELD_OK;
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(isa, tables[i]->name) == 0) {
            *out = tables[i];
            return WELD_OK;
        }
    }
    return fail_unknown(source, isa, err);
}
