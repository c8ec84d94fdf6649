#include "data/mix.h"

#include <math.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"

/* --- Arithmetic --- */

enum { SIZE = 11, FLOATS = SIZE * SIZE * 3, MOST = 8 };

static void check_case(const char *name) {
    weld_weights *fixture = fixture_load("mix.fixture");
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", name);
    weld_tensor images = fixture_tensor(fixture, prefix, "images");
    weld_tensor mixed = fixture_tensor(fixture, prefix, "mixed");
    weld_tensor targets = fixture_tensor(fixture, prefix, "targets");
    const int64_t *cutmix = fixture_tensor(fixture, prefix, "cutmix").data;
    const int64_t *centres = fixture_tensor(fixture, prefix, "centres").data;
    const int64_t *labels = fixture_tensor(fixture, prefix, "labels").data;
    const float *drawn = fixture_tensor(fixture, prefix, "drawn").data;
    const float *lambda = fixture_tensor(fixture, prefix, "lambda").data;
    int64_t n = images.shape.dim[0], classes = targets.shape.dim[1];
    weld_mix mixes[MOST];
    float hot[MOST * 8] = {0};
    ck_assert_int_le(n, MOST);
    for (int64_t i = 0; i < n; i++) {
        mixes[i] = (weld_mix){.lambda = drawn[i]};
        if (cutmix[i]) {
            mixes[i] =
                weld_cutmix(SIZE, SIZE, drawn[i], (int)centres[2 * i], (int)centres[2 * i + 1]);
        }
        ck_assert_float_eq(mixes[i].lambda, lambda[i]);
        hot[i * classes + labels[i]] = 1;
    }
    weld_mix_images(mixes, n, SIZE, SIZE, images.data, 2);
    weld_mix_rows(mixes, n, classes, hot);
    ck_assert_mem_eq(images.data, mixed.data, (size_t)n * FLOATS * sizeof(float));
    for (int64_t i = 0; i < n * classes; i++) { /* the loss smooths what was mixed */
        float smoothed = 0.9f * hot[i] + 0.1f / (float)classes;
        ck_assert_float_eq_tol(smoothed, ((const float *)targets.data)[i], 2e-7f);
    }
    weld_weights_free(fixture);
}

START_TEST(batches_are_mixed_as_pytorch_mixes_them) {
    check_case("mixup");
    check_case("cutmix");
}
END_TEST

START_TEST(pairs_and_single_samples_are_mixed_as_pytorch_mixes_them) {
    check_case("pair");
    check_case("elem");
}
END_TEST

START_TEST(boxes_and_their_lambdas_are_the_references) {
    weld_weights *fixture = fixture_load("mix.fixture");
    weld_tensor boxes = fixture_tensor(fixture, "", "boxes");
    const float *drawn = fixture_tensor(fixture, "", "boxes/drawn").data;
    const float *lambda = fixture_tensor(fixture, "", "boxes/lambda").data;
    for (int64_t i = 0; i < boxes.shape.dim[0]; i++) {
        const int64_t *row = (const int64_t *)boxes.data + 7 * i;
        weld_mix m = weld_cutmix((int)row[0], (int)row[0], drawn[i], (int)row[1], (int)row[2]);
        int64_t got[] = {m.x0, m.y0, m.x1, m.y1};
        ck_assert(m.cutmix);
        ck_assert_mem_eq(got, row + 3, sizeof got);
        ck_assert_float_eq(m.lambda, lambda[i]);
    }
    weld_weights_free(fixture);
}
END_TEST

START_TEST(the_middle_of_an_odd_number_stays_as_it_is) {
    weld_augmentation a = weld_augmentation_defaults();
    for (int mode = WELD_MIX_BATCH; mode <= WELD_MIX_ELEM; mode++) {
        for (int batch = 0; batch < 20; batch++) {
            weld_mix mixes[5];
            float images[5 * FLOATS], rows[5 * 7];
            a.mix_mode = (weld_mix_mode)mode;
            weld_mix_draw(&a, 3, 1, batch, 5, SIZE, SIZE, mixes);
            for (int i = 0; i < 5 * FLOATS; i++) {
                images[i] = (float)(i % 97) / 7.0f;
            }
            memcpy(rows, images, sizeof rows);
            weld_mix_images(mixes, 5, SIZE, SIZE, images, 2);
            weld_mix_rows(mixes, 5, 7, rows);
            ck_assert_float_eq(mixes[2].lambda, 1.0f);
            for (int i = 2 * FLOATS; i < 3 * FLOATS; i++) {
                ck_assert_float_eq(images[i], (float)(i % 97) / 7.0f);
            }
            ck_assert_float_eq(rows[14], 2.0f);
        }
    }
}
END_TEST

