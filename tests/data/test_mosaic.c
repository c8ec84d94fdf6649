/* Where the images of a sample of kind detection lie in it. */
#include "data/mosaics.h"
#include "suite.h"

enum { MANY = 60, SIDE_MAX = 96 };

static weld_transform transform_of(int width, int height, const weld_augmentation *a) {
    const weld_preprocessing p = letterbox_of(width, height);
    weld_transform t;
    ck_assert_int_eq(weld_transform_init(&t, &p, a, NULL), WELD_OK);
    return t;
}

/* A sample of flat images as the loader would make it. */
static void make_sample(const weld_transform *t, const weld_sample_part *parts, int count,
                        weld_random *random, weld_sample_plan *plans, float *out) {
    weld_image images[WELD_SAMPLE_PARTS];
    weld_image_size sizes[WELD_SAMPLE_PARTS];
    weld_decoded_part decoded[WELD_SAMPLE_PARTS];
    weld_transform_scratch scratch = {0};
    weld_random erase = *random;
    for (int i = 0; i < count; i++) {
        sizes[i] = flat_size(parts[i].index);
    }
    weld_mosaic_plan(t, parts, sizes, count, random, plans);
    for (int i = 0; i < count; i++) {
        images[i] = flat_image(parts[i].index, false);
        const weld_pixels pixels = weld_image_pixels(&images[i]);
        if (plans[i].to.width && plans[i].to.height) {
            ck_assert(!weld_rectangle_check(&plans[i].crop, sizes[i].width, sizes[i].height, NULL));
            decoded[i] = weld_part_of_image(&pixels, &plans[i].crop);
        }
    }
    ck_assert_int_eq(
        weld_transform_training(t, plans, decoded, count, random, &erase, &scratch, out, NULL),
        WELD_OK);
    for (int i = 0; i < count; i++) {
        weld_image_free(&images[i]);
    }
    weld_transform_scratch_free(&scratch);
}

/* --- Against a canvas that is painted and then looked at pixel by pixel --- */

typedef struct canvas {
    int width, height;
    uint8_t pixels[4 * SIDE_MAX * SIDE_MAX][3];
} canvas;

/* An image that would fill a rectangle, as far as there is canvas. */
static void paint(canvas *c, int64_t index, int left, int top, int width, int height) {
    for (int y = top < 0 ? 0 : top; y < top + height && y < c->height; y++) {
        for (int x = left < 0 ? 0 : left; x < left + width && x < c->width; x++) {
            flat_colour(index, false, c->pixels[y * c->width + x]);
        }
    }
}

static int rounded(double v) {
    return v < 1 ? 1 : (int)nearbyint(v);
}

/* Of the images of parts[0..3], which meet in a point that is drawn, or of parts[0] alone. */
static void paint_all(canvas *c, const weld_sample_part *parts, int count, int width, int height,
                      weld_random *random) {
    const int factor = count > 1 ? 2 : 1;
    c->width = factor * width;
    c->height = factor * height;
    memset(c->pixels, PADDING, sizeof c->pixels);
    int meet_y = 0, meet_x = 0;
    if (count > 1) {
        meet_y = (int)weld_random_range(random, height / 2.0, 3 * height / 2.0);
        meet_x = (int)weld_random_range(random, width / 2.0, 3 * width / 2.0);
    }
    for (int i = 0; i < count; i++) {
        const weld_image_size s = flat_size(parts[i].index);
        const double ratio = fmin((double)width / s.width, (double)height / s.height);
        const int w = rounded(s.width * ratio), h = rounded(s.height * ratio);
        const int left = count == 1 ? (width - w) / 2 : i % 2 ? meet_x : meet_x - w;
        const int top = count == 1 ? (height - h) / 2 : i / 2 ? meet_y : meet_y - h;
        paint(c, parts[i].index, left, top, w, h);
    }
}

