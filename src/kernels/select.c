/* Instruction sets, and which table of kernels to use on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/isa.h"

#if defined(__x86_64__)
static const weld_int8_kernels *int8_avx512vnni(void) {
    return weld_cpu_features() & WELD_CPU_AVX512_VBMI ? weld_int8_kernels_avx512vnni_vbmi()
                                                      : weld_int8_kernels_avx512vnni();
}
#endif

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
     {[WELD_F32] = weld_kernels_avx2, [WELD_BF16] = weld_kernels_bf16_avx2},
     weld_int8_kernels_avx2},
    {"avxvnni", "avx-vnni", WELD_CPU_AVX_VNNI, {NULL}, weld_int8_kernels_avxvnni},
    {"avx512",
     "avx512",
     WELD_CPU_AVX512,
     {[WELD_F32] = weld_kernels_avx512, [WELD_BF16] = weld_kernels_bf16_avx512},
     weld_int8_kernels_avx512},
    {"avx512vnni", "avx512-vnni", WELD_CPU_AVX512_VNNI, {NULL}, int8_avx512vnni},
    {"avx512bf16",
     "avx512-bf16",
     WELD_CPU_AVX512_BF16,
     {[WELD_BF16] = weld_kernels_bf16_avx512bf16},
     NULL,
     WELD_CPU_BF16_GAINS},
    {"amx",
     "amx-bf16+int8",
     WELD_CPU_AMX_BF16 | WELD_CPU_AMX_INT8,
     {[WELD_BF16] = weld_kernels_bf16_amx},
     weld_int8_kernels_amx},
#elif defined(__aarch64__)
    {"neon",
     "neon",
     WELD_CPU_NEON,
     {[WELD_F32] = weld_kernels_neon, [WELD_BF16] = weld_kernels_bf16_neon},
     weld_int8_kernels_neon},
    {"neonbf16", "neon-bf16", WELD_CPU_NEON_BF16, {[WELD_BF16] = weld_kernels_bf16_neonbf16}, NULL},
    {"neoni8mm", "neon-i8mm", WELD_CPU_NEON_I8MM, {NULL}, weld_int8_kernels_neoni8mm},
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

/* The best of set `last`, which may have been named, and those before it. */
static const weld_isa *best_set(weld_dtype dtype, const weld_isa *last, unsigned features) {
    const weld_isa *best = sets;
    for (const weld_isa *set = sets; set <= last; set++) {
        const bool gains = (set->gains_by & ~features) == 0 || set == last;
        best = set->kernels[dtype] && runs(set, features) && gains ? set : best;
    }
    return best;
}

const weld_isa *weld_isa_best(weld_dtype dtype, unsigned features) {
    return best_set(dtype, &sets[SETS - 1], features);
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

/* The same for int8. */
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

/* The set that was asked for, or WELD_ISA's; the fastest where there is no wish. Some have no table
 * of their own for a type: then the best before them is meant. */
static weld_status find_last(const char *isa, const weld_isa **last, weld_error *err) {
    const char *source = isa ? "kernels" : "WELD_ISA";
    isa = isa ? isa : getenv("WELD_ISA");
    *last = isa && *isa ? find_set(isa) : &sets[SETS - 1];
    return *last ? WELD_OK : fail_unknown(source, isa, err);
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
    const weld_isa *last = NULL;
    WELD_TRY(find_last(isa, &last, err));
    *out = best_set(dtype, last, weld_cpu_features())->kernels[dtype]();
    return WELD_OK;
}

weld_status weld_int8_kernels_select(const char *isa, const weld_int8_kernels **out,
                                     weld_error *err) {
    const weld_isa *last = NULL;
    WELD_TRY(find_last(isa, &last, err));
    *out = best_int8(last);
    return WELD_OK;
}
