/* Instruction sets, and which table of kernels to use on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/isa.h"

static const weld_isa sets[] = {
    {"ref",
     NULL,
     0,
     {[WELD_F32] = weld_kernels_ref_f32,
      [WELD_F64] = weld_kernels_ref_f64,
      [WELD_BF16] = weld_kernels_ref_bf16},
     weld_int8_kernels_ref},
#if defined(__x86_64__)
    {"avx2",
     "avx2+fma",
     WELD_CPU_AVX2_FMA,
     {[WELD_F32] = weld_kernels_avx2, [WELD_BF16] = weld_kernels_bf16_avx2}},
    {"avx512",
     "avx512",
     WELD_CPU_AVX512,
     {[WELD_F32] = weld_kernels_avx512, [WELD_BF16] = weld_kernels_bf16_avx512}},
    {"avx512bf16",
     "avx512-bf16",
     WELD_CPU_AVX512_BF16,
     {[WELD_BF16] = weld_kernels_bf16_avx512bf16}},
    {"amx", "amx-bf16", WELD_CPU_AMX_BF16, {[WELD_BF16] = weld_kernels_bf16_amx}},
#elif defined(__aarch64__)
    {"neon",
     "neon",
     WELD_CPU_NEON,
     {[WELD_F32] = weld_kernels_neon, [WELD_BF16] = weld_kernels_bf16_neon}},
    {"neonbf16", "neon-bf16", WELD_CPU_NEON_BF16, {[WELD_BF16] = weld_kernels_bf16_neonbf16}},
#endif
};
enum { SETS = sizeof sets / sizeof *sets };

const weld_isa *weld_isa_at(int i) {
    return i >= 0 && i < SETS ? &sets[i] : NULL;
}

static bool runs(const weld_isa *isa, unsigned features) {
    return (isa->needs & ~features) == 0;
}

bool weld_isa_runs(const weld_isa *isa) {
    return runs(isa, weld_cpu_features());
}

/* The set of this name if the cpu runs it; else NULL. */
static const weld_isa *find_set(const char *name) {
    for (int i = 0; i < SETS; i++) {
        if (strcmp(sets[i].name, name) == 0) {
            return weld_isa_runs(&sets[i]) ? &sets[i] : NULL;
        }
    }
    return NULL;
}

bool weld_isa_allowed(const char *name) {
    const char *limit = getenv("WELD_ISA");
    const weld_isa *isa = find_set(name), *most = limit ? find_set(limit) : NULL;
    return isa && (!most || isa <= most);
}

const char *weld_kernels_available(weld_dtype dtype, int i) {
    const unsigned features = weld_cpu_features();
    for (int k = 0; k < SETS; k++) {
        if (sets[k].kernels[dtype] && runs(&sets[k], features) && i-- == 0) {
            return sets[k].name;
        }
    }
    return NULL;
}

static const weld_kernels *best_table(weld_dtype dtype) {
    const unsigned features = weld_cpu_features();
    int best = 0;
    for (int k = 0; k < SETS; k++) {
        best = sets[k].kernels[dtype] && runs(&sets[k], features) ? k : best;
    }
    return sets[best].kernels[dtype]();
}

const char *weld_int8_kernels_available(int i) {
    const unsigned features = weld_cpu_features();
    for (int k = 0; k < SETS; k++) {
        if (sets[k].int8 && runs(&sets[k], features) && i-- == 0) {
            return sets[k].name;
        }
    }
    return NULL;
}

/* The best of set `last` and those before it. */
static const weld_int8_kernels *best_int8(const weld_isa *last) {
    const unsigned features = weld_cpu_features();
    const weld_isa *best = sets;
    for (const weld_isa *set = sets; set <= last; set++) {
        best = set->int8 && runs(set, features) ? set : best;
    }
    return best->int8();
}

static weld_status fail_unknown(const char *source, const char *isa, weld_error *err) {
    char names[96] = "";
    for (int i = 0; i < SETS; i++) {
        const size_t used = strlen(names);
        if (weld_isa_runs(&sets[i])) {
            snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", sets[i].name);
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
    const weld_isa *named = find_set(isa);
    if (!named) {
        return fail_unknown(source, isa, err);
    }
    /* Some have nothing of their own for this type. */
    *out = named->kernels[dtype] ? named->kernels[dtype]() : best_table(dtype);
    return WELD_OK;
}

weld_status weld_int8_kernels_select(const char *isa, const weld_int8_kernels **out,
                                     weld_error *err) {
    const char *source = "kernels";
    if (!isa) {
        isa = getenv("WELD_ISA");
        source = "WELD_ISA";
    }
    const weld_isa *last = isa && *isa ? find_set(isa) : &sets[SETS - 1];
    if (!last) {
        return fail_unknown(source, isa, err);
    }
    *out = best_int8(last);
    return WELD_OK;
}