/* (Checks in loops over pixels are not by ck_assert, which is slow.) */
static bool has_colour(const float *pixel, const uint8_t colour[3]) {
    return pixel[0] == (float)colour[0] / 255.0f && pixel[1] == (float)colour[1] / 255.0f &&
           pixel[2] == (float)colour[2] / 255.0f;
}

/* What of the canvas the sample's pixels show, in their centres. */
static void compare(const canvas *c, int width, int height, double scale, double center_x,
                    double center_y, const float *out) {
    const uint8_t around[3] = {PADDING, PADDING, PADDING};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const double u = (x + 0.5 - center_x) / scale + c->width / 2.0;
            const double v = (y + 0.5 - center_y) / scale + c->height / 2.0;
            const bool inside = u >= 0 && u < c->width && v >= 0 && v < c->height;
            const uint8_t *expected = inside ? c->pixels[(int)v * c->width + (int)u] : around;
            if (!has_colour(out + (y * width + x) * 3, expected)) {
                ck_abort_msg("at %d, %d: red is %g, not %d", x, y,
                             (double)out[(y * width + x) * 3] * 255, expected[0]);
            }
        }
    }
}

static void compare_with_canvas(int width, int height, double scale, double translate, int count) {
    const weld_augmentation a = detection_of(1, scale, translate);
    const weld_transform t = transform_of(width, height, &a);
    static canvas c;
    static float out[SIDE_MAX * SIDE_MAX * 3];
    for (uint64_t i = 0; i < MANY; i++) {
        weld_random r = weld_random_start(1, 0, i, WELD_RANDOM_AUGMENT), again = r;
        weld_sample_part parts[4];
        weld_sample_plan plans[4];
        for (int k = 0; k < count; k++) {
            parts[k] =
                (weld_sample_part){.index = (int64_t)(i * 5 + (uint64_t)k * 7) % FLAT_IMAGES};
        }
        paint_all(&c, parts, count, width, height, &again);
        const double s = weld_random_range(&again, 1 - scale, 1 + scale);
        const double x = width * weld_random_range(&again, 0.5 - translate, 0.5 + translate);
        const double y = height * weld_random_range(&again, 0.5 - translate, 0.5 + translate);
        make_sample(&t, parts, count, &r, plans, out);
        compare(&c, width, height, s, x, y, out);
    }
}

START_TEST(a_mosaic_is_a_look_at_a_canvas_with_four_images) {
    compare_with_canvas(64, 64, 0.5, 0.1, 4);
    compare_with_canvas(96, 48, 0.9, 0.2, 4);
    compare_with_canvas(64, 64, 0, 0, 4);
}
END_TEST

START_TEST(without_mosaic_it_is_a_look_at_a_letterbox) {
    compare_with_canvas(64, 64, 0.5, 0.1, 1);
    compare_with_canvas(40, 80, 0.9, 0.7, 1); /* not every image is seen */
}
END_TEST

/* --- Turned --- */

/* The same by the formulas of the published ones: in perspective, turned anticlockwise, then
 * sheared. Where the canvas has one colour all around what a pixel shows, it has that one. */
static void compare_turned(const canvas *c, int width, int height, double scale, const double m[4],
                           const double seen[2], const double center[2], const float *out) {
    const double determinant = m[0] * m[3] - m[1] * m[2];
    int compared = 0;
    for (int n = 0; n < width * height; n++) {
        const double x = n % width + 0.5 - center[0], y = n / width + 0.5 - center[1];
        const double p_x = (m[3] * x - m[1] * y) / determinant / scale; /* canvas point / w */
        const double p_y = (m[0] * y - m[2] * x) / determinant / scale;
        const double w = 1 / (1 - seen[0] * p_x - seen[1] * p_y);
        const double u = p_x * w + c->width / 2.0, v = p_y * w + c->height / 2.0;
        const double slope = (fabs(seen[0]) + fabs(seen[1])) * w * fmax(fabs(p_x), fabs(p_y));
        const double reach = 1.5 / scale * w * (1 + slope);
        ck_assert(w > 0);
        const uint8_t around[3] = {PADDING, PADDING, PADDING}, *expected = NULL;
        bool even = true;
        for (int k = 0; k < 25; k++) {
            const double p = u + (k % 5 - 2) / 2.0 * reach, q = v + (k / 5 - 2) / 2.0 * reach;
            const bool inside = p >= 0 && p < c->width && q >= 0 && q < c->height;
            const uint8_t *colour = inside ? c->pixels[(int)q * c->width + (int)p] : around;
            even = even && (!expected || memcmp(expected, colour, 3) == 0);
            expected = colour;
        }
        if (even && !has_colour(out + 3 * n, expected)) {
            ck_abort_msg("at %d: red is %g, not %d", n, (double)out[3 * n] * 255, expected[0]);
        }
        compared += even;
    }
    ck_assert_int_gt(compared, width * height / 3);
}

