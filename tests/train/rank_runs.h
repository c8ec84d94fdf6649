/* Runs that several processes share out, for tests: by sockets, with threads that differ from rank
 * to rank, on data of which one image is damaged. Define _GNU_SOURCE before including. */
#ifndef WELD_TESTS_RANK_RUNS_H
#define WELD_TESTS_RANK_RUNS_H

#include "distributed/ranks.h"
#include "train/tiny_run.h"
#include "train/trainer_open.h"

/* 42 images: two updates of six batches of three an epoch. */
static const char everything[] =
    "model: {name: repvit, channels: [8, 8], depths: [1, 1], stem_stride: 1, drop_path: 0.1,\n"
    "        dropout: 0.1}\n"
    "data: {train: %s/train.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1,\n"
    "       sampling: sqrt}\n"
    "augment: {kind: small, repeats: 2, mixup: 0.8, cutmix: 1}\n"
    "optimizer: {lr: 0.01, lr_batch: 8, clip: 0.02, clip_mode: agc}\n"
    "schedule: {warmup_epochs: 1}\n"
    "train: {epochs: 3, batch_size: 3, accumulate: 6, seed: 7, checkpoint_every: 1, keep: 1,\n"
    "        ema_decay: 0.8, precision: fp32}\n";

/* Damage a sample of raw pixels: its CRC is wrong. */
static inline void damage(const char *path, int sample) {
    size_t size;
    uint64_t images;
    unsigned char *bytes = test_read_file(path, &size);
    memcpy(&images, bytes + 24, sizeof images); /* where they are: formats/packed.h */
    bytes[images + (size_t)sample * SIDE * SIDE * 3] ^= 1;
    test_write_file(path, (const char *)bytes, size);
    free(bytes);
}

/* BASE/all.yaml, with everything on. */
static inline void set_up_everything(void) {
    char text[1024];
    set_up();
    damage(in_base("train.h5"), 5);
    snprintf(text, sizeof text, everything, base, base, SIDE);
    write_text(in_base("all.yaml"), text);
}

/* As rank of a group: the run must end well. */
static void run_rank(weld_group *group, void *context) {
    run_options o = *(const run_options *)context;
    o.group = group;
    o.threads = o.threads ? o.threads : 1 + weld_group_rank(group) % 3;
    if (run(o)) {
        fprintf(stderr, "rank %d: %s\n", weld_group_rank(group), err.message);
        exit(97);
    }
}

/* The trainer of BASE/all.yaml, one in a process, as rank of a group with one thread; it writes to
 * BASE/OUT. To be closed and freed. */
static inline weld_trainer *open_trainer(weld_group *group, const char *out,
                                         weld_train_callbacks callbacks) {
    static char recipe[128], folder[128];
    static weld_train_settings s; /* which it keeps */
    s = weld_train_defaults();
    weld_trainer *t = malloc(sizeof *t);
    snprintf(recipe, sizeof recipe, "%s/all.yaml", base);
    snprintf(folder, sizeof folder, "%s/%s", base, out);
    s.recipe = recipe;
    s.out = folder;
    s.threads = 1;
    s.group = group;
    s.callbacks = callbacks;
    EXPECT(weld_trainer_open(t, &s, false, &err) == WELD_OK);
    return t;
}

static inline void run_over(int ranks, run_options o) {
    const ranks_options r = {.size = ranks, .disorder = (unsigned)ranks};
    ck_assert(run_group(&r, run_rank, &o));
}

static inline void assert_same_file(const char *a, const char *b, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", a, name);
    char *x = read_text(in_base(path));
    snprintf(path, sizeof path, "%s/%s", b, name);
    char *y = read_text(in_base(path));
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
}

static inline void assert_same_end(const char *a, const char *b) {
    assert_same_run(a, b);
    assert_same_file(a, b, "evaluation.json");
    assert_same_file(a, b, "recipe.yaml");
}

#endif
