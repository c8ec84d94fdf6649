/* What checkkernels is made of.
 *
 * A trial is one call of one kernel: sizes, arrays with their contents, how to call the table, and
 * how far a float or bf16 table may be from the double reference on the same inputs. Each subject
 * (products.c, ...) lists its kernels and draws their trials; run.c runs a trial on a table in
 * guarded memory and compares; bench.c times trials of fixed sizes.
 *
 * For bf16 the inputs are made bf16 after drawing, and outputs may be off by half a unit in the
 * last place of bf16 more than those of float.
 */
#ifndef WELD_TESTS_KERNELS_CHECK_H
#define WELD_TESTS_KERNELS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"

typedef uint16_t bfloat; /* room for a bf16 */

enum { MAX_ARRAYS = 10, SCRATCH = MAX_ARRAYS, SLOTS };

typedef enum usage { INPUT, OUTPUT, UPDATED } usage;

/* Of elements: T and P of kernels.h; always double; P that the kernel rounds to T itself; and of
 * int8 kernels, u8, i8 and i32, whose floats are parameters. */
typedef enum kind { ACTIVATION, PARAMETER, SUM, ROUNDED_PARAMETER, CODE, WEIGHT, INTEGER } kind;

/* `rows` rows of `width` elements, `stride` apart; what lies between is NaN and not to be touched.
 * The kernel writes rows [begin, end) of an output and all other memory stays as it is. */
typedef struct array {
    const char *name;
    usage role;
    kind kind;
    bool absent; /* NULL is passed */
    int alias;   /* the output is the input of this number, or -1 */
    int64_t rows, width, stride, begin, end;
    double *value;  /* before the call; all of them floats */
    double *expect; /* after the call, by the double reference */
    double *bound;  /* of |result - expect| */
} array;

typedef struct trial trial;
struct trial {
    const char *kernel;
    char shape[200];
    int arrays;
    array array[MAX_ARRAYS];
    void (*call)(const weld_kernels *k, void *const *p, const trial *t);
    /* Fills each output's `bound`; by default bound_linear. */
    void (*bound)(trial *t);
    double terms;                  /* how many are summed into one output */
    double roundings;              /* how often a sum is rounded to bf16 on its way */
    weld_dtype dtype;              /* of the tables to run on */
    const weld_int8_kernels *int8; /* the one to run on, in trials of int8 */

    /* Parameters of the calls; with `fixed` (bench) the sizes are given, else draw chooses them. */
    bool fixed;
    int64_t m, n, k, rows, channel, count, begin, end;
    double alpha, eps, smoothing, low, high;
    bool transpose_b, accumulate;
    weld_unary f;
    weld_window g;
    weld_sweep sweep;
    weld_adamw_step step;
    int steps;
    int32_t zero[3];
    weld_int8_sum sum;
};

typedef enum scope { ALL_TYPES, NOT_IN_BF16, ONLY_IN_BF16 } scope;

typedef struct kernel_check {
    const char *name;
    int trials;
    void (*draw)(trial *t, weld_random *r);
    scope scope;
} kernel_check;

/* The kernels of each subject; the lists end with a NULL name. */
extern const kernel_check product_checks[], depthwise_checks[], channel_checks[],
    elementwise_checks[], row_checks[], window_checks[], combine_checks[], winograd_checks[];

/* --- making trials --- */

/* A whole number of [low, high]. */
int64_t draw_between(weld_random *r, int64_t low, int64_t high);
/* 1 to 100, with a preference for few, for multiples of a vector and for one more or less. */
int64_t draw_channels(weld_random *r);
bool draw_chance(weld_random *r, double probability);
/* A window over a small odd image; often the plain 3 x 3 ones that fast kernels single out. */
weld_window draw_window(weld_random *r);

/* Append an array of random floats of [-2, 2), or of poison where it is an OUTPUT. */
array *add_array(trial *t, weld_random *r, const char *name, usage role, int64_t rows,
                 int64_t width, int64_t stride);
/* The same of parameters. */
array *add_parameters(trial *t, weld_random *r, const char *name, usage role, int64_t rows,
                      int64_t width, int64_t stride);
/* Contiguous rows x width, of double elements: what kernels sum into. */
array *add_sums(trial *t, const char *name, int64_t width);
int64_t array_span(const array *a); /* elements from the first to the last, gaps included */
void describe(trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- bounds; u is the unit roundoff of float --- */

#define UNIT 0x1p-24
#define SMALLEST 0x1p-126 /* least normal float: results below may be flushed to zero */

/* Rounding errors of n operations are as good as independent, so their sum grows like sqrt(n) u
 * (Higham, Mary 2019); 4 makes it near certain and 8 covers the few roundings of a formula. */
double growth(double terms);
/* For kernels linear in their inputs: growth(terms) u times the sum of the |terms|, which is what
 * the double reference gives for the absolute values of all inputs. */
void bound_linear(trial *t);
void bound_exact(trial *t);
/* What a function is taken of, a sum, and the rounding of that. */
typedef struct argument {
    double value, error;
} argument;
/* The rounding of y = f(u), f the trial's or WELD_IDENTITY, written plainly: as for the kernel
 * unary; and the error of u by the greatest slope that a function has, 1.5. */
double bound_of_value(const trial *t, argument u, double y);
/* Room in the scratch slot for what a call needs besides the arrays. */
void *scratch(size_t bytes);

/* --- running them --- */

/* Compare the table with the double reference; false, after printing what differs, where it is out
 * of bounds, writes elsewhere, or gives other bits when the arrays lie elsewhere. *worst is raised
 * to the largest error as a fraction of its bound. */
bool run_trial(trial *t, const weld_kernels *k, weld_random *r, double *worst);
/* The expected outputs and their bounds. */
void expect_trial(trial *t);
void free_trial(trial *t);
size_t element_size(const array *a, weld_dtype dtype);
double round_to_bf16(double x); /* by the reference */
/* Place the arrays and fill them; p receives the arguments. For bench. */
void place_trial(const trial *t, const weld_kernels *k, bool at_end, int64_t offset, void **p);

/* What comes of running it on k becomes what is expected, to the last bit. */
void expect_as_run(trial *t, const weld_kernels *k);

/* All int8 tables, which must equal the reference; false where one does not. Counts the kernels
 * that `only` chooses. */
bool check_int8(uint64_t seed, const char *only, int *chosen);
void bench_int8(const char *only, int *chosen);
/* The trial `kernel` of int8 with the sizes that t has. */
void draw_int8(trial *t, const char *kernel, weld_random *r);

void bench(const weld_kernels *const *tables, int count, const char *only);

#endif