/* What the colour of an image is seen in lies within the box of all of it. */
static void compare_box(const weld_transform *t, const weld_sample_plan *plan, int64_t index,
                        int width, int height, const float *out) {
    const weld_image_size size = flat_size(index);
    const weld_placement p = weld_transform_placement(t, plan, size.width, size.height);
    double box[4];
    uint8_t colour[3];
    const double area =
        weld_placement_box(&p, (const double[4]){0, 0, size.width, size.height}, box);
    flat_colour(index, false, colour);
    ck_assert_double_eq_tol(area, (p.extent[2] - p.extent[0]) * (p.extent[3] - p.extent[1]), 1e-6);
    for (int n = 0; n < width * height; n++) {
        if (has_colour(out + 3 * n, colour)) {
            ck_assert(n % width + 1 > box[0] - 0.5 && n % width < box[2] + 0.5 &&
                      n / width + 1 > box[1] - 0.5 && n / width < box[3] + 0.5);
        }
    }
}

static void turn_on_canvas(double degrees, double shear, double perspective, int count,
                           bool flips) {
    enum { WIDTH = 96, HEIGHT = 72 };
    const double radian = acos(-1) / 180;
    weld_augmentation a = detection_of(1, 0.4, 0.2);
    a.degrees = degrees;
    a.shear = shear;
    a.perspective = perspective;
    a.hflip = a.vflip = flips;
    const weld_transform t = transform_of(WIDTH, HEIGHT, &a);
    static canvas c;
    static float out[WIDTH * HEIGHT * 3];
    for (uint64_t i = 0; i < MANY / 3; i++) {
        weld_random r = weld_random_start(8, 0, i, WELD_RANDOM_AUGMENT), again = r;
        weld_sample_part parts[4];
        weld_sample_plan plans[4];
        for (int k = 0; k < count; k++) {
            parts[k] =
                (weld_sample_part){.index = (int64_t)(i * 5 + (uint64_t)k * 7) % FLAT_IMAGES};
        }
        paint_all(&c, parts, count, WIDTH, HEIGHT, &again);
        const double s = weld_random_range(&again, 0.6, 1.4);
        double center[2];
        center[0] = WIDTH * weld_random_range(&again, 0.3, 0.7);
        center[1] = HEIGHT * weld_random_range(&again, 0.3, 0.7);
        const double angle = radian * weld_random_range(&again, -degrees, degrees);
        const double sx = tan(radian * weld_random_range(&again, -shear, shear));
        const double sy = tan(radian * weld_random_range(&again, -shear, shear));
        double seen[2] = {0, 0};
        for (int axis = 0; axis < 2 && perspective > 0; axis++) {
            seen[axis] = weld_random_range(&again, -perspective, perspective);
        }
        const double turned[4] = {cos(angle), sin(angle), -sin(angle), cos(angle)};
        double m[4] = {turned[0] + sx * turned[2], turned[1] + sx * turned[3],
                       turned[2] + sy * turned[0], turned[3] + sy * turned[1]};
        if (flips) { /* both: half a turn of the sample */
            center[0] = WIDTH - center[0];
            center[1] = HEIGHT - center[1];
            for (int k = 0; k < 4; k++) {
                m[k] = -m[k];
            }
        }
        make_sample(&t, parts, count, &r, plans, out);
        compare_turned(&c, WIDTH, HEIGHT, s, m, seen, center, out);
        for (int k = 0; k < count; k++) {
            compare_box(&t, &plans[k], parts[k].index, WIDTH, HEIGHT, out);
        }
    }
}

