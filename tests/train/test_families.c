/* Twenty updates of a small network of each family against PyTorch's, loss by loss. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "suite.h"
#include "train/fixture_step.h"

enum { STEPS = 20, BATCHES = 2 };

static void make(fixture_step *s, const family_case *f, const char *isa, int threads,
                 weld_precision precision) {
    const weld_train_step_options o = {.isa = isa, .threads = threads, .precision = precision};
    s->fixture = family_case_load(f);
    s->config = family_case_config(f);
    fixture_step_start(s, o, &fixture_adamw, 0);
}

/* How far losses are from PyTorch's, as a share of them: at most, on average, at first. */
typedef struct distance {
    double worst, mean, first; /* of the first FIRST updates the worst */
} distance;
enum { FIRST = 5 };

static distance follow(const family_case *f, const char *isa, weld_precision precision) {
    fixture_step s;
    distance d = {0};
    make(&s, f, isa, 2, precision);
    const float *rates = fixture_tensor(s.fixture, "", "rates").data;
    const float *losses = fixture_tensor(s.fixture, "", "losses").data;
    for (int t = 0; t < STEPS; t++) {
        double loss = (double)fixture_step_run(&s, t, BATCHES);
        weld_train_step_update(s.step, rates[t]);
        double difference = fabs(loss - losses[t]) / losses[t];
        d.worst = difference <= d.worst ? d.worst : difference; /* NaN too */
        d.first = t < FIRST ? d.worst : d.first;
        d.mean += difference / STEPS;
    }
    fixture_step_free(&s);
    return d;
}

/* To rounding; but of the small CMT what rounds in the first updates is a hundred times larger by
 * the tenth, by plain C as by any other kernels. */
START_TEST(twenty_updates_have_the_losses_of_pytorch) {
    for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
        const char *isa = weld_kernels_available(WELD_F32, v);
        for (int i = 0; i < FAMILY_CASES; i++) {
            const char *name = family_cases[i].name;
            const distance d = follow(&family_cases[i], isa, WELD_PRECISION_FP32);
            ck_assert_msg(d.first <= 1e-5, "%s on %s: %g", name, isa, d.first);
            if (strcmp(name, "cmt") == 0) {
                ck_assert_msg(d.mean <= 1e-3, "%s on %s: %g", name, isa, d.mean);
            } else {
                ck_assert_msg(d.worst <= 1e-5, "%s on %s: %g", name, isa, d.worst);
            }
        }
    }
}
END_TEST

/* Those of PyTorch's own autocast to bf16 differ by 2.7 % on average for the small MobileViT,
 * by 2.0 % for the small CMT, single ones by 7 %: there it is the mean that is held. */
START_TEST(twenty_updates_in_bf16_have_nearly_those_losses) {
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        const char *isa = weld_kernels_available(WELD_BF16, v);
        for (int i = 0; i < FAMILY_CASES; i++) {
            const distance d = follow(&family_cases[i], isa, WELD_PRECISION_BF16);
            if (family_cases[i].attends) {
                ck_assert_msg(d.mean <= 0.04, "%s on %s: %g", family_cases[i].name, isa, d.mean);
            } else {
                ck_assert_msg(d.worst <= 0.02, "%s on %s: %g", family_cases[i].name, isa, d.worst);
            }
        }
    }
}
END_TEST

static void expect_equal_steps(const family_case *f, int threads, weld_precision precision) {
    fixture_step a, b;
    make(&a, f, NULL, 1, precision);
    make(&b, f, NULL, threads, precision);
    for (int t = 0; t < 3; t++) {
        float first = fixture_step_run(&a, t, BATCHES), second = fixture_step_run(&b, t, BATCHES);
        weld_train_step_update(a.step, 1e-3);
        weld_train_step_update(b.step, 1e-3);
        ck_assert_mem_eq(&first, &second, sizeof first);
    }
    expect_equal_weights(a.weights, b.weights);
    fixture_step_free(&a);
    fixture_step_free(&b);
}

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        for (int threads = 3; threads <= 64; threads += 61) {
            expect_equal_steps(&family_cases[i], threads, WELD_PRECISION_FP32);
            expect_equal_steps(&family_cases[i], threads, WELD_PRECISION_BF16);
        }
    }
}
END_TEST

RUN_SUITE("train/families", twenty_updates_have_the_losses_of_pytorch,
          twenty_updates_in_bf16_have_nearly_those_losses,
          the_number_of_threads_does_not_change_a_bit)
