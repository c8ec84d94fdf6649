#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "suite.h"

static const char *best_available(void) {
    const char *best = NULL;
    for (int i = 0; weld_kernels_available(WELD_F32, i); i++) {
        best = weld_kernels_available(WELD_F32, i);
    }
    return best;
}

static const weld_kernels *chosen(weld_dtype dtype, const char *name) {
    const weld_kernels *k = NULL;
    weld_error err;
    ck_assert_int_eq(weld_kernels_select(dtype, name, &k, &err), WELD_OK);
    ck_assert_int_eq(k->dtype, dtype);
    return k;
}

static void assert_complete(const weld_kernels *k) {
    const char *first = (const char *)&k->packed_size, *end = (const char *)&k->multiply_adds;
    for (const char *at = first; at < end; at += sizeof(void (*)(void))) {
        void (*entry)(void);
        memcpy(&entry, at, sizeof entry);
        ck_assert_msg(entry != NULL, "%s lacks kernel %td", k->name,
                      (at - first) / (ptrdiff_t)sizeof entry);
    }
}

START_TEST(reference_is_always_available_and_first) {
    ck_assert_str_eq(weld_kernels_available(WELD_F32, 0), "ref");
    ck_assert_ptr_null(weld_kernels_available(WELD_F32, -1));
    ck_assert_ptr_null(weld_kernels_available(WELD_F32, 100));
}
END_TEST

START_TEST(without_a_wish_the_fastest_table_is_taken) {
    const weld_kernels *k = NULL;
    unsetenv("WELD_ISA");
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &k, NULL), WELD_OK);
    ck_assert_str_eq(k->name, best_available());
    setenv("WELD_ISA", "", 1);
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &k, NULL), WELD_OK);
    ck_assert_str_eq(k->name, best_available());
}
END_TEST

START_TEST(environment_chooses_and_an_argument_overrides_it) {
    const weld_kernels *k = NULL;
    setenv("WELD_ISA", "ref", 1);
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &k, NULL), WELD_OK);
    ck_assert_str_eq(k->name, "ref");
    ck_assert_int_eq(weld_kernels_select(WELD_F32, best_available(), &k, NULL), WELD_OK);
    ck_assert_str_eq(k->name, best_available());
}
END_TEST

START_TEST(unknown_name_is_an_error_naming_what_there_is) {
    const weld_kernels *k = NULL;
    weld_error err;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, "mmx", &k, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "mmx"));
    ck_assert_ptr_nonnull(strstr(err.message, "ref"));
    ck_assert_ptr_nonnull(strstr(err.message, best_available()));
    setenv("WELD_ISA", "sse9", 1);
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &k, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "WELD_ISA"));
    ck_assert_ptr_nonnull(strstr(err.message, "sse9"));
    ck_assert_ptr_null(k);
}
END_TEST

START_TEST(double_is_the_reference_and_other_types_have_no_kernels) {
    const weld_kernels *k = NULL;
    weld_error err;
    ck_assert_int_eq(weld_kernels_select(WELD_F64, NULL, &k, &err), WELD_OK);
    ck_assert_ptr_eq(k, weld_kernels_ref_f64());
    ck_assert_int_eq(weld_kernels_select(WELD_I64, NULL, &k, &err), WELD_ERROR_ARGUMENT);
}
END_TEST

/* An instruction set without a table of its own for a type stands for the best one that there is:
 * so one name does for a process in which both types occur. */
START_TEST(every_name_chooses_for_both_types) {
    for (int i = 0; weld_kernels_available(WELD_BF16, i); i++) {
        const weld_kernels *k = NULL;
        const char *name = weld_kernels_available(WELD_BF16, i);
        ck_assert_int_eq(weld_kernels_select(WELD_BF16, name, &k, NULL), WELD_OK);
        ck_assert_str_eq(k->name, name);
        ck_assert_int_eq(weld_kernels_select(WELD_F32, name, &k, NULL), WELD_OK);
        ck_assert_int_eq(k->dtype, WELD_F32);
    }
    for (int i = 0; weld_kernels_available(WELD_F32, i); i++) {
        const weld_kernels *k = NULL;
        ck_assert_int_eq(
            weld_kernels_select(WELD_BF16, weld_kernels_available(WELD_F32, i), &k, NULL), WELD_OK);
        ck_assert_int_eq(k->dtype, WELD_BF16);
    }
    ck_assert_str_eq(weld_kernels_available(WELD_BF16, 0), "ref");
    ck_assert_ptr_null(weld_kernels_available(WELD_BF16, 100));
}
END_TEST