START_TEST(turns_and_shears_are_those_of_the_published_formulas) {
    turn_on_canvas(180, 0, 0, 4, false);
    turn_on_canvas(0, 30, 0, 4, false);
    turn_on_canvas(40, 20, 0, 4, true);
    turn_on_canvas(180, 10, 0, 1, false);
}
END_TEST

START_TEST(so_is_perspective) {
    turn_on_canvas(0, 0, 0.001, 4, false);
    turn_on_canvas(0, 0, 0.001, 1, true);
    turn_on_canvas(180, 20, 0.001, 4, true);
}
END_TEST

/* --- Placements --- */

/* With the flips that a sample has, the pixels of an image are those of its placement's cell, and
 * the point in the middle of the image lies where it says. */
START_TEST(placements_tell_where_images_are_seen) {
    weld_augmentation a = detection_of(1, 0.6, 0.2);
    a.hflip = a.vflip = 0.5;
    const weld_transform t = transform_of(72, 56, &a);
    static float out[72 * 56 * 3];
    int ways = 0, hidden = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        weld_random r = weld_random_start(2, 0, i, WELD_RANDOM_AUGMENT);
        const weld_sample_part parts[4] = {{.index = 0}, {.index = 2}, {.index = 7}, {.index = 8}};
        weld_sample_plan plans[4];
        make_sample(&t, parts, 4, &r, plans, out);
        ways |= 1 << (plans[0].hflip + 2 * plans[0].vflip);
        for (int k = 0; k < 4; k++) {
            const weld_image_size size = flat_size(parts[k].index);
            const weld_placement p =
                weld_transform_placement(&t, &plans[k], size.width, size.height);
            uint8_t colour[3];
            int seen = 0, elsewhere = 0;
            flat_colour(parts[k].index, false, colour);
            ck_assert(plans[k].hflip == plans[0].hflip && plans[k].vflip == plans[0].vflip);
            for (int n = 0; n < 72 * 56; n++) {
                const int x = n % 72, y = n / 72;
                const bool is_its = has_colour(out + 3 * n, colour);
                const bool in_cell = x >= p.cell.x && x < p.cell.x + p.cell.width &&
                                     y >= p.cell.y && y < p.cell.y + p.cell.height;
                seen += is_its;
                elsewhere += is_its != in_cell;
            }
            hidden += seen == 0;
            ck_assert_int_eq(elsewhere, 0);
            ck_assert_int_eq(seen, p.cell.width * p.cell.height);
            for (int axis = 0; axis < 2;
                 axis++) { /* the corners, unless the canvas cuts them off */
                const double begin = p.shift[axis];
                const double end = begin + p.scale[axis] * (axis ? size.height : size.width);
                ck_assert((p.scale[axis] < 0) == (axis ? plans[k].vflip : plans[k].hflip));
                ck_assert(p.extent[axis] >= fmin(begin, end) - 1e-9);
                ck_assert(p.extent[axis + 2] <= fmax(begin, end) + 1e-9);
                ck_assert(p.extent[axis] < p.extent[axis + 2]);
            }
        }
    }
    ck_assert_int_eq(ways, 15);
    ck_assert_int_gt(hidden, 0);
}
END_TEST

/* A canvas cuts images at its edge, whatever is seen of it: of one that is as large as the canvas
 * leaves room for the extent has the rest's size. */
