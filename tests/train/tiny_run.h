/* Training runs for tests: generated data, the smallest network, and a look at what a run left.
 *
 * The data are 42 and 13 packed images of 8x8 in four classes. Define _GNU_SOURCE before including.
 */
#ifndef WELD_TESTS_TINY_RUN_H
#define WELD_TESTS_TINY_RUN_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "serialization/model_file.h"
#include "formats/packed.h"
#include "files.h"
#include "suite.h"
#include "weld/train.h"

enum { SIDE = 8, CLASSES = 4, STEPS_PER_EPOCH = 5 };

static test_folder tiny_folder;
static char *const base = tiny_folder.path;

/* --- Data and recipe --- */

static inline const char *in_base(const char *name) {
    return test_path(&tiny_folder, name);
}

/* Noise around a colour of the class. */
static inline void write_classes(const char *path, const char *const *names, int classes, int count,
                                 uint64_t seed) {
    weld_packed_layout layout = {.height = SIDE, .width = SIDE, .channels = 3};
    weld_packed_writer *w;
    weld_error err;
    unsigned char pixels[SIDE * SIDE * 3];
    ck_assert_msg(!weld_packed_writer_create(path, layout, names, classes, &w, &err), "%s",
                  err.message);
    for (int i = 0; i < count; i++) {
        weld_random r = weld_random_start(seed, 0, (uint64_t)i, WELD_RANDOM_TEST);
        char name[32];
        for (size_t p = 0; p < sizeof pixels; p++) {
            int middle = 60 + 45 * ((i % classes + (int)(p % 3)) % CLASSES);
            pixels[p] = (unsigned char)(middle - 40 + (int)weld_random_below(&r, 80));
        }
        snprintf(name, sizeof name, "%s/%03d.png", names[i % classes], i);
        ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, i % classes, name, &err),
                         WELD_OK);
    }
    ck_assert_msg(!weld_packed_writer_finish(w, &err), "%s", err.message);
    weld_packed_writer_free(w);
}

static inline void write_data(const char *path, int count, uint64_t seed) {
    static const char *const names[CLASSES] = {"ant", "bee", "cat", "dog"};
    write_classes(path, names, CLASSES, count, seed);
}

static inline void write_text(const char *path, const char *text) {
    test_write_file(path, text, strlen(text));
}

/* A new folder with train.h5, val.h5 and tiny.yaml. Batches of 8 out of 42: two are left over. */
static inline void set_up(void) {
    char text[1024];
    tiny_folder = test_folder_create();
    write_data(in_base("train.h5"), 42, 1);
    write_data(in_base("val.h5"), 13, 2);
    snprintf(text, sizeof text,
             "model: {name: repvit, channels: [8], depths: [1], stem_stride: 1}\n"
             "data: {train: %s/train.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1}\n"
             "augment: {kind: small, auto_augment: null, color_jitter: null,\n"
             "          random_erasing: null, cutmix: null, repeats: 1}\n"
             "optimizer: {lr: 0.01, lr_batch: 8, clip: null}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 3, batch_size: 8, seed: 7, checkpoint_every: 2, ema_decay: null}\n",
             base, base, SIDE);
    write_text(in_base("tiny.yaml"), text);
}

static inline void tear_down(void) {
    test_folder_remove(tiny_folder);
}

/* --- Running --- */

typedef struct run_options {
    const char *out;
    const char *set[8];
    bool resume;
    int threads;
    int64_t stop_at;        /* updates; 0: never */
    int stop_in_evaluation; /* number from 1; 0: never */
    const char *init;       /* a file in base */
    const char *recipe;     /* likewise; NULL: tiny.yaml */
    int extend;             /* epochs; 0: not */
    const char *init_key;
    const char *data; /* --data */
    weld_group *group;
    bool mixed;
} run_options;

typedef struct watcher {
    int64_t stop_at, step;
    int stop_in_evaluation;
    bool evaluating;
    char messages[4096];
    weld_train_start start;
    int evaluations;
    atomic_int evaluated; /* data sets: by the weights, by their average */
    char note[200];       /* of the latest epoch */
} watcher;

static watcher seen;

static inline void on_start(void *context, const weld_train_start *start) {
    ((watcher *)context)->start = *start;
}

static inline void on_step(void *context, const weld_train_progress *p) {
    ((watcher *)context)->step = p->step;
}

static inline void on_evaluation(void *context, const weld_train_evaluation *e) {
    watcher *w = context;
    w->evaluations += e->done;
    w->evaluated += !e->done && e->images_done == e->images;
    snprintf(w->note, sizeof w->note, "%s", e->done ? e->note : "");
    w->evaluating = !e->done;
}

static inline void on_message(void *context, const char *text) {
    watcher *w = context;
    size_t used = strlen(w->messages);
    snprintf(w->messages + used, sizeof w->messages - used, "%s\n", text);
}

static inline bool on_stop(void *context) {
    const watcher *w = context;
    return (w->stop_at && w->step >= w->stop_at) ||
           (w->evaluating && w->stop_in_evaluation == w->evaluations + 1);
}

static weld_train_result result;
static weld_error err;

