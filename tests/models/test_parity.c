/* Small networks against PyTorch: evaluation, loss, every gradient, running statistics. */
#include "models/parity.h"
#include "suite.h"

static const char *const fixtures[] = {"parity_current.fixture", "parity_legacy.fixture",
                                       "parity_distillation.fixture", "parity_stem_2.fixture",
                                       "parity_stem_1.fixture"};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures };

static void for_each(void (*check)(const parity *p, const char *isa)) {
    for (int i = 0; i < FIXTURES; i++) {
        parity p = {.file = fixtures[i], .fixture = fixture_load(fixtures[i]), .batch = ""};
        p.config = fixture_config(p.fixture);
        for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
            check(&p, weld_kernels_available(WELD_F32, k));
        }
        weld_weights_free(p.fixture);
    }
}

START_TEST(evaluation_gives_the_logits_of_pytorch) {
    for_each(check_evaluation);
}
END_TEST

START_TEST(a_training_step_gives_the_gradients_of_pytorch) {
    for_each(check_training);
}
END_TEST

RUN_SUITE("models/parity", evaluation_gives_the_logits_of_pytorch,
          a_training_step_gives_the_gradients_of_pytorch)