START_TEST(extents_are_what_a_canvas_leaves_of_images) {
    const weld_augmentation a = detection_of(1, 0, 0);
    const weld_transform t = transform_of(64, 64, &a);
    for (uint64_t i = 0; i < MANY; i++) {
        weld_random r = weld_random_start(3, 0, i, WELD_RANDOM_AUGMENT), again = r;
        weld_sample_part parts[4] = {{.index = 2}, {.index = 2}, {.index = 2}, {.index = 2}};
        const weld_image_size sizes[4] = {{64, 64}, {64, 64}, {64, 64}, {64, 64}};
        weld_sample_plan plans[4];
        weld_mosaic_plan(&t, parts, sizes, 4, &r, plans);
        const int y = (int)weld_random_range(&again, 32, 96);
        const int x = (int)weld_random_range(&again, 32, 96);
        const int left = x < 64 ? x : 64, right = 128 - x < 64 ? 128 - x : 64;
        const int above = y < 64 ? y : 64;
        ck_assert_double_eq(plans[0].at.extent[2] - plans[0].at.extent[0], left);
        ck_assert_double_eq(plans[1].at.extent[2] - plans[1].at.extent[0], right);
        ck_assert_double_eq(plans[0].at.extent[3] - plans[0].at.extent[1], above);
        ck_assert_double_eq(plans[2].at.extent[1], y - 32);
        ck_assert_double_eq(plans[3].at.shift[0], x - 32);
        ck_assert_double_eq(plans[0].at.shift[0], x - 64 - 32);
    }
}
END_TEST

/* --- Pixels --- */

/* Of red: where it is on the average, as edges count. */
static void find_centroid(const float *out, int width, int height, double centroid[2]) {
    double sum = 0;
    centroid[0] = centroid[1] = 0;
    for (int n = 0; n < width * height; n++) {
        const double v = (double)out[3 * n];
        sum += v;
        centroid[0] += v * (n % width + 0.5);
        centroid[1] += v * (n / width + 0.5);
    }
    ck_assert_double_gt(sum, 0);
    centroid[0] /= sum;
    centroid[1] /= sum;
}

static void blob_image(uint8_t pixels[32 * 32 * 3]) {
    memset(pixels, 0, 32 * 32 * 3);
    for (int y = 8; y < 12; y++) {
        memset(pixels + (y * 32 + 8) * 3, 255, 4 * 3);
    }
}

static void show(const weld_transform *t, const weld_pixels *image, const weld_sample_plan *plan,
                 float *out) {
    weld_transform_scratch scratch = {0};
    weld_random random = weld_random_start(1, 0, 0, WELD_RANDOM_TEST), erase = random;
    const weld_decoded_part part = weld_part_of_image(image, &plan->crop);
    ck_assert_int_eq(
        weld_transform_training(t, plan, &part, 1, &random, &erase, &scratch, out, NULL), WELD_OK);
    weld_transform_scratch_free(&scratch);
}

/* A blob of 4 x 4 at 8..12 of 32, halved about the centre: its middle comes to lie at 13, and not
 * a quarter of a pixel further, where maps from pixel to pixel put it. */
