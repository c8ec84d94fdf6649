/* Convolutions whose weights stay as they are, and those with many weights: computed in another way
 * than the rest (conv2d_winograd.c, conv2d_direct.c, conv2d_wide.c). */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "graph/plan.h"
#include "ops/ops.h"
#include "suite.h"

typedef struct conv_case {
    int64_t n, h, w, in, out;
    int padding;
    bool bias, same;
} conv_case;

/* One 3 x 3 convolution of "x"; its weight alone, so that graphs of several sizes can share it. */
static weld_graph *conv_graph(weld_dtype dtype, const conv_case *c) {
    weld_graph *g;
    const weld_init some = {WELD_INIT_UNIFORM, -1, 1};
    ck_assert_int_eq(weld_graph_create(dtype, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(c->n, c->h, c->w, c->in));
    weld_value *weight = weld_parameter(g, "weight", WELD_SHAPE(c->out, c->in, 3, 3), some);
    weld_value *bias = c->bias ? weld_parameter(g, "bias", WELD_SHAPE(c->out), some) : NULL;
    weld_conv2d_options o = {.padding = {c->padding, c->padding}, .same = c->same};
    weld_output(g, "y", weld_conv2d(g, x, weight, bias, o));
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    return g;
}

static double element(const weld_tensor *t, int64_t i) {
    return t->dtype == WELD_F64 ? ((const double *)t->data)[i] : ((const float *)t->data)[i];
}

/* Floats, of either type: the same for the same i. */
static void fill(const weld_tensor *t, uint64_t seed) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        const float value = (float)weld_random_range(&r, -1, 1);
        if (t->dtype == WELD_F64) {
            ((double *)t->data)[i] = value;
        } else {
            ((float *)t->data)[i] = value;
        }
    }
}

static weld_weights *weights_of(const weld_graph *g) {
    weld_weights *w;
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        fill(&t, 2 + i);
    }
    return w;
}

static weld_session *ran(const weld_graph *g, weld_weights *w, weld_session_options o) {
    weld_session *s;
    weld_error err = {0};
    ck_assert_msg(weld_session_create(g, w, &o, &s, &err) == WELD_OK, "%s", err.message);
    weld_tensor x = weld_session_input(s, "x");
    fill(&x, 1);
    weld_session_run(s, 0);
    return s;
}

/* The largest difference of "y". */
static double difference(weld_session *a, weld_session *b) {
    weld_tensor x = weld_session_output(a, "y"), y = weld_session_output(b, "y");
    double worst = 0;
    for (int64_t i = 0; i < weld_shape_count(&x.shape); i++) {
        const double off = fabs(element(&x, i) - element(&y, i));
        worst = off <= worst ? worst : off; /* a NaN stays */
    }
    return worst;
}

static void assert_same_bits(weld_session *a, weld_session *b, const char *what) {
    weld_tensor x = weld_session_output(a, "y"), y = weld_session_output(b, "y");
    ck_assert_msg(memcmp(x.data, y.data, weld_tensor_bytes(&x)) == 0, "%s: other bits", what);
}

static const conv_case by_squares[] = {
    {1, 10, 10, 16, 16, 1, true, false},  {2, 11, 13, 19, 50, 1, false, false},
    {3, 12, 12, 32, 24, 0, true, false},  {1, 20, 9, 17, 48, 2, true, false},
    {5, 14, 14, 24, 100, 1, true, false}, {2, 15, 12, 16, 33, 0, true, true},
    {1, 40, 37, 16, 16, 1, true, false},  {1, 17, 16, 400, 32, 1, false, false},
};
enum { BY_SQUARES = sizeof by_squares / sizeof *by_squares };

/* In double the two ways agree to its rounding; in float squares are mostly off by less, as their
 * sums are of fewer terms. */
