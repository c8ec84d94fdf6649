#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "suite.h"

static const char *best_available(void) {
    const char *best = NULL;
    for (int i = 0; weld_kernels_available(i); i++) {
        best = weld_kernels_available(i);
    }
    return best;
}

START_TEST(reference_is_always_available_and_first) {
    ck_assert_str_eq(weld_kernels_available(0), "ref");
    ck_assert_ptr_null(weld_kernels_available(-1));
    ck_assert_ptr_null(weld_kernels_available(100));
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

/* A table with a hole would be a crash far from its cause. */
START_TEST(every_table_is_complete) {
    for (int i = 0; weld_kernels_available(i); i++) {
        const weld_kernels *k = NULL;
        weld_error err;
        ck_assert_int_eq(weld_kernels_select(WELD_F32, weld_kernels_available(i), &k, &err),
                         WELD_OK);
        ck_assert_int_eq(k->dtype, WELD_F32);
        void (*const *entry)(void) = (void (*const *)(void))(const void *)&k->packed_size;
        void (*const *end)(void) = (void (*const *)(void))(const void *)(k + 1);
        for (; entry < end; entry++) {
            ck_assert_msg(*entry != NULL, "%s lacks a kernel", k->name);
        }
    }
}
END_TEST

START_TEST(blas_runs_with_one_thread) {
    ck_assert_int_eq(weld_blas_threads(), 1);
    ck_assert_uint_gt(strlen(weld_blas_core()), 0);
}
END_TEST

RUN_SUITE("kernels/select", reference_is_always_available_and_first,
          without_a_wish_the_fastest_table_is_taken,
          environment_chooses_and_an_argument_overrides_it,
          unknown_name_is_an_error_naming_what_there_is,
          double_is_the_reference_and_other_types_have_no_kernels, every_table_is_complete,
          blas_runs_with_one_thread)