START_TEST(pixels_and_boxes_do_not_drift_apart) {
    const weld_augmentation a = detection_of(0, 0.5, 0);
    weld_transform t = transform_of(32, 32, &a);
    uint8_t pixels[32 * 32 * 3];
    const weld_pixels image = {pixels, 32, 32, 32 * 3};
    static float out[32 * 32 * 3];
    double centroid[2];
    blob_image(pixels);
    memset(t.preprocessing.padding, 0, 3);
    const weld_sample_plan half = {.crop = {0, 0, 32, 32},
                                   .reduction = 1,
                                   .cell = {0, 0, 32, 32},
                                   .to = {8, 8, 16, 16},
                                   .frame = {0, 0, 32, 32},
                                   .at = {.width = 32,
                                          .height = 32,
                                          .scale = {0.5, 0.5},
                                          .shift = {8, 8},
                                          .cell = {8, 8, 16, 16}}};
    show(&t, &image, &half, out);
    find_centroid(out, 32, 32, centroid);
    ck_assert_double_eq_tol(centroid[0], 13, 0.02);
    ck_assert_double_eq_tol(centroid[1], 13, 0.02);
    /* by any factor, anywhere, then turned too, then in perspective */
    for (uint64_t i = 0; i < 3 * MANY; i++) {
        weld_random r = weld_random_start(4, 0, i, WELD_RANDOM_AUGMENT);
        const weld_sample_part part = {.index = 0};
        const weld_image_size size = {32, 32};
        weld_sample_plan plan;
        t.augmentation.translate = 0.05;
        t.augmentation.degrees = i < MANY ? 0 : 45;
        t.augmentation.hflip = i < MANY ? 0 : 0.5;
        t.augmentation.perspective = i < 2 * MANY ? 0 : 0.005; /* of so small an image: much */
        weld_mosaic_plan(&t, &part, &size, 1, &r, &plan);
        show(&t, &image, &plan, out);
        find_centroid(out, 32, 32, centroid);
        const weld_placement p = weld_transform_placement(&t, &plan, 32, 32);
        const double u = p.scale[0] * 10 + p.shift[0], v = p.scale[1] * 10 + p.shift[1];
        const double point[4] = {10, 10, 10, 10};
        double at[4];
        weld_placement_box(&p, point, at);
        ck_assert(p.turned || (at[0] == u && at[1] == v));
        /* in perspective a blob's middle is not quite that of what is seen of it */
        const double most = i < 2 * MANY ? 0.1 : 0.15;
        ck_assert_double_eq_tol(centroid[0], at[0], most);
        ck_assert_double_eq_tol(centroid[1], at[1], most);
    }
}
END_TEST

static weld_sample_plan draw_plan(const weld_transform *t, const weld_image *image,
                                  uint64_t number) {
    weld_random r = weld_random_start(7, 0, number, WELD_RANDOM_AUGMENT);
    const weld_sample_part part = {.index = 0};
    const weld_image_size size = {image->width, image->height};
    weld_sample_plan plan;
    weld_mosaic_plan(t, &part, &size, 1, &r, &plan);
    return plan;
}

/* Of a photo a sample needs the crop of its plan alone: all of it gives the same, but for the
 * rounding of weights. */
START_TEST(a_crop_has_all_that_is_looked_at) {
    const weld_augmentation a = detection_of(0, 0.9, 0.6);
    const weld_transform t = transform_of(64, 64, &a);
    weld_image image = decode_fixture("photo.jpg");
    const weld_pixels pixels = weld_image_pixels(&image);
    static float cropped[64 * 64 * 3], whole[64 * 64 * 3];
    int smaller = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        weld_sample_plan plan = draw_plan(&t, &image, i);
        if (plan.to.width && plan.to.height) {
            smaller += plan.crop.width < image.width;
            show(&t, &pixels, &plan, cropped);
            plan.crop = (weld_rectangle){0, 0, image.width, image.height};
            show(&t, &pixels, &plan, whole);
            float largest = 0;
            for (int n = 0; n < 64 * 64 * 3; n++) {
                largest = fmaxf(largest, fabsf(cropped[n] - whole[n]));
            }
            ck_assert_float_lt(largest, 1.01f / 255);
        }
    }
    ck_assert_int_gt(smaller, 10);
    weld_image_free(&image);
}
END_TEST

/* By how many pixels, across (step 1) or down (step: a row's), `b` is off from `a`: what least
 * squares make of the difference and the gradient. */
static double displacement(const float *a, const float *b, int side, int step) {
    double product = 0, square = 0;
    for (int y = 1; y < side - 1; y++) {
        for (int n = (y * side + 1) * 3; n < (y * side + side - 1) * 3; n++) {
            const double gradient = ((double)a[n + 3 * step] - (double)a[n - 3 * step]) / 2;
            product += gradient * ((double)a[n] - (double)b[n]);
            square += gradient * gradient;
        }
    }
    return product / square;
}

