/* checkkernels: compares every float table that this cpu can run with the double reference, over
 * random sizes, tails, strides and contents, in guarded and poisoned memory (see check/check.h);
 * with
 * --bench it prints their speed instead.
 *
 *     checkkernels [--bench] [--seed N] [--only KERNEL]
 *
 * For `gemm` there is one table more, `blas`: the product by OpenBLAS that fast tables point to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "kernels/blas.h"

enum { MAX_TABLES = 4 };

static const kernel_check *const groups[] = {product_checks,     depthwise_checks, channel_checks,
                                             elementwise_checks, row_checks,       window_checks};
enum { GROUPS = sizeof groups / sizeof *groups };

static int list_tables(const weld_kernels *tables[MAX_TABLES]) {
    int count = 0;
    const char *name;
    for (int i = 0; (name = weld_kernels_available(i)); i++) {
        weld_error err;
        if (weld_kernels_select(WELD_F32, name, &tables[count++], &err) != WELD_OK) {
            fprintf(stderr, "checkkernels: %s\n", err.message);
            exit(EXIT_FAILURE);
        }
    }
    static weld_kernels blas;
    blas = *weld_kernels_ref_f32();
    blas.name = "blas";
    blas.gemm = weld_blas_gemm;
    tables[count++] = &blas;
    return count;
}

/* Run the trials of one kernel on all tables; false where one fails. */
static bool check_kernel(const kernel_check *check, const weld_kernels *const *tables, int count,
                         uint64_t seed) {
    double worst[MAX_TABLES] = {0};
    bool good[MAX_TABLES] = {true, true, true, true}, all = true;
    for (int i = 0; i < check->trials; i++) {
        weld_random r =
            weld_random_start(seed, (uint32_t)i, weld_hash_name(check->name), WELD_RANDOM_TEST);
        trial t = {.kernel = check->name};
        check->draw(&t, &r);
        expect_trial(&t);
        for (int j = 0; j < count; j++) {
            /* One message a table and kernel is enough. */
            good[j] = good[j] && run_trial(&t, tables[j], &r, &worst[j]);
            all = all && good[j];
        }
        free_trial(&t);
    }
    printf("%-22s %4d trials, largest error of what is allowed:", check->name, check->trials);
    for (int j = 0; j < count; j++) {
        if (good[j]) {
            printf("  %s %.2f", tables[j]->name, worst[j]);
        } else {
            printf("  %s FAILS", tables[j]->name);
        }
    }
    printf("\n");
    return all;
}

int main(int argc, char **argv) {
    bool benching = false, good = true, any = false;
    uint64_t seed = 1;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0) {
            benching = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: checkkernels [--bench] [--seed N] [--only KERNEL]\n");
            return 2;
        }
    }
    const weld_kernels *tables[MAX_TABLES]; /* the last one is blas */
    const int count = list_tables(tables);
    printf("OpenBLAS core %s, %d thread\n", weld_blas_core(), weld_blas_threads());
    if (benching) {
        bench(tables, count, only);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < GROUPS; i++) {
        for (const kernel_check *check = groups[i]; check->name; check++) {
            if (!only || strcmp(only, check->name) == 0) {
                const bool products = strcmp(check->name, "gemm") == 0;
                good = check_kernel(check, tables, products ? count : count - 1, seed) && good;
                any = true;
            }
        }
    }
    if (!any) {
        fprintf(stderr, "checkkernels: no kernel %s\n", only);
        return 2;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
