/* Batches of samples of kind detection: what is said of their images, epochs, threads, seeds. */
#include "data/mosaics.h"
#include "suite.h"

enum { WIDTH = 64, HEIGHT = 48, FLOATS = WIDTH * HEIGHT * 3, BATCH = 6, BATCHES = 2 };

/* --- One box, all of the image --- */

typedef struct said {
    int64_t index;
    double box[4];        /* what is seen of it */
    double before, after; /* areas: of what there is of it, of that */
} said;

static weld_status read_box(const weld_dataset *ds, int64_t index, weld_array *out,
                            weld_error *err) {
    const said s = {.index = index};
    (void)ds, (void)err;
    ck_assert(weld_array_append(out, &s, 1));
    return WELD_OK;
}

static double area(const double box[4]) {
    return fmax(0, box[2] - box[0]) * fmax(0, box[3] - box[1]);
}

static void cut(double box[4], const double by[4]) {
    for (int i = 0; i < 2; i++) {
        box[i] = fmax(box[i], by[i]);
        box[i + 2] = fmin(box[i + 2], by[i + 2]);
    }
}

static void place_box(weld_array *elements, size_t first, const weld_placement *p) {
    said *s = (said *)elements->data + first;
    const double cell[4] = {p->cell.x, p->cell.y, p->cell.x + p->cell.width,
                            p->cell.y + p->cell.height};
    ck_assert_uint_eq(elements->count, first + 1);
    for (int axis = 0; axis < 2; axis++) {
        const double begin = p->shift[axis];
        const double end = begin + p->scale[axis] * (axis ? p->height : p->width);
        s->box[axis] = fmin(begin, end);
        s->box[axis + 2] = fmax(begin, end);
    }
    cut(s->box, p->extent);
    s->before = area(s->box);
    cut(s->box, cell);
    s->after = area(s->box);
}

static const weld_annotation boxes = {
    .element = sizeof(said), .read = read_box, .place = place_box};

/* --- Loaders --- */

static weld_loader_options options_of(const weld_augmentation *a) {
    return (weld_loader_options){.preprocessing = letterbox_of(WIDTH, HEIGHT),
                                 .augmentation = *a,
                                 .batch_size = BATCH,
                                 .seed = 7,
                                 .shuffle = true,
                                 .annotation = &boxes,
                                 .threads = 2};
}

static weld_loader *create(const weld_dataset *ds, const weld_loader_options *o) {
    weld_loader *l;
    weld_error err;
    ck_assert_msg(!weld_loader_create(ds, o, &l, &err), "%s", err.message);
    return l;
}

typedef struct loaded {
    float images[BATCH * FLOATS];
    weld_batch batch;
} loaded;

static void load(weld_loader *l, uint32_t epoch, int64_t batch, loaded *out) {
    weld_error err;
    ck_assert_msg(!weld_loader_train_batch(l, epoch, batch, NULL, out->images, &out->batch, &err),
                  "%s", err.message);
    ck_assert_int_eq(out->batch.count, BATCH);
}

/* The image that a pixel is of; -1: the padding. */
static int64_t image_at(const float *sample, int x, int y) {
    const float *pixel = sample + (y * WIDTH + x) * 3;
    for (int64_t i = 0; i < FLAT_IMAGES; i++) {
        uint8_t colour[3];
        flat_colour(i, false, colour);
        if (pixel[0] == (float)colour[0] / 255.0f && pixel[1] == (float)colour[1] / 255.0f) {
            return i;
        }
    }
    if (pixel[0] != (float)PADDING / 255.0f) {
        ck_abort_msg("a pixel of no image at %d, %d", x, y);
    }
    return -1;
}

static int count_images(const float *sample) {
    bool seen[FLAT_IMAGES] = {false};
    int count = 0;
    for (int n = 0; n < WIDTH * HEIGHT; n++) {
        const int64_t image = image_at(sample, n % WIDTH, n / WIDTH);
        count += image >= 0 && !seen[image];
        seen[image < 0 ? 0 : image] |= image >= 0;
    }
    return count;
}