/* A JPEG that is decoded at a part of its size shows everything where it is: by a quarter of a
 * pixel to any side, it is further from what all of its pixels show. */
START_TEST(reduced_decoding_shows_things_in_the_same_place) {
    enum { SIDE = 40, COUNT = SIDE * SIDE * 3 };
    const weld_augmentation a = detection_of(0, 0.9, 0.3);
    const weld_transform t = transform_of(SIDE, SIDE, &a);
    weld_image image = decode_fixture("photo.jpg"), memory = {0};
    weld_transform_scratch scratch = {0};
    const weld_pixels pixels = weld_image_pixels(&image);
    static float reduced[COUNT], whole[COUNT];
    size_t size;
    unsigned char *bytes = read_image_fixture("photo.jpg", &size);
    int seen[9] = {0};
    for (uint64_t i = 0; i < MANY; i++) {
        weld_sample_plan plan = draw_plan(&t, &image, i);
        weld_random random = weld_random_start(1, 0, 0, WELD_RANDOM_TEST), erase = random;
        weld_decoded_part part;
        if (plan.to.width < 8 || plan.to.height < 8 || plan.reduction == 1) {
            continue;
        }
        ck_assert(
            !weld_decode_part(bytes, size, &plan.crop, plan.reduction, 0, &memory, &part, NULL));
        ck_assert(!weld_transform_training(&t, &plan, &part, 1, &random, &erase, &scratch, reduced,
                                           NULL));
        plan.crop = (weld_rectangle){0, 0, image.width, image.height};
        show(&t, &pixels, &plan, whole);
        ck_assert_double_lt(fabs(displacement(whole, reduced, SIDE, 1)), 0.1);
        ck_assert_double_lt(fabs(displacement(whole, reduced, SIDE, SIDE)), 0.1);
        seen[plan.reduction]++;
    }
    ck_assert(seen[2] > 5 && seen[4] > 5);
    weld_transform_scratch_free(&scratch);
    weld_image_free(&memory);
    weld_image_free(&image);
    free(bytes);
}
END_TEST

/* Nothing of it at all is what evaluation shows, to the bit. */
START_TEST(without_anything_at_random_it_is_evaluation) {
    const char *const names[] = {"photo.jpg", "rgb.png", "one_pixel.jpg", "grey.jpg"};
    const int sides[][2] = {{32, 32}, {24, 56}, {300, 200}};
    const weld_augmentation a = detection_of(0, 0, 0);
    for (int i = 0; i < 12; i++) {
        const int width = sides[i % 3][0], height = sides[i % 3][1];
        const weld_transform t = transform_of(width, height, &a);
        weld_image image = decode_fixture(names[i / 3]);
        weld_transform_scratch scratch = {0};
        weld_random r = weld_random_start(5, 0, 0, WELD_RANDOM_AUGMENT);
        const weld_sample_part part = {.index = 0};
        const weld_image_size size = {image.width, image.height};
        const weld_pixels pixels = weld_image_pixels(&image);
        static float expected[300 * 200 * 3], got[300 * 200 * 3];
        weld_sample_plan plan;
        weld_mosaic_plan(&t, &part, &size, 1, &r, &plan);
        show(&t, &pixels, &plan, got);
        ck_assert_int_eq(weld_transform_evaluation(&t, &image, &scratch, expected, NULL), WELD_OK);
        ck_assert_int_eq(memcmp(got, expected, (size_t)(width * height * 3) * sizeof *got), 0);
        weld_transform_scratch_free(&scratch);
        weld_image_free(&image);
    }
}
END_TEST

/* Flat images one over the other: every pixel is in the same share between two colours, and shares
 * are beta(32, 32)'s: 1/2 on the average, with a deviation of 0.062. */
