/* The COCO evaluation of random sets against pycocotools and Ultralytics, which
 * scripts/make_coco_fixtures ran on the same ones. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tasks/detection/coco.h"
#include "fixture.h"
#include "suite.h"

enum { SETS = 300, MOST = 1024 };

/* --- The sets, as the script draws them --- */

static uint64_t below(uint64_t *state, uint64_t n) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % n;
}

typedef struct image {
    weld_box truth[8];
    weld_found_box found[130];
    int objects, detections;
} image;

typedef struct set {
    int images, classes, detections; /* so many detections so far */
    image image[6];
} set;

static double shifted(uint64_t *r, double quarters, uint64_t spread, uint64_t less) {
    const double value = quarters * 4 + (double)below(r, spread) - (double)less;
    return value / 4;
}

static void draw_object(uint64_t *r, int classes, weld_box *b) {
    b->class_index = (int32_t)below(r, (uint64_t)classes);
    const uint64_t side = (const uint64_t[]){32, 96, 160}[below(r, 3)];
    b->x = (double)below(r, 800) / 4;
    b->y = (double)below(r, 800) / 4;
    b->width = (double)(4 + below(r, 4 * side)) / 4;
    b->height = (double)(4 + below(r, 4 * side)) / 4;
    if (below(r, 8) == 0) {
        b->width = b->height = 32;
    }
    b->flags = below(r, 10) == 0 ? WELD_BOX_CROWD : 0;
    const uint64_t two = below(r, 2), three = below(r, 3);
    b->area = b->width * b->height * (double)(4 - two * three) / 4;
}

static void draw_detection(uint64_t *r, const set *s, const image *m, bool many,
                           weld_found_box *d) {
    d->class_index = many ? 0 : (int32_t)below(r, (uint64_t)s->classes);
    if (m->objects > 0 && below(r, 4)) {
        const weld_box *b = &m->truth[below(r, (uint64_t)m->objects)];
        d->class_index = below(r, 8) && !many ? b->class_index : d->class_index;
        const uint64_t spread = (const uint64_t[]){1, 9, 33}[below(r, 3)];
        d->x = shifted(r, b->x, spread, spread / 2);
        d->y = shifted(r, b->y, spread, spread / 2);
        d->width = fmax(0.25, shifted(r, b->width, spread, spread / 2));
        d->height = fmax(0.25, shifted(r, b->height, spread, 0));
    } else {
        d->x = (double)below(r, 800) / 4;
        d->y = (double)below(r, 800) / 4;
        d->width = (double)(1 + below(r, 500)) / 4;
        d->height = (double)(1 + below(r, 500)) / 4;
    }
}

static void draw(int seed, set *s) {
    uint64_t r = (uint64_t)seed;
    *s = (set){.images = 1 + (int)below(&r, 6)};
    s->classes = 1 + (int)below(&r, 4);
    for (int i = 0; i < s->images; i++) {
        image *m = &s->image[i];
        m->objects = (int)below(&r, 9);
        for (int k = 0; k < m->objects; k++) {
            draw_object(&r, s->classes, &m->truth[k]);
        }
        const bool many = below(&r, 40) == 0;
        m->detections = many ? 130 : (int)below(&r, 24);
        for (int k = 0; k < m->detections; k++) {
            draw_detection(&r, s, m, many, &m->found[k]);
            m->found[k].score = (double)(1 + below(&r, 20)) / 20;
            if (seed % 2) {
                m->found[k].score = (s->detections * 4099 % 65536 + 1) / 65536.0;
            }
            s->detections++;
        }
    }
}

static weld_coco *evaluate(int seed) {
    static set s;
    weld_coco *c;
    weld_array record = {.element = 1};
    draw(seed, &s);
    ck_assert_int_eq(weld_coco_create(s.classes, &c, NULL), WELD_OK);
    for (int i = 0; i < s.images; i++) {
        const image *m = &s.image[i];
        record.count = 0;
        ck_assert_int_eq(
            weld_coco_measure(m->truth, m->objects, m->found, m->detections, &record, NULL),
            WELD_OK);
        ck_assert_int_eq(weld_coco_count(c, i, record.data, record.count, NULL), WELD_OK);
    }
    weld_array_free(&record);
    return c;
}

/* --- Figures --- */

static double number_at(const weld_tensor *t, int64_t i) {
    double value;
    memcpy(&value, (const int64_t *)t->data + i, sizeof value);
    return value;
}

static void expect(double value, double expected, int seed, const char *what) {
    if (expected < 0) {
        ck_assert_msg(isnan(value), "set %d: %s is %.17g, not undefined", seed, what, value);
    } else {
        ck_assert_msg(fabs(value - expected) < 1e-12, "set %d: %s is %.17g, not %.17g", seed, what,
                      value, expected);
    }
}

START_TEST(the_twelve_figures_are_those_of_pycocotools) {
    weld_weights *fixture = fixture_load("coco.fixture");
    const weld_tensor figures = fixture_tensor(fixture, "", "figures");
    ck_assert_int_eq(weld_shape_count(&figures.shape), SETS * WELD_COCO_FIGURES);
    for (int seed = 0; seed < SETS; seed++) {
        weld_coco *c = evaluate(seed);
        const weld_coco_result *r = weld_coco_finish(c);
        for (int i = 0; i < WELD_COCO_FIGURES; i++) {
            expect(r->figures[i], number_at(&figures, seed * WELD_COCO_FIGURES + i), seed,
                   weld_coco_names[i]);
        }
        weld_coco_free(c);
    }
    weld_weights_free(fixture);
}
END_TEST

/* Of sets without equal scores, which its sorting leaves in any order. */
START_TEST(ultralytics_figures_are_its_own) {
    weld_weights *fixture = fixture_load("coco.fixture");
    const weld_tensor old = fixture_tensor(fixture, "ultralytics_", "8.3"),
                      new = fixture_tensor(fixture, "ultralytics_", "8.4");
    ck_assert_int_eq(weld_shape_count(&old.shape), SETS);
    ck_assert_int_eq(weld_shape_count(&new.shape), SETS);
    for (int seed = 1; seed < SETS; seed += 2) {
        weld_coco *c = evaluate(seed);
        const weld_coco_result *r = weld_coco_finish(c);
        expect(r->ultralytics_8_3.map50, number_at(&old, seed - 1), seed, "mAP50 (8.3)");
        expect(r->ultralytics_8_3.map, number_at(&old, seed), seed, "mAP50-95 (8.3)");
        expect(r->ultralytics_8_4.map50, number_at(&new, seed - 1), seed, "mAP50 (8.4)");
        expect(r->ultralytics_8_4.map, number_at(&new, seed), seed, "mAP50-95 (8.4)");
        weld_coco_free(c);
    }
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("tasks/detection/coco_sets", the_twelve_figures_are_those_of_pycocotools,
          ultralytics_figures_are_its_own)