static inline weld_status run(run_options o) {
    char out[256], recipe[256], init[256];
    weld_train_settings s = weld_train_defaults();
    memset(&seen, 0, sizeof seen);
    memset(&result, 0, sizeof result);
    memset(&err, 0, sizeof err);
    seen.stop_at = o.stop_at;
    seen.stop_in_evaluation = o.stop_in_evaluation;
    snprintf(out, sizeof out, "%s/%s", base, o.out);
    snprintf(recipe, sizeof recipe, "%s/%s", base, o.recipe ? o.recipe : "tiny.yaml");
    snprintf(init, sizeof init, "%s/%s", base, o.init ? o.init : "");
    s.recipe = recipe;
    s.out = out;
    s.set = o.set;
    while (s.set_count < 8 && o.set[s.set_count]) {
        s.set_count++;
    }
    s.resume = o.resume;
    s.extend = o.extend;
    s.init_key = o.init_key;
    s.data = o.data;
    s.group = o.group;
    s.mixed = o.mixed;
    s.threads = o.threads ? o.threads : 1; /* quick on a busy machine */
    s.init = o.init ? init : NULL;
    s.callbacks = (weld_train_callbacks){.context = &seen,
                                         .started = on_start,
                                         .stepped = on_step,
                                         .evaluated = on_evaluation,
                                         .message = on_message,
                                         .stop = on_stop};
    return weld_train_run(&s, &result, &err);
}

static inline void run_well(run_options o) {
    ck_assert_msg(run(o) == WELD_OK, "%s", err.message);
}

/* In a child, with output thrown away; returns its process id. */
static inline pid_t start_child(run_options o) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(run(o) == WELD_OK ? 0 : 1);
    }
    return child;
}

/* --- Looking at what a run left --- */

static inline char *read_text(const char *path) {
    size_t size;
    return (char *)test_read_file(path, &size);
}

/* The rows of metrics.jsonl without the keys that depend on the clock. */
static inline json_t *rows_of(const char *out) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", base, out);
    char *text = read_text(path), *rest = NULL;
    json_t *rows = json_array();
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *row = json_loads(line, 0, NULL);
        ck_assert_msg(json_is_object(row), "not JSON: %s", line);
        const char *key;
        json_t *value;
        void *next;
        json_object_foreach_safe(row, next, key, value) {
            if (strstr(key, "second")) {
                json_object_del(row, key);
            }
        }
        json_array_append_new(rows, row);
    }
    free(text);
    return rows;
}

static inline void assert_same_rows(const char *a, const char *b) {
    json_t *x = rows_of(a), *y = rows_of(b);
    ck_assert_uint_eq(json_array_size(x), json_array_size(y));
    for (size_t i = 0; i < json_array_size(x); i++) {
        char *p = json_dumps(json_array_get(x, i), JSON_SORT_KEYS);
        char *q = json_dumps(json_array_get(y, i), JSON_SORT_KEYS);
        ck_assert_str_eq(p, q);
        free(p);
        free(q);
    }
    json_decref(x);
    json_decref(y);
}

static inline void assert_same_tensors(const weld_weights *a, const weld_weights *b) {
    ck_assert_uint_eq(weld_weights_count(a), weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y;
        ck_assert(weld_weights_find(b, weld_weights_name(a, i), &y));
        ck_assert(weld_shape_equal(&x.shape, &y.shape));
        ck_assert_mem_eq(x.data, y.data, weld_tensor_bytes(&x));
    }
}

static inline weld_model_file open_checkpoint(const char *out, const char *name) {
    char path[512];
    weld_model_file file;
    snprintf(path, sizeof path, "%s/%s/%s", base, out, name);
    ck_assert_msg(!weld_model_file_read(path, &file, &err), "%s", err.message);
    return file;
}

static inline void assert_same_run(const char *a, const char *b) {
    static const char *const names[] = {"last.h5", "best.h5"};
    assert_same_rows(a, b);
    for (size_t i = 0; i < 2; i++) {
        weld_model_file x = open_checkpoint(a, names[i]), y = open_checkpoint(b, names[i]);
        assert_same_tensors(x.weights, y.weights);
        ck_assert_str_eq(x.summary, y.summary);
        ck_assert_int_eq(x.trainer.step, y.trainer.step);
        ck_assert_int_eq(x.ema == NULL, y.ema == NULL);
        if (x.ema) {
            assert_same_tensors(x.ema, y.ema);
        }
        if (i == 0) {
            assert_same_tensors(x.moment1, y.moment1);
            ck_assert_int_eq(x.moment2 == NULL, y.moment2 == NULL);
            if (x.moment2) {
                assert_same_tensors(x.moment2, y.moment2);
            }
        }
        weld_model_file_free(&x);
        weld_model_file_free(&y);
    }
}

/* Write last.h5 as a version did that noted of its data what is `said` there, below `said_key`
 * (NULL: nothing). */
static inline void make_older(const char *out, const char *key, const char *said_key) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/last.h5", base, out);
    weld_model_file file = open_checkpoint(out, "last.h5");
    json_t *summary = json_loads(file.summary, 0, NULL);
    json_t *said = json_object_get(json_object_get(summary, key), "said");
    ck_assert_ptr_nonnull(said);
    if (said_key) {
        json_object_set(summary, said_key, said);
    }
    json_object_del(summary, key);
    free(file.summary);
    file.summary = json_dumps(summary, 0);
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    json_decref(summary);
    weld_model_file_free(&file);
}

static inline void copy(const char *from, const char *to) {
    char command[600];
    snprintf(command, sizeof command, "cp %s %s", in_base(from), in_base(to));
    ck_assert_int_eq(system(command), 0);
}

static inline void refuse(run_options o, const char *words) {
    ck_assert_int_ne(run(o), WELD_OK);
    ck_assert_msg(strstr(err.message, words) != NULL, "said: %s", err.message);
}

#endif