START_TEST(blends_are_of_two_pictures_in_shares_about_half) {
    weld_augmentation a = detection_of(0, 0, 0);
    a.blend = 1;
    const weld_transform t = transform_of(64, 64, &a);
    static float out[64 * 64 * 3];
    double sum = 0, squares = 0;
    enum { SAMPLES = 300 };
    for (uint64_t i = 0; i < SAMPLES; i++) {
        weld_random r = weld_random_start(6, 0, i, WELD_RANDOM_AUGMENT);
        const weld_sample_part parts[2] = {{.index = 2}, {.index = 8, .layer = 1}};
        weld_sample_plan plans[2];
        uint8_t first[3], second[3];
        make_sample(&t, parts, 2, &r, plans, out);
        flat_colour(2, false, first);
        flat_colour(8, false, second);
        const double middle = (double)out[32 * 64 * 3] * 255, top = (double)out[0] * 255;
        const double share = (middle - second[0]) / (first[0] - second[0]);
        ck_assert_double_eq_tol(top, share * first[0] + (1 - share) * PADDING, 2);
        ck_assert_double_eq_tol(middle, floor(middle + 0.5), 1e-4);
        sum += share;
        squares += share * share;
    }
    ck_assert_double_eq_tol(sum / SAMPLES, 0.5, 0.02);
    ck_assert_double_eq_tol(sqrt(squares / SAMPLES - sum / SAMPLES * sum / SAMPLES), 0.062, 0.01);
}
END_TEST

/* --- Letterboxes --- */

/* At 640: left, right, above and below, as YOLO's are for an image of this size. */
START_TEST(letterboxes_of_evaluation_are_those_of_yolo) {
    const int cases[][6] = {{640, 480, 0, 0, 80, 80},
                            {500, 375, 0, 0, 80, 80},
                            {427, 640, 106, 107, 0, 0},
                            {333, 500, 107, 107, 0, 0},
                            {1920, 1080, 0, 0, 140, 140}};
    const weld_augmentation a = detection_of(0, 0, 0);
    const weld_transform t = transform_of(640, 640, &a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int *c = cases[i];
        const weld_placement p = weld_transform_evaluation_placement(&t, c[0], c[1]);
        ck_assert_double_eq(p.extent[0], c[2]);
        ck_assert_double_eq_tol(p.extent[2], 640 - c[3], 1e-9);
        ck_assert_double_eq(p.extent[1], c[4]);
        ck_assert_double_eq_tol(p.extent[3], 640 - c[5], 1e-9);
    }
}
END_TEST

/* A point of an image there and back, for every length of a side. */
START_TEST(letterboxes_are_undone_exactly) {
    const weld_augmentation a = detection_of(0, 0, 0);
    const weld_transform t = transform_of(1280, 1280, &a);
    for (int side = 1; side <= 2000; side++) {
        const weld_placement p = weld_transform_evaluation_placement(&t, 1571, side);
        const double whole[2] = {1571, side};
        for (int axis = 0; axis < 2; axis++) {
            const double low = p.extent[axis], high = p.extent[axis + 2];
            ck_assert(low == floor(low) && fabs(high - nearbyint(high)) < 1e-9);
            ck_assert(low >= 0 && high <= 1280 + 1e-9);
            ck_assert_double_eq_tol((low - p.shift[axis]) / p.scale[axis], 0, 1e-9);
            ck_assert_double_eq_tol((nearbyint(high) - p.shift[axis]) / p.scale[axis], whole[axis],
                                    1e-9);
        }
    }
}
END_TEST

RUN_SUITE("data/mosaic", a_mosaic_is_a_look_at_a_canvas_with_four_images,
          without_mosaic_it_is_a_look_at_a_letterbox,
          turns_and_shears_are_those_of_the_published_formulas, so_is_perspective,
          placements_tell_where_images_are_seen, extents_are_what_a_canvas_leaves_of_images,
          pixels_and_boxes_do_not_drift_apart, a_crop_has_all_that_is_looked_at,
          reduced_decoding_shows_things_in_the_same_place,
          without_anything_at_random_it_is_evaluation,
          blends_are_of_two_pictures_in_shares_about_half,
          letterboxes_of_evaluation_are_those_of_yolo, letterboxes_are_undone_exactly)