START_TEST(targets_stay_distributions) {
    weld_augmentation a = weld_augmentation_defaults();
    a.mix_mode = WELD_MIX_ELEM;
    weld_mix mixes[6];
    float targets[6 * 6];
    for (int batch = 0; batch < 50; batch++) {
        for (int i = 0; i < 36; i++) {
            targets[i] = i % 7 == 0;
        }
        weld_mix_draw(&a, 3, 1, batch, 6, SIZE, SIZE, mixes);
        weld_mix_rows(mixes, 6, 6, targets);
        for (int i = 0; i < 6; i++) {
            ck_assert_float_eq_tol(targets[7 * i], mixes[i].lambda, 1e-7f);
            ck_assert_float_eq_tol(targets[6 * i + 5 - i], 1 - mixes[i].lambda, 1e-7f);
        }
    }
}
END_TEST

/* --- Draws --- */

/* Of a fixed sample over many batches. */
typedef struct moments {
    int count, cutmix, unmixed;
    double mixup_sum, mixup_squares; /* of lambda */
} moments;

static moments draw_many(const weld_augmentation *a, int count) {
    moments m = {.count = count};
    for (int i = 0; i < count; i++) {
        weld_mix mixes[4];
        weld_mix_draw(a, 3, 1, i, 4, 224, 224, mixes);
        double lambda = mixes[1].lambda;
        ck_assert(lambda >= 0 && lambda <= 1);
        m.cutmix += mixes[1].cutmix;
        m.unmixed += !mixes[1].cutmix && lambda == 1;
        m.mixup_sum += mixes[1].cutmix ? 0 : lambda;
        m.mixup_squares += mixes[1].cutmix ? 0 : lambda * lambda;
    }
    return m;
}

/* Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)). */
static void check_beta(const moments *m, double alpha) {
    double n = m->count - m->cutmix, mean = m->mixup_sum / n;
    ck_assert_double_eq_tol(mean, 0.5, 0.015);
    ck_assert_double_eq_tol(m->mixup_squares / n - mean * mean, 1 / (4 * (2 * alpha + 1)), 0.006);
}

START_TEST(lambdas_of_mixup_are_beta_distributed) {
    weld_augmentation a = weld_augmentation_defaults();
    a.cutmix = 0;
    const double alphas[] = {0.2, 0.8, 3};
    for (int i = 0; i < 3; i++) {
        a.mixup = alphas[i];
        moments m = draw_many(&a, 20000);
        ck_assert_int_eq(m.cutmix, 0);
        check_beta(&m, a.mixup);
    }
}
END_TEST

START_TEST(cutmix_and_mixup_alternate_as_often_as_told) {
    weld_augmentation a = weld_augmentation_defaults();
    a.mixup = 0.8;
    a.cutmix = 1;
    for (int mode = WELD_MIX_BATCH; mode <= WELD_MIX_ELEM; mode++) {
        a.mix_mode = (weld_mix_mode)mode;
        a.cutmix_probability = 0.3;
        moments m = draw_many(&a, 20000);
        ck_assert_double_eq_tol(m.cutmix / 20000.0, 0.3, 0.015);
        check_beta(&m, 0.8);
    }
    a.mixup = 0; /* the only one that is on is always taken */
    moments m = draw_many(&a, 1000);
    ck_assert_int_eq(m.cutmix, 1000);
    a.mixup = 0.8;
    a.cutmix = 0;
    m = draw_many(&a, 1000);
    ck_assert_int_eq(m.cutmix, 0);
    ck_assert_int_lt(m.unmixed, 10);
}
END_TEST

START_TEST(mixing_happens_as_often_as_told) {
    weld_augmentation a = weld_augmentation_defaults();
    for (int mode = WELD_MIX_BATCH; mode <= WELD_MIX_ELEM; mode++) {
        a.mix_mode = (weld_mix_mode)mode;
        a.mix_probability = 0.25;
        moments m = draw_many(&a, 10000);
        ck_assert_double_eq_tol(m.unmixed / 10000.0, 0.75, 0.02);
        a.mix_probability = 0;
        ck_assert_int_eq(draw_many(&a, 100).unmixed, 100);
    }
    a = weld_augmentation_defaults();
    a.mixup = a.cutmix = 0;
    ck_assert_int_eq(draw_many(&a, 100).unmixed, 100);
    a = weld_augmentation_defaults();
    a.kind = WELD_AUGMENT_NONE;
    ck_assert_int_eq(draw_many(&a, 100).unmixed, 100);
}
END_TEST

/* beta(1, 1) is uniform: sides sqrt(1 - lambda) of the image have mean 2/3 and, before clipping,
 * area 1/2. */