/* --- Tests --- */

/* No more of them than images, none outside, each on the pixels of its image and on all of them,
 * within the half of a pixel by which edges are off. */
START_TEST(boxes_lie_on_their_images) {
    test_folder f = make_flat_images(false);
    weld_dataset *ds = open_dataset(f.path);
    weld_augmentation a = detection_of(0.8, 0.5, 0.1);
    a.hflip = a.vflip = 0.5;
    const weld_loader_options o = options_of(&a);
    weld_loader *l = create(ds, &o);
    static loaded got;
    int four = 0, cut_off = 0, partners[FLAT_IMAGES] = {0};
    for (uint32_t epoch = 0; epoch < 12; epoch++) {
        for (int64_t b = 0; b < BATCHES; b++) {
            load(l, epoch, b, &got);
            for (int i = 0; i < BATCH; i++) {
                const weld_array *all = &got.batch.annotations[i];
                ck_assert(all->count <= 4);
                for (size_t k = 0; k < all->count; k++) {
                    const said *s = (const said *)all->data + k;
                    const int x = (int)((s->box[0] + s->box[2]) / 2);
                    const int y = (int)((s->box[1] + s->box[3]) / 2);
                    ck_assert(s->box[0] >= 0 && s->box[2] <= WIDTH && s->box[0] < s->box[2]);
                    ck_assert(s->box[1] >= 0 && s->box[3] <= HEIGHT && s->box[1] < s->box[3]);
                    ck_assert(s->after > 0 && s->after <= s->before * (1 + 1e-9));
                    ck_assert_int_eq(image_at(got.images + i * FLOATS, x, y), s->index);
                    cut_off += s->after < 0.1 * s->before;
                    partners[s->index]++;
                }
                four += all->count == 4;
            }
        }
    }
    ck_assert_int_gt(four, 10);
    ck_assert_int_gt(cut_off, 0);
    for (int i = 0; i < FLAT_IMAGES; i++) {
        ck_assert_int_gt(partners[i], 12); /* more than by its turns alone */
    }
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(blended_samples_have_the_boxes_of_both) {
    test_folder f = make_flat_images(false);
    weld_dataset *ds = open_dataset(f.path);
    weld_augmentation a = detection_of(1, 0, 0);
    a.blend = 1;
    const weld_loader_options o = options_of(&a);
    weld_loader *l = create(ds, &o);
    static loaded got;
    size_t most = 0;
    for (uint32_t epoch = 0; epoch < 10; epoch++) {
        load(l, epoch, 0, &got);
        for (int i = 0; i < BATCH; i++) {
            const size_t count = got.batch.annotations[i].count;
            ck_assert_uint_ge(count, 2);
            ck_assert_uint_le(count, 8);
            most = count > most ? count : most;
        }
    }
    ck_assert_uint_gt(most, 5);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* The last epochs have samples of one image each, for who starts there as well. */
START_TEST(mosaics_end_before_the_run_does) {
    test_folder f = make_flat_images(false);
    weld_dataset *ds = open_dataset(f.path);
    weld_augmentation a = detection_of(1, 0.3, 0.1);
    a.close_mosaic = 2;
    a.blend = 0;
    weld_loader_options o = options_of(&a);
    o.epochs = 5;
    weld_loader *l = create(ds, &o);
    static loaded got, again;
    for (uint32_t epoch = 0; epoch < 5; epoch++) {
        weld_loader *later = create(ds, &o);
        int several = 0;
        for (int64_t b = 0; b < BATCHES; b++) {
            load(l, epoch, b, &got);
            load(later, epoch, b, &again);
            ck_assert_mem_eq(got.images, again.images, sizeof got.images);
            for (int i = 0; i < BATCH; i++) {
                const int images = count_images(got.images + i * FLOATS);
                several += images > 1;
                ck_assert(epoch < 3 || images == 1);
                ck_assert(epoch < 3 || got.batch.annotations[i].count == 1);
            }
        }
        ck_assert((several > BATCH) == (epoch < 3));
        weld_loader_free(later);
    }
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(samples_depend_on_the_seed_and_not_on_threads) {
    test_folder f = make_flat_images(false);
    weld_dataset *ds = open_dataset(f.path);
    weld_augmentation a = weld_augmentation_defaults();
    a.kind = WELD_AUGMENT_DETECTION;
    a.blend = 0.5;
    a.repeats = 1;
    static loaded got[3];
    for (int i = 0; i < 3; i++) {
        weld_loader_options o = options_of(&a);
        o.threads = i == 1 ? 5 : 1;
        o.seed = i == 2 ? 8 : 7;
        o.shuffle = false;
        weld_loader *l = create(ds, &o);
        load(l, 1, i == 1 ? 0 : 1, &got[i]); /* what came before does not matter */
        load(l, 3, 1, &got[i]);
        weld_loader_free(l);
    }
    ck_assert_mem_eq(got[0].images, got[1].images, sizeof got[0].images);
    for (int i = 0; i < BATCH; i++) {
        ck_assert_mem_ne(got[0].images + i * FLOATS, got[2].images + i * FLOATS,
                         FLOATS * sizeof(float));
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(grey_images_make_grey_samples) {
    test_folder f = make_flat_images(true);
    weld_dataset *ds = open_dataset(f.path);
    weld_augmentation a = weld_augmentation_defaults();
    a.kind = WELD_AUGMENT_DETECTION;
    a.blend = 0.5;
    a.hsv[0] = 1;
    const weld_loader_options o = options_of(&a);
    weld_loader *l = create(ds, &o);
    static loaded got;
    int coloured = 0;
    load(l, 0, 0, &got);
    for (int n = 0; n < BATCH * WIDTH * HEIGHT; n++) {
        const float *pixel = got.images + 3 * n;
        coloured += pixel[0] != pixel[1] || pixel[1] != pixel[2];
    }
    ck_assert_int_eq(coloured, 0);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

static void count_bad(void *arg, int64_t index, const char *reason) {
    (void)index;
    ck_assert_ptr_nonnull(strstr(reason, "05.png"));
    (*(int *)arg)++;
}

START_TEST(a_bad_image_of_a_mosaic_is_reported_and_replaced) {
    test_folder f = make_flat_images(false);
    test_put_file(&f, "all/05.png", "no image");
    weld_dataset *ds = open_dataset(f.path);
    const weld_augmentation a = detection_of(1, 0.5, 0.1);
    int bad = 0, shown = 0;
    weld_loader_options o = options_of(&a);
    o.bad_image = count_bad;
    o.bad_image_arg = &bad;
    weld_loader *l = create(ds, &o);
    static loaded got;
    for (uint32_t epoch = 0; epoch < 6; epoch++) {
        load(l, epoch, 0, &got);
        for (int n = 0; n < BATCH * WIDTH * HEIGHT; n++) {
            shown += image_at(got.images + n / (WIDTH * HEIGHT) * FLOATS, n % WIDTH,
                              n / WIDTH % HEIGHT) == 5;
        }
    }
    ck_assert_int_eq(shown, 0);
    ck_assert_int_gt(bad, 3); /* more often than it had its turn */
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_has_no_place_in_images_is_refused) {
    const weld_annotation labels = {.element = sizeof(said), .read = read_box};
    test_folder f = make_flat_images(false);
    weld_dataset *ds = open_dataset(f.path);
    const weld_augmentation a = detection_of(1, 0.5, 0.1);
    weld_loader_options o = options_of(&a);
    weld_loader *l;
    weld_error err;
    o.annotation = &labels;
    ck_assert_int_eq(weld_loader_create(ds, &o, &l, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "kind detection"));
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/mosaic_loader", boxes_lie_on_their_images, blended_samples_have_the_boxes_of_both,
          mosaics_end_before_the_run_does, samples_depend_on_the_seed_and_not_on_threads,
          grey_images_make_grey_samples, a_bad_image_of_a_mosaic_is_reported_and_replaced,
          what_has_no_place_in_images_is_refused)
