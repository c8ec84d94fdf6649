/* checkkernels: compares every float and bf16 table that this cpu can run with the double
 * reference, and every int8 table with its own to the last bit, over random sizes, tails, strides
 * and contents, in guarded and poisoned memory (see check/check.h); with --bench it prints their
 * speed instead.
 *
 *     checkkernels [--bench] [--dtype f32|bf16|int8] [--seed N] [--only KERNEL]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"

enum { MAX_TABLES = 6 };

static const kernel_check *const groups[] = {product_checks,     depthwise_checks, channel_checks,
                                             elementwise_checks, row_checks,       window_checks,
                                             combine_checks,     winograd_checks};
enum { GROUPS = sizeof groups / sizeof *groups };

static int list_tables(weld_dtype dtype, const weld_kernels *tables[MAX_TABLES]) {
    int count = 0;
    const char *name;
    for (int i = 0; (name = weld_kernels_available(dtype, i)); i++) {
        weld_error err;
        if (weld_kernels_select(dtype, name, &tables[count++], &err) != WELD_OK) {
            fprintf(stderr, "checkkernels: %s\n", err.message);
            exit(EXIT_FAILURE);
        }
    }
    return count;
}

/* Run the trials of one kernel on all tables; false where one fails. */
static bool check_kernel(const kernel_check *check, const weld_kernels *const *tables, int count,
                         uint64_t seed) {
    double worst[MAX_TABLES] = {0};
    bool good[MAX_TABLES] = {true, true, true, true, true, true}, all = true;
    for (int i = 0; i < check->trials; i++) {
        weld_random r =
            weld_random_start(seed, (uint32_t)i, weld_hash_name(check->name), WELD_RANDOM_TEST);
        trial t = {.kernel = check->name, .dtype = tables[0]->dtype};
        check->draw(&t, &r);
        expect_trial(&t);
        for (int j = 0; j < count; j++) {
            /* One message a table and kernel is enough. */
            good[j] = good[j] && run_trial(&t, tables[j], &r, &worst[j]);
            all = all && good[j];
        }
        free_trial(&t);
    }
    printf("%-4s %-22s %4d trials, largest error of what is allowed:",
           weld_dtype_name(tables[0]->dtype), check->name, check->trials);
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

typedef struct options {
    bool benching;
    uint64_t seed;
    const char *only;
} options;

/* All kernels of one type; false where a trial fails. Counts those that `only` chooses. */
static bool check_type(weld_dtype dtype, const options *o, int *chosen) {
    const weld_kernels *tables[MAX_TABLES];
    const int count = list_tables(dtype, tables);
    if (o->benching) {
        bench(tables, count, o->only);
    }
    bool good = true;
    for (size_t i = 0; i < GROUPS; i++) {
        for (const kernel_check *check = groups[i]; check->name; check++) {
            if ((o->only && strcmp(o->only, check->name) != 0) ||
                check->scope == (dtype == WELD_BF16 ? NOT_IN_BF16 : ONLY_IN_BF16)) {
                continue;
            }
            ++*chosen;
            if (o->benching) {
                continue;
            }
            good = check_kernel(check, tables, count, o->seed) && good;
        }
    }
    return good;
}

static bool check_types(const char *type, const options *o, int *chosen) {
    bool good = true;
    if (!type || strcmp(type, "f32") == 0) {
        good = check_type(WELD_F32, o, chosen) && good;
    }
    if (!type || strcmp(type, "bf16") == 0) {
        good = check_type(WELD_BF16, o, chosen) && good;
    }
    if (!type || strcmp(type, "int8") == 0) {
        if (o->benching) {
            bench_int8(o->only, chosen);
        } else {
            good = check_int8(o->seed, o->only, chosen) && good;
        }
    }
    return good;
}

static bool is_type(const char *name) {
    return strcmp(name, "f32") == 0 || strcmp(name, "bf16") == 0 || strcmp(name, "int8") == 0;
}

int main(int argc, char **argv) {
    options o = {.seed = 1};
    const char *type = NULL;
    bool known = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0) {
            o.benching = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            o.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            o.only = argv[++i];
        } else if (strcmp(argv[i], "--dtype") == 0 && i + 1 < argc) {
            type = argv[++i];
            known = known && is_type(type);
        } else {
            known = false;
        }
    }
    if (!known) {
        fprintf(stderr, "usage: checkkernels [--bench] [--dtype f32|bf16|int8] [--seed N] "
                        "[--only KERNEL]\n");
        return 2;
    }
    int chosen = 0;
    const bool good = check_types(type, &o, &chosen);
    if (!chosen) {
        fprintf(stderr, "checkkernels: no kernel %s\n", o.only);
        return 2;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