START_TEST(boxes_of_cutmix_fit_their_lambdas_and_lie_anywhere) {
    weld_augmentation a = weld_augmentation_defaults();
    a.mixup = 0;
    a.cutmix = 1;
    enum { N = 20000 };
    double sides = 0, centres = 0;
    int inner = 0, clipped = 0;
    for (int i = 0; i < N; i++) {
        weld_mix m[2];
        weld_mix_draw(&a, 3, 1, i, 2, 224, 224, m);
        ck_assert(m->x0 >= 0 && m->x0 <= m->x1 && m->x1 <= 224);
        ck_assert(m->y0 >= 0 && m->y0 <= m->y1 && m->y1 <= 224);
        double area = (m->x1 - m->x0) * (m->y1 - m->y0);
        ck_assert_float_eq(m->lambda, (float)(1 - area / (224 * 224)));
        bool whole = m->x0 > 0 && m->y0 > 0 && m->x1 < 224 && m->y1 < 224;
        ck_assert(!whole || m->x1 - m->x0 == m->y1 - m->y0);
        inner += whole;
        clipped += m->x0 == 0 && m->x1 < 224;
        sides += m->x1 - m->x0;
        centres += m->x0 + m->x1;
    }
    /* For a side s < 1 and a uniform centre the mean of the part inside is s - s^2 / 4; a box
     * touches no edge with probability (1 - s)^2; with density 2 s these are 2/3 - 1/8 and 1/6. */
    ck_assert_double_eq_tol(sides / N / 224, 2 / 3.0 - 1 / 8.0, 0.01);
    ck_assert_double_eq_tol(centres / N / 2 / 224, 0.5, 0.01);
    ck_assert_double_eq_tol((double)inner / N, 1 / 6.0, 0.015);
    ck_assert_int_gt(clipped, N / 5);
}
END_TEST

START_TEST(draws_are_of_seed_epoch_and_batch) {
    weld_augmentation a = weld_augmentation_defaults();
    weld_mix one[6], other[6];
    memset(one, 0, sizeof one);
    memset(other, 0, sizeof other);
    a.cutmix = 0;
    a.mix_mode = WELD_MIX_ELEM;
    weld_mix_draw(&a, 3, 1, 5, 6, 32, 32, one);
    weld_mix_draw(&a, 3, 1, 5, 6, 32, 32, other);
    ck_assert_mem_eq(one, other, sizeof one);
    for (int i = 0; i < 3; i++) {
        weld_mix_draw(&a, 3 + (i == 0), 1 + (i == 1), 5 + (i == 2), 6, 32, 32, other);
        ck_assert_float_ne(one[0].lambda, other[0].lambda);
    }
}
END_TEST

START_TEST(a_mode_says_which_samples_share_a_draw) {
    weld_augmentation a = weld_augmentation_defaults();
    weld_mix m[6];
    a.cutmix = 0;
    weld_mix_draw(&a, 3, 1, 5, 6, 32, 32, m);
    for (int i = 1; i < 6; i++) {
        ck_assert_float_eq(m[i].lambda, m[0].lambda);
    }
    a.mix_mode = WELD_MIX_PAIR;
    weld_mix_draw(&a, 3, 1, 5, 6, 32, 32, m);
    ck_assert_float_ne(m[0].lambda, m[1].lambda);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(m[i].lambda, m[5 - i].lambda);
    }
    a.mix_mode = WELD_MIX_ELEM;
    weld_mix_draw(&a, 3, 1, 5, 6, 32, 32, m);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_ne(m[i].lambda, m[5 - i].lambda);
    }
}
END_TEST

START_TEST(from_an_epoch_on_nothing_is_mixed) {
    weld_augmentation a = weld_augmentation_defaults();
    weld_mix m[6];
    a.mixup_off_epoch = 3;
    for (uint32_t epoch = 0; epoch < 6; epoch++) {
        weld_mix_draw(&a, 3, epoch, 5, 6, 32, 32, m);
        ck_assert((m[0].lambda == 1) == (epoch >= 3));
    }
}
END_TEST

RUN_SUITE("data/mix", from_an_epoch_on_nothing_is_mixed, batches_are_mixed_as_pytorch_mixes_them,
          pairs_and_single_samples_are_mixed_as_pytorch_mixes_them,
          boxes_and_their_lambdas_are_the_references, the_middle_of_an_odd_number_stays_as_it_is,
          targets_stay_distributions, lambdas_of_mixup_are_beta_distributed,
          cutmix_and_mixup_alternate_as_often_as_told, mixing_happens_as_often_as_told,
          boxes_of_cutmix_fit_their_lambdas_and_lie_anywhere, draws_are_of_seed_epoch_and_batch,
          a_mode_says_which_samples_share_a_draw)