/* Where a hypervisor hides the tiles of Sapphire Rapids, its slow products of pairs remain. */
START_TEST(pairs_of_bf16_are_multiplied_where_that_gains) {
    ck_assert_str_eq(weld_isa_best(WELD_BF16, 0)->name, "ref");
#if defined(__x86_64__)
    const unsigned avx512 = WELD_CPU_AVX2_FMA | WELD_CPU_AVX512;
    const unsigned sapphire_rapids = avx512 | WELD_CPU_AVX_VNNI | WELD_CPU_AVX512_BF16 |
                                     WELD_CPU_AVX512_VNNI | WELD_CPU_AVX512_VBMI;
    const unsigned tiles = WELD_CPU_AMX_BF16 | WELD_CPU_AMX_INT8;
    const unsigned zen4 = avx512 | WELD_CPU_AVX512_BF16 | WELD_CPU_BF16_GAINS;
    ck_assert_str_eq(weld_isa_best(WELD_BF16, avx512)->name, "avx512");
    ck_assert_str_eq(weld_isa_best(WELD_BF16, sapphire_rapids)->name, "avx512");
    ck_assert_str_eq(weld_isa_best(WELD_BF16, sapphire_rapids | tiles)->name, "amx");
    ck_assert_str_eq(weld_isa_best(WELD_BF16, zen4)->name, "avx512bf16");
    ck_assert_str_eq(weld_isa_best(WELD_F32, zen4)->name, "avx512");
#endif
}
END_TEST

/* A table with a hole would be a crash far from its cause. */
START_TEST(every_table_is_complete) {
    for (int i = 0; weld_kernels_available(WELD_F32, i); i++) {
        weld_kernels k = *chosen(WELD_F32, weld_kernels_available(WELD_F32, i));
        ck_assert(!k.from_f32 && !k.to_f32);
        k.from_f32 = chosen(WELD_BF16, "ref")->from_f32;
        k.to_f32 = chosen(WELD_BF16, "ref")->to_f32;
        assert_complete(&k);
    }
    for (int i = 0; weld_kernels_available(WELD_BF16, i); i++) {
        const weld_kernels *f32 = weld_kernels_ref_f32();
        weld_kernels k = *chosen(WELD_BF16, weld_kernels_available(WELD_BF16, i));
        ck_assert(!k.adamw && !k.square_sum && !k.cross_entropy && !k.cross_entropy_grad);
        ck_assert(!k.softplus_sum && !k.binary_cross_entropy && !k.binary_cross_entropy_grad);
        ck_assert(!k.winograd_input && !k.winograd_output);
        k.winograd_input = f32->winograd_input;
        k.winograd_output = f32->winograd_output;
        k.convolve = k.convolve ? k.convolve : f32->convolve; /* may be missing */
        k.adamw = f32->adamw;
        k.square_sum = f32->square_sum;
        k.softplus_sum = f32->softplus_sum;
        k.cross_entropy = f32->cross_entropy;
        k.cross_entropy_grad = f32->cross_entropy_grad;
        k.binary_cross_entropy = f32->binary_cross_entropy;
        k.binary_cross_entropy_grad = f32->binary_cross_entropy_grad;
        assert_complete(&k);
    }
}
END_TEST

/* Rounding by carries would make other numbers of them. */
START_TEST(bf16_tables_keep_what_is_no_number) {
    const uint32_t bits[] = {0x7fffffff, 0xffffffff, 0x7f800001, 0x7f800000, 0xff800000};
    enum { BITS = sizeof bits / sizeof *bits, N = 71 };
    for (int i = 0; weld_kernels_available(WELD_BF16, i); i++) {
        const weld_kernels *k = chosen(WELD_BF16, weld_kernels_available(WELD_BF16, i));
        float x[N], back[N];
        uint16_t stored[N];
        for (int j = 0; j < N; j++) {
            memcpy(&x[j], &bits[j % BITS], sizeof x[j]);
        }
        k->from_f32(N, x, stored);
        k->scale(N, 0.5, stored, stored);
        k->to_f32(N, stored, back);
        for (int j = 0; j < N; j++) {
            ck_assert_msg(isnan(x[j]) ? isnan(back[j]) : back[j] == x[j], "%s, element %d", k->name,
                          j);
        }
    }
}
END_TEST

RUN_SUITE("kernels/select", reference_is_always_available_and_first,
          without_a_wish_the_fastest_table_is_taken,
          environment_chooses_and_an_argument_overrides_it,
          unknown_name_is_an_error_naming_what_there_is,
          double_is_the_reference_and_other_types_have_no_kernels,
          every_name_chooses_for_both_types, bf16_tables_keep_what_is_no_number,
          pairs_of_bf16_are_multiplied_where_that_gains, every_table_is_complete)
