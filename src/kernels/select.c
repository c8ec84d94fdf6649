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

#ifndef WELD_HAVE_BF16_AVX2
const weld_kernels *weld_kernels_bf16_avx2(void) {
    return NULL;
}
#endif

#ifndef WELD_HAVE_BF16_AVX512
const weld_kernels *weld_kernels_bf16_avx512(void) {
    return NULL;
}
#endif

#ifndef WELD_HAVE_BF16_AVX512BF16
const weld_kernels *weld_kernels_bf16_avx512bf16(void) {
    return NULL;
}
#endif

#ifndef WELD_HAVE_BF16_AMX
const weld_kernels *weld_kernels_bf16_amx(void) {
    return NULL;
}
#endif

enum { MAX_TABLES = 6 };

static void add_table(const weld_kernels *tables[MAX_TABLES], int *count, bool runs,
                      const weld_kernels *table) {
    if (runs && table) {
        tables[(*count)++] = table;
    }
}

/* The tables for a type that this build has and this cpu can run, slowest first; returns their
 * number. */
static int runnable_tables(weld_dtype dtype, const weld_kernels *tables[MAX_TABLES]) {
    const weld_cpu cpu = weld_cpu_features();
    int count = 0;
    if (dtype == WELD_F32) {
        add_table(tables, &count, true, weld_kernels_ref_f32());
        add_table(tables, &count, cpu.avx2_fma, weld_kernels_avx2());
        add_table(tables, &count, cpu.avx512, weld_kernels_avx512());
    } else if (dtype == WELD_BF16) {
        add_table(tables, &count, true, weld_kernels_ref_bf16());
        add_table(tables, &count, cpu.avx2_fma, weld_kernels_bf16_avx2());
        add_table(tables, &count, cpu.avx512, weld_kernels_bf16_avx512());
        add_table(tables, &count, cpu.avx512_bf16, weld_kernels_bf16_avx512bf16());
        add_table(tables, &count, cpu.amx_bf16, weld_kernels_bf16_amx());
    }
    return count;
}

static const char *table_name(weld_dtype dtype, int i) {
    const weld_kernels *tables[MAX_TABLES];
    const int count = runnable_tables(dtype, tables);
    return i >= 0 && i < count ? tables[i]->name : NULL;
}

const char *weld_kernels_available(int i) {
    return table_name(WELD_F32, i);
}

const char *weld_kernels_available_bf16(int i) {
    return table_name(WELD_BF16, i);
}

static const weld_kernels *find_table(weld_dtype dtype, const char *name) {
    const weld_kernels *tables[MAX_TABLES];
    const int count = runnable_tables(dtype, tables);
    for (int i = 0; i < count; i++) {
        if (strcmp(name, tables[i]->name) == 0) {
            return tables[i];
        }
    }
    return NULL;
}

static const weld_kernels *best_table(weld_dtype dtype) {
    const weld_kernels *tables[MAX_TABLES];
    return tables[runnable_tables(dtype, tables) - 1];
}

/* Names what both types together have. */
static weld_status fail_unknown(const char *source, const char *isa, weld_error *err) {
    char names[64] = "";
    const char *name;
    for (int i = 0; (name = weld_kernels_available(i)); i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    }
    for (int i = 0; (name = weld_kernels_available_bf16(i)); i++) {
        const size_t used = strlen(names);
        if (!find_table(WELD_F32, name)) {
            snprintf(names + used, sizeof names - used, ", %s", name);
        }
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
    if (dtype != WELD_F32 && dtype != WELD_BF16) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "kernels: there are none for type %d: use f32, f64 or bf16", (int)dtype);
    }
    const char *source = "kernels";
    if (!isa) {
        isa = getenv("WELD_ISA");
        source = "WELD_ISA";
    }
    if (!isa || !*isa) {
        *out = best_table(dtype);
        return WELD_OK;
    }
    const weld_kernels *named = find_table(dtype, isa);
    if (!named && find_table(dtype == WELD_F32 ? WELD_BF16 : WELD_F32, isa)) {
        named = best_table(dtype); /* an instruction set with nothing of its own for this type */
    }
    if (!named) {
        return fail_unknown(source, isa, err);
    }
    *out = named;
    return WELD_OK;
}