START_TEST(constant_weights_change_a_convolution_by_rounding_alone) {
    for (int i = 0; i < BY_SQUARES; i++) {
        const conv_case *c = &by_squares[i];
        weld_graph *exact = conv_graph(WELD_F64, c), *g = conv_graph(WELD_F32, c);
        weld_weights *exact_w = weights_of(exact);
        weld_session *reference = ran(exact, exact_w, (weld_session_options){.threads = 1});
        weld_session *other =
            ran(exact, exact_w, (weld_session_options){.threads = 1, .constant_weights = true});
        ck_assert_double_le(difference(other, reference), 1e-12);
        for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
            weld_session_options o = {.threads = 1, .isa = weld_kernels_available(WELD_F32, v)};
            weld_weights *w = weights_of(g);
            weld_session *plain = ran(g, w, o);
            o.constant_weights = true;
            weld_session *s = ran(g, w, o);
            const double off = difference(s, reference), usual = difference(plain, reference);
            const double most = strcmp(o.isa, "ref") == 0 ? 4 : 1.5; /* that has sums in double */
            ck_assert_msg(off <= most * usual, "case %d, %s: off by %g where %g is usual", i, o.isa,
                          off, usual);
            weld_session_free(s);
            weld_session_free(plain);
            weld_weights_free(w);
        }
        weld_session_free(other);
        weld_session_free(reference);
        weld_weights_free(exact_w);
        weld_graph_free(exact);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(neither_threads_nor_batch_change_a_bit_of_constant_weights) {
    for (int i = 0; i < BY_SQUARES; i++) {
        const conv_case *c = &by_squares[i];
        weld_graph *g = conv_graph(WELD_F32, c);
        weld_weights *w = weights_of(g);
        weld_session_options o = {.threads = 1, .constant_weights = true};
        weld_session *one = ran(g, w, o);
        for (int threads = 2; threads <= 5; threads += 3) {
            o.threads = threads;
            weld_session *s = ran(g, w, o);
            assert_same_bits(s, one, "threads");
            weld_session_free(s);
        }
        o = (weld_session_options){.batch = 64, .threads = 3, .constant_weights = true};
        weld_session *many = ran(g, w, o); /* its first images are those of `one` */
        weld_tensor y = weld_session_output(one, "y"), z = weld_session_output(many, "y");
        ck_assert_int_eq(memcmp(y.data, z.data, weld_tensor_bytes(&y)), 0);
        weld_session_free(many);
        weld_session_free(one);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

/* What is prepared for a small map is not what a large one wants, though it may take as many bytes.
 */
START_TEST(maps_of_all_sizes_share_constant_weights) {
    for (int64_t out = 16; out <= 400; out += 64) {
        for (int large_first = 0; large_first < 2; large_first++) {
            weld_weights *w = NULL;
            for (int k = 0; k < 2; k++) {
                const int64_t size = (k == 0) == (large_first != 0) ? 12 : 5;
                const conv_case c = {1, size, size, 16, out, 1, false, false};
                weld_graph *g = conv_graph(WELD_F32, &c);
                w = w ? w : weights_of(g);
                weld_session *plain = ran(g, w, (weld_session_options){.threads = 1});
                weld_session *s =
                    ran(g, w, (weld_session_options){.threads = 1, .constant_weights = true});
                ck_assert_double_le(difference(s, plain), 1e-5);
                weld_session_free(plain);
                weld_session_free(s);
                weld_graph_free(g);
            }
            weld_weights_free(w);
        }
    }
}
END_TEST

/* A convolution of x, in one piece or in two halves of its outputs; in bf16 where asked. */
static weld_graph *halves_graph(bool halves, bool narrow, int64_t n) {
    weld_graph *g;
    const weld_init some = {WELD_INIT_UNIFORM, -1, 1};
    const weld_conv2d_options o = {.stride = {2, 2}, .padding = {1, 1}};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(n, 9, 11, 116));
    x = narrow ? weld_cast(g, x, WELD_BF16) : x;
    weld_value *w[] = {weld_parameter(g, "first", WELD_SHAPE(256, 116, 3, 3), some),
                       weld_parameter(g, "second", WELD_SHAPE(256, 116, 3, 3), some)};
    weld_value *bias[] = {weld_parameter(g, "bias", WELD_SHAPE(256), some),
                          weld_parameter(g, "bias2", WELD_SHAPE(256), some)};
    weld_value *y;
    if (halves) {
        weld_value *parts[] = {weld_conv2d(g, x, w[0], bias[0], o),
                               weld_conv2d(g, x, w[1], bias[1], o)};
        y = weld_concat(g, parts, 2, 3);
    } else {
        y = weld_conv2d(g, x, weld_concat(g, w, 2, 0), weld_concat(g, bias, 2, 0), o);
    }
    weld_output(g, "y", weld_cast(g, y, WELD_F32));
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    return g;
}

/* 256 outputs of 116 x 9 weights each are not many, 512 are. */
START_TEST(many_weights_give_the_bits_of_fewer) {
    for (int narrow = 0; narrow < 2; narrow++) {
        for (int v = 0; weld_kernels_available(narrow ? WELD_BF16 : WELD_F32, v); v++) {
            const char *isa = weld_kernels_available(narrow ? WELD_BF16 : WELD_F32, v);
            const int64_t n = strcmp(isa, "ref") == 0 ? 1 : 9;
            weld_graph *g = halves_graph(false, narrow, n), *other = halves_graph(true, narrow, n);
            weld_weights *w = weights_of(g);
            weld_session *halves = ran(other, w, (weld_session_options){.threads = 1, .isa = isa});
            for (int threads = 1; threads <= 4; threads += 3) {
                weld_session *s = ran(g, w, (weld_session_options){.threads = threads, .isa = isa});
                assert_same_bits(s, halves, isa);
                weld_session_free(s);
            }
            weld_session_free(halves);
            weld_weights_free(w);
            weld_graph_free(g);
            weld_graph_free(other);
        }
    }
}
END_TEST

typedef struct direct_case {
    int64_t n, h, w, in, out;
    int kernel[2], stride, padding, groups, dilation;
} direct_case;

static weld_graph *direct_graph(const direct_case *c, bool narrow) {
    weld_graph *g;
    const weld_init some = {WELD_INIT_UNIFORM, -1, 1};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(c->n, c->h, c->w, c->in));
    const weld_shape shape = WELD_SHAPE(c->out, c->in / c->groups, c->kernel[0], c->kernel[1]);
    weld_value *weight = weld_parameter(g, "weight", shape, some);
    weld_value *bias = weld_parameter(g, "bias", WELD_SHAPE(c->out), some);
    const weld_conv2d_options o = {.stride = {c->stride, c->stride},
                                   .padding = {c->padding, c->padding},
                                   .groups = c->groups,
                                   .dilation = {c->dilation, c->dilation}};
    x = narrow ? weld_cast(g, x, WELD_BF16) : x;
    weld_output(g, "y", weld_cast(g, weld_conv2d(g, x, weight, bias, o), WELD_F32));
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    return g;
}

/* Groups of even and odd sizes, all channels at once, windows of all kinds, maps of several bands,
 * stems. */
static const direct_case direct[] = {
    {2, 9, 11, 48, 48, {3, 3}, 1, 1, 2, 1},    {1, 12, 7, 72, 48, {3, 3}, 2, 1, 3, 1},
    {3, 8, 8, 41, 34, {3, 3}, 1, 1, 1, 1},     {1, 10, 13, 40, 40, {5, 3}, 1, 2, 2, 2},
    {2, 13, 9, 26, 70, {3, 3}, 2, 0, 1, 1},    {1, 8, 8, 66, 22, {3, 3}, 1, 1, 2, 1},
    {1, 110, 120, 18, 20, {3, 3}, 2, 1, 1, 1}, {1, 30, 30, 36, 36, {2, 4}, 1, 1, 2, 1},
    {1, 6, 50, 16, 17, {3, 3}, 1, 3, 1, 3},    {2, 33, 31, 3, 48, {3, 3}, 2, 1, 1, 1},
    {1, 300, 230, 3, 16, {3, 3}, 2, 1, 1, 1},
};
enum { DIRECT = sizeof direct / sizeof *direct };

/* In f32 the sums are of the same terms in the same order; in bf16 either way rounds them once, so
 * that they are neighbours at most. */
START_TEST(what_needs_no_patches_is_the_same_as_with_them) {
    for (int i = 0; i < 2 * DIRECT; i++) {
        const bool narrow = i >= DIRECT;
        weld_graph *g = direct_graph(&direct[i % DIRECT], narrow);
        for (int v = 0; weld_kernels_available(narrow ? WELD_BF16 : WELD_F32, v); v++) {
            const char *isa = weld_kernels_available(narrow ? WELD_BF16 : WELD_F32, v);
            weld_weights *w = weights_of(g);
            weld_session *plain = ran(g, w, (weld_session_options){.threads = 1, .isa = isa});
            for (int threads = 1; threads <= 5; threads += 2) {
                weld_session_options o = {.threads = threads, .isa = isa, .constant_weights = true};
                weld_session *s = ran(g, w, o);
                weld_tensor x = weld_session_output(s, "y"), y = weld_session_output(plain, "y");
                for (int64_t j = 0; j < weld_shape_count(&x.shape); j++) {
                    const double a = element(&x, j), b = element(&y, j);
                    const double most = narrow ? 0x1p-7 * fmax(fabs(a), fabs(b)) + 1e-5 : 0;
                    ck_assert_msg(fabs(a - b) <= most, "case %d, %s, %d threads: %g for %g", i, isa,
                                  threads, a, b);
                }
                weld_session_free(s);
            }
            weld_session_free(plain);
            weld_weights_free(w);
        }
        weld_graph_free(g);
    }
}
END_TEST

/* One result by its definition; `size` becomes the sum of its terms' sizes. */
static double by_definition(const direct_case *c, const weld_tensor *in, weld_weights *w,
                            const int64_t at[4], double *size) {
    const weld_tensor weight = weld_weights_tensor(w, 0), bias = weld_weights_tensor(w, 1);
    double sum = element(&bias, at[3]);
    *size = fabs(sum);
    for (int64_t i = 0; i < c->in * 9; i++) {
        const int64_t channel = i / 9, y = at[1] * c->stride - c->padding + i / 3 % 3;
        const int64_t x = at[2] * c->stride - c->padding + i % 3;
        if (y >= 0 && y < c->h && x >= 0 && x < c->w) {
            const int64_t from = ((at[0] * c->h + y) * c->w + x) * c->in + channel;
            const double term = element(in, from) * element(&weight, at[3] * c->in * 9 + i);
            sum += term;
            *size += fabs(term);
        }
    }
    return sum;
}

static const direct_case stems[] = {
    {1, 32, 32, 3, 16, {3, 3}, 2, 1, 1, 1}, {2, 33, 31, 3, 48, {3, 3}, 2, 1, 1, 1},
    {1, 30, 37, 3, 64, {3, 3}, 2, 0, 1, 1}, {3, 5, 3, 3, 17, {3, 3}, 2, 0, 1, 1},
    {1, 1, 1, 3, 24, {3, 3}, 2, 1, 1, 1},   {1, 27, 90, 3, 40, {3, 3}, 2, 3, 1, 1},
};
enum { STEMS = sizeof stems / sizeof *stems };

/* Sums of floats one after another: off by a rounding for each term at most. */
START_TEST(stems_are_what_their_definition_says) {
    for (int i = 0; i < STEMS; i++) {
        const direct_case *c = &stems[i];
        weld_graph *g = direct_graph(c, false);
        for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
            weld_session_options o = {
                .threads = 2, .isa = weld_kernels_available(WELD_F32, v), .constant_weights = true};
            weld_weights *w = weights_of(g);
            weld_session *s = ran(g, w, o);
            const weld_tensor x = weld_session_input(s, "x"), y = weld_session_output(s, "y");
            const int64_t *dim = y.shape.dim;
            for (int64_t j = 0; j < weld_shape_count(&y.shape); j++) {
                const int64_t at[] = {j / dim[3] / dim[2] / dim[1], j / dim[3] / dim[2] % dim[1],
                                      j / dim[3] % dim[2], j % dim[3]};
                double size;
                const double right = by_definition(c, &x, w, at, &size);
                ck_assert_msg(fabs(element(&y, j) - right) <= 28 * 0x1p-24 * size,
                              "case %d, %s: %g for %g", i, o.isa, element(&y, j), right);
            }
            weld_session_free(s);
            weld_weights_free(w);
        }
        weld_graph_free(g);
    }
}
END_TEST

RUN_SUITE("ops/conv2d_constant", constant_weights_change_a_convolution_by_rounding_alone,
          neither_threads_nor_batch_change_a_bit_of_constant_weights,
          maps_of_all_sizes_share_constant_weights, many_weights_give_the_bits_of_fewer,
          what_needs_no_patches_is_the_same_as_with_them, stems_are_what_their_definition_says)
