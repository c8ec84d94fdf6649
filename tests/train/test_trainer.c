/* Training runs from outside: what a folder holds afterwards, whatever happened in between.
 *
 * The data are 40 generated images of 8x8 in four classes, packed; the network is the smallest
 * RepViT there is. Runs that must start from a process without threads are made in children.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "formats/model_file.h"
#include "formats/packed.h"
#include "suite.h"
#include "weld/train.h"

enum { SIDE = 8, CLASSES = 4, STEPS_PER_EPOCH = 5 };

static char base[64];

/* --- Data and recipe --- */

static const char *in_base(const char *name) {
    static char path[8][256];
    static int next;
    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", base, name);
    return path[next];
}

/* Noise around a colour of the class. */
static void write_data(const char *path, int count, uint64_t seed) {
    static const char *const names[CLASSES] = {"ant", "bee", "cat", "dog"};
    weld_packed_layout layout = {.height = SIDE, .width = SIDE, .channels = 3};
    weld_packed_writer *w;
    weld_error err;
    unsigned char pixels[SIDE * SIDE * 3];
    ck_assert_msg(!weld_packed_writer_create(path, layout, names, CLASSES, &w, &err), "%s",
                  err.message);
    for (int i = 0; i < count; i++) {
        weld_random r = weld_random_start(seed, 0, (uint64_t)i, WELD_RANDOM_TEST);
        char name[32];
        for (size_t p = 0; p < sizeof pixels; p++) {
            int middle = 60 + 45 * ((i + (int)(p % 3)) % CLASSES);
            pixels[p] = (unsigned char)(middle - 40 + (int)weld_random_below(&r, 80));
        }
        snprintf(name, sizeof name, "%s/%03d.png", names[i % CLASSES], i);
        ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, i % CLASSES, name, &err),
                         WELD_OK);
    }
    ck_assert_msg(!weld_packed_writer_finish(w, &err), "%s", err.message);
    weld_packed_writer_free(w);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* A new folder with train.h5, val.h5 and tiny.yaml. Batches of 8 out of 42: two are left over. */
static void set_up(void) {
    char text[1024];
    snprintf(base, sizeof base, "/tmp/weld-train-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    write_data(in_base("train.h5"), 42, 1);
    write_data(in_base("val.h5"), 13, 2);
    snprintf(text, sizeof text,
             "model: {name: repvit, channels: [8], depths: [1], stem_stride: 1}\n"
             "data: {train: %s/train.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1}\n"
             "augment: {kind: small}\n"
             "optimizer: {lr: 0.01, lr_batch: 8}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 3, batch_size: 8, seed: 7, checkpoint_every: 2}\n",
             base, base, SIDE);
    write_text(in_base("tiny.yaml"), text);
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

/* --- Running --- */

typedef struct run_options {
    const char *out;
    const char *set[4];
    bool resume;
    int threads;
    int64_t stop_at;        /* updates; 0: never */
    int stop_in_evaluation; /* number from 1; 0: never */
    const char *init;
} run_options;

typedef struct watcher {
    int64_t stop_at, step;
    int stop_in_evaluation;
    bool evaluating;
    char messages[2048];
    weld_train_start start;
    int evaluations;
} watcher;

static watcher seen;

static void on_start(void *context, const weld_train_start *start) {
    ((watcher *)context)->start = *start;
}

static void on_step(void *context, const weld_train_progress *p) {
    ((watcher *)context)->step = p->step;
}

static void on_evaluation(void *context, const weld_train_evaluation *e) {
    watcher *w = context;
    w->evaluations += e->done;
    w->evaluating = !e->done;
}

static void on_message(void *context, const char *text) {
    watcher *w = context;
    size_t used = strlen(w->messages);
    snprintf(w->messages + used, sizeof w->messages - used, "%s\n", text);
}

static bool on_stop(void *context) {
    const watcher *w = context;
    return (w->stop_at && w->step >= w->stop_at) ||
           (w->evaluating && w->stop_in_evaluation == w->evaluations + 1);
}

static weld_train_result result;
static weld_error err;

static weld_status run(run_options o) {
    char out[256], recipe[256];
    weld_train_settings s = weld_train_defaults();
    memset(&seen, 0, sizeof seen);
    memset(&result, 0, sizeof result);
    memset(&err, 0, sizeof err);
    seen.stop_at = o.stop_at;
    seen.stop_in_evaluation = o.stop_in_evaluation;
    snprintf(out, sizeof out, "%s/%s", base, o.out);
    snprintf(recipe, sizeof recipe, "%s/tiny.yaml", base);
    s.recipe = recipe;
    s.out = out;
    s.set = o.set;
    while (s.set_count < 4 && o.set[s.set_count]) {
        s.set_count++;
    }
    s.resume = o.resume;
    s.threads = o.threads ? o.threads : 1; /* quick on a busy machine */
    s.init = o.init;
    s.callbacks = (weld_train_callbacks){.context = &seen,
                                         .started = on_start,
                                         .stepped = on_step,
                                         .evaluated = on_evaluation,
                                         .message = on_message,
                                         .stop = on_stop};
    return weld_train_run(&s, &result, &err);
}

static void run_well(run_options o) {
    ck_assert_msg(run(o) == WELD_OK, "%s", err.message);
}

/* In a child, with output thrown away; returns its process id. */
static pid_t start_child(run_options o) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(run(o) == WELD_OK ? 0 : 1);
    }
    return child;
}

/* --- Looking at what a run left --- */

static char *read_text(const char *path) {
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is missing", path);
    char *text = calloc(1, 1 << 20);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    ck_assert_uint_lt(size, (1 << 20) - 1);
    fclose(file);
    return text;
}

/* The rows of metrics.jsonl without the keys that depend on the clock. */
static json_t *rows_of(const char *out) {
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

static void assert_same_rows(const char *a, const char *b) {
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

static void assert_same_tensors(const weld_weights *a, const weld_weights *b) {
    ck_assert_uint_eq(weld_weights_count(a), weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y;
        ck_assert(weld_weights_find(b, weld_weights_name(a, i), &y));
        ck_assert(weld_shape_equal(&x.shape, &y.shape));
        ck_assert_mem_eq(x.data, y.data,
                         (size_t)weld_shape_count(&x.shape) * weld_dtype_size(x.dtype));
    }
}

static weld_model_file open_checkpoint(const char *out, const char *name) {
    char path[512];
    weld_model_file file;
    snprintf(path, sizeof path, "%s/%s/%s", base, out, name);
    ck_assert_msg(!weld_model_file_read(path, &file, &err), "%s", err.message);
    return file;
}

static void assert_same_run(const char *a, const char *b) {
    static const char *const names[] = {"last.h5", "best.h5"};
    assert_same_rows(a, b);
    for (size_t i = 0; i < 2; i++) {
        weld_model_file x = open_checkpoint(a, names[i]), y = open_checkpoint(b, names[i]);
        assert_same_tensors(x.weights, y.weights);
        ck_assert_int_eq(x.trainer.step, y.trainer.step);
        if (i == 0) {
            assert_same_tensors(x.moment1, y.moment1);
            assert_same_tensors(x.moment2, y.moment2);
        }
        weld_model_file_free(&x);
        weld_model_file_free(&y);
    }
}

static void refuse(run_options o, const char *words) {
    ck_assert_int_ne(run(o), WELD_OK);
    ck_assert_msg(strstr(err.message, words) != NULL, "said: %s", err.message);
}

/* --- Tests --- */

START_TEST(a_run_leaves_what_the_manual_says) {
    set_up();
    run_well((run_options){.out = "a"});
    ck_assert(!result.interrupted);
    ck_assert_int_eq(result.step, 3 * STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.steps_per_epoch, STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.val_images, 13);
    ck_assert_double_eq(seen.start.lr, 0.01);
    ck_assert_int_eq(seen.evaluations, 3);
    json_t *rows = rows_of("a");
    ck_assert_uint_eq(json_array_size(rows), 3 * (STEPS_PER_EPOCH + 1));
    double sum = 0;
    for (size_t i = 0; i < STEPS_PER_EPOCH; i++) {
        json_t *row = json_array_get(rows, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "kind")), "step");
        ck_assert_int_eq(json_integer_value(json_object_get(row, "step")), (int)i + 1);
        sum += json_number_value(json_object_get(row, "loss"));
    }
    ck_assert_double_eq(json_number_value(json_object_get(json_array_get(rows, 0), "lr")), 1e-6);
    json_t *epoch = json_array_get(rows, STEPS_PER_EPOCH);
    ck_assert_str_eq(json_string_value(json_object_get(epoch, "kind")), "epoch");
    ck_assert_double_eq_tol(json_number_value(json_object_get(epoch, "train_loss")),
                            sum / STEPS_PER_EPOCH, 1e-6);
    double top1 = json_number_value(json_object_get(epoch, "top1"));
    ck_assert_double_eq_tol(top1 * 13 / 100, round(top1 * 13 / 100), 1e-5); /* of 13 images */
    json_decref(rows);
    char *text = read_text(in_base("a/recipe.yaml"));
    ck_assert_ptr_nonnull(strstr(text, "num_classes: 4"));
    ck_assert_ptr_nonnull(strstr(text, "weight_decay: 0.025"));
    free(text);
    weld_model_file file = open_checkpoint("a", "best.h5");
    ck_assert_str_eq(file.class_names[2], "cat");
    weld_model_file_free(&file);
    tear_down();
}
END_TEST

START_TEST(the_loss_falls_and_the_classes_are_learned) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.epochs=30", "augment.mixup=0"}});
    ck_assert_double_ge(result.best_top1, 80);
    tear_down();
}
END_TEST

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    set_up();
    run_well((run_options){.out = "a", .threads = 1});
    run_well((run_options){.out = "b", .threads = 2});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(another_seed_is_another_run) {
    set_up();
    run_well((run_options){.out = "a"});
    run_well((run_options){.out = "b", .set = {"train.seed=8"}});
    json_t *x = rows_of("a"), *y = rows_of("b");
    ck_assert(!json_equal(json_array_get(x, 0), json_array_get(y, 0)));
    json_decref(x);
    json_decref(y);
    tear_down();
}
END_TEST

START_TEST(a_run_stopped_at_any_update_continues_bit_for_bit) {
    set_up();
    run_well((run_options){.out = "whole"});
    for (int64_t at = 1; at < 3 * STEPS_PER_EPOCH; at += 3) {
        run_well((run_options){.out = "parts", .stop_at = at, .resume = true});
        ck_assert(result.interrupted);
        ck_assert_int_eq(result.step, at);
        ck_assert(seen.start.resumed_step == (at > 1 ? at - 3 : 0));
    }
    run_well((run_options){.out = "parts", .resume = true});
    ck_assert(!result.interrupted);
    assert_same_run("whole", "parts");
    /* Nothing is left to do, and nothing changes. */
    run_well((run_options){.out = "parts", .resume = true});
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_stopped_in_an_evaluation_repeats_it) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "a", .stop_in_evaluation = 2});
    ck_assert(result.interrupted);
    ck_assert_int_eq(result.step, 2 * STEPS_PER_EPOCH);
    ck_assert_int_eq(result.epochs, 1);
    run_well((run_options){.out = "a", .resume = true});
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

START_TEST(a_run_killed_at_ten_random_moments_ends_as_if_never_killed) {
    set_up();
    int status, kills = 0;
    run_options o = {.out = "killed", .resume = true, .set = {"train.epochs=12"}};
    run_options whole = {.out = "whole", .set = {"train.epochs=12"}};
    ck_assert_int_eq(waitpid(start_child(whole), &status, 0) > 0, 1);
    ck_assert_int_eq(status, 0);
    weld_random r = weld_random_start((uint64_t)time(NULL), 0, 0, WELD_RANDOM_TEST);
    while (kills < 10) {
        pid_t child = start_child(o);
        usleep((useconds_t)weld_random_range(&r, 1e3, 8e4));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) {
            /* It was done before: once more from the start, killed earlier. */
            ck_assert_int_eq(status, 0);
            char command[128];
            snprintf(command, sizeof command, "rm -rf %s/killed", base);
            ck_assert_int_eq(system(command), 0);
            continue;
        }
        kills++;
    }
    ck_assert_int_eq(waitpid(start_child(o), &status, 0) > 0, 1);
    ck_assert_int_eq(status, 0);
    assert_same_run("whole", "killed");
    tear_down();
}
END_TEST

START_TEST(resuming_where_there_is_nothing_starts_at_the_beginning) {
    set_up();
    run_well((run_options){.out = "a"});
    run_well((run_options){.out = "b", .resume = true});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(a_folder_that_holds_a_run_is_not_overwritten) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 1});
    refuse((run_options){.out = "a"}, "holds a run already: continue it with --resume");
    tear_down();
}
END_TEST

/* Tries the same folder from inside a running run. */
static void try_same_folder(void *context, const weld_train_progress *p) {
    (void)p;
    weld_train_settings s = weld_train_defaults();
    weld_error inner = {.message = ""};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.resume = true;
    if (weld_train_run(&s, NULL, &inner) != WELD_OK) {
        snprintf(context, 1024, "%s", inner.message);
    }
}

START_TEST(two_runs_into_one_folder_are_an_error_for_the_second) {
    static char said[1024];
    set_up();
    weld_train_settings s = weld_train_defaults();
    const char *set[] = {"train.epochs=1"};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.set = set;
    s.set_count = 1;
    s.callbacks.context = said;
    s.callbacks.stepped = try_same_folder;
    ck_assert_msg(!weld_train_run(&s, NULL, &err), "%s", err.message);
    ck_assert_ptr_nonnull(strstr(said, "another training run is using this folder"));
    tear_down();
}
END_TEST

START_TEST(resuming_with_another_recipe_or_other_data_says_what_differs) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    refuse((run_options){.out = "a", .resume = true, .set = {"optimizer.lr=0.02"}},
           "last.h5: was made with optimizer.lr 0.01, but now it is 0.02: resume with ");
    refuse((run_options){.out = "a", .resume = true, .set = {"train.epochs=4"}},
           "was made with train.epochs 3, but now it is 4");
    write_data(in_base("train.h5"), 43, 1);
    refuse((run_options){.out = "a", .resume = true}, "was trained on 42 images");
    tear_down();
}
END_TEST

START_TEST(a_damaged_checkpoint_stops_the_run_and_is_named) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    int file = open(in_base("a/last.h5"), O_RDWR);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pwrite(file, "damage", 6, 3000), 6);
    close(file);
    refuse((run_options){.out = "a", .resume = true}, "last.h5");
    tear_down();
}
END_TEST

/* Overwrite one tensor of a checkpoint. */
static void spoil(const char *out, const char *name, float value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/last.h5", base, out);
    weld_model_file file = open_checkpoint(out, "last.h5");
    weld_tensor t;
    ck_assert(weld_weights_find(file.weights, name, &t));
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] = value;
    }
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
}

START_TEST(a_loss_that_is_not_finite_names_update_value_and_images) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    spoil("a", "classifier.classifier.l.weight", 3e38f);
    char *before = read_text(in_base("a/metrics.jsonl"));
    ck_assert_int_eq(run((run_options){.out = "a", .resume = true}), WELD_ERROR_NUMERIC);
    ck_assert_ptr_eq(strstr(err.message, "update 4, epoch 0: the loss is not finite: first bad "
                                         "value: linear#"),
                     err.message);
    ck_assert_ptr_nonnull(strstr(err.message, ".png, "));
    char *story = read_text(in_base("a/not_finite.txt")), *after;
    int images = 0;
    for (const char *at = story; (at = strstr(at, ".png")); at++) {
        images++;
    }
    ck_assert_int_eq(images, 8);
    ck_assert_ptr_eq(strstr(story, "update 4, epoch 0: the loss is not finite\n"), story);
    free(story);
    after = read_text(in_base("a/metrics.jsonl")); /* no row, and the checkpoint is as it was */
    ck_assert_str_eq(before, after);
    weld_model_file file = open_checkpoint("a", "last.h5");
    ck_assert_int_eq(file.trainer.step, 3);
    weld_model_file_free(&file);
    free(before);
    free(after);
    tear_down();
}
END_TEST

START_TEST(a_cause_is_not_sought_in_what_the_bad_update_left_behind) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    spoil("a", "features.0.0.c.weight", 3e38f); /* overflows before the first batch norm */
    ck_assert_int_eq(run((run_options){.out = "a", .resume = true}), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "first bad value: conv2d#") != NULL, "%s", err.message);
    tear_down();
}
END_TEST

START_TEST(weights_that_are_not_finite_never_replace_a_checkpoint) {
    set_up();
    run_options o = {.out = "a",
                     .set = {"optimizer.lr=100", "optimizer.weight_decay=100",
                             "schedule.warmup_epochs=0", "data.val=null"}};
    ck_assert_int_eq(run(o), WELD_ERROR_NUMERIC);
    weld_model_file file = open_checkpoint("a", "last.h5");
    for (size_t i = 0; i < weld_weights_count(file.weights); i++) {
        weld_tensor w = weld_weights_tensor(file.weights, i);
        for (int64_t j = 0; w.dtype == WELD_F32 && j < weld_shape_count(&w.shape); j++) {
            ck_assert(isfinite(((float *)w.data)[j]));
        }
    }
    weld_model_file_free(&file);
    tear_down();
}
END_TEST

/* A limit on the size of files acts like a full disk: writing fails in the middle. */
START_TEST(a_checkpoint_that_cannot_be_written_leaves_the_old_one) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "a", .stop_at = 3});
    struct stat size;
    ck_assert_int_eq(stat(in_base("a/last.h5"), &size), 0);
    struct rlimit old, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = (rlim_t)size.st_size / 2;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    weld_status status = run((run_options){.out = "a", .resume = true});
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "last.h5"));
    weld_model_file file = open_checkpoint("a", "last.h5");
    ck_assert_int_eq(file.trainer.step, 3);
    weld_model_file_free(&file);
    run_well((run_options){.out = "a", .resume = true});
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

START_TEST(running_out_of_memory_anywhere_is_an_error_and_leaves_nothing_locked) {
    set_up();
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status; n += 1 + n / 8) {
        weld_memory_fail_after(n);
        status = run((run_options){.out = "a", .resume = true, .set = {"train.epochs=1"}});
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%d: %s", status,
                      err.message);
    }
    tear_down();
}
END_TEST

START_TEST(batches_of_odd_sizes_and_data_smaller_than_a_batch_work) {
    static const char *const sizes[] = {"train.batch_size=1", "train.batch_size=7",
                                        "train.batch_size=100"};
    static const int64_t steps[] = {42, 6, 1};
    set_up();
    for (size_t i = 0; i < 3; i++) {
        char out[8];
        snprintf(out, sizeof out, "r%zu", i);
        run_well((run_options){.out = out, .set = {sizes[i], "train.epochs=1"}});
        ck_assert_int_eq(result.step, steps[i]);
        ck_assert(result.evaluated);
    }
    tear_down();
}
END_TEST

START_TEST(without_validation_data_there_is_no_evaluation) {
    set_up();
    run_well((run_options){.out = "a", .set = {"data.val=null"}});
    ck_assert(!result.evaluated);
    json_t *rows = rows_of("a");
    json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    ck_assert(json_is_null(json_object_get(last, "top1")));
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(evaluation_keeps_its_pace_and_the_last_epoch_is_always_evaluated) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.eval_every=2", "train.epochs=5"}});
    json_t *rows = rows_of("a");
    for (size_t e = 0; e < 5; e++) {
        json_t *row = json_array_get(rows, e * (STEPS_PER_EPOCH + 1) + STEPS_PER_EPOCH);
        ck_assert_int_eq(json_is_number(json_object_get(row, "top1")), e == 1 || e >= 3);
    }
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(weights_of_another_run_are_a_start_and_a_head_of_other_size_is_made_anew) {
    set_up();
    run_well((run_options){.out = "a"});
    char init[256];
    snprintf(init, sizeof init, "%s/a/best.h5", base);
    /* With a rate of zero nothing moves but the running statistics. */
    run_well((run_options){.out = "b",
                           .init = init,
                           .set = {"optimizer.lr=0", "schedule.warmup_lr=0", "schedule.min_lr=0"}});
    weld_model_file a = open_checkpoint("a", "best.h5"), b = open_checkpoint("b", "last.h5");
    weld_tensor x, y;
    ck_assert(weld_weights_find(a.weights, "classifier.classifier.l.weight", &x));
    ck_assert(weld_weights_find(b.weights, "classifier.classifier.l.weight", &y));
    ck_assert_mem_eq(x.data, y.data, (size_t)weld_shape_count(&x.shape) * sizeof(float));
    weld_model_file_free(&a);
    weld_model_file_free(&b);
    refuse((run_options){.out = "c", .init = init, .set = {"model.channels=[16]"}},
           "the recipe's network wants");

    static const char *const names[] = {"one", "two"};
    weld_packed_writer *w;
    unsigned char pixels[SIDE * SIDE * 3] = {0};
    ck_assert_int_eq(weld_packed_writer_create(in_base("two.h5"),
                                               (weld_packed_layout){SIDE, SIDE, 3}, names, 2, &w,
                                               &err),
                     WELD_OK);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, i % 2, "x.png", &err),
                         WELD_OK);
    }
    ck_assert_int_eq(weld_packed_writer_finish(w, &err), WELD_OK);
    weld_packed_writer_free(w);
    char train[300];
    snprintf(train, sizeof train, "data.train=%s", in_base("two.h5"));
    run_well((run_options){.out = "d", .init = init, .set = {train, "data.val=null"}});
    ck_assert_ptr_nonnull(strstr(seen.messages, "4 classes, the data 2: the head is made anew"));
    tear_down();
}
END_TEST

START_TEST(data_that_do_not_fit_are_refused_before_a_folder_is_made) {
    set_up();
    refuse((run_options){.out = "a", .set = {"model.num_classes=5"}},
           "model.num_classes is 5, but ");
    refuse((run_options){.out = "a", .set = {"data.train=/nonexistent"}}, "/nonexistent");
    refuse((run_options){.out = "a", .set = {"train.epoch=1"}}, "did you mean epochs?");
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down();
}
END_TEST

START_TEST(a_data_folder_stands_in_for_the_recipes_paths) {
    set_up();
    weld_train_settings s = weld_train_defaults();
    const char *set[] = {"train.epochs=1"};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.data = base;
    s.set = set;
    s.set_count = 1;
    ck_assert_msg(!weld_train_run(&s, &result, &err), "%s", err.message);
    ck_assert(result.evaluated);
    s.out = in_base("b");
    s.data = "/dev";
    ck_assert_int_eq(weld_train_run(&s, &result, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(err.message, "--data /dev: holds neither train.h5 nor a folder train");
    tear_down();
}
END_TEST

RUN_SUITE("train/trainer", a_run_leaves_what_the_manual_says,
          the_loss_falls_and_the_classes_are_learned, the_number_of_threads_does_not_change_a_bit,
          another_seed_is_another_run, a_run_stopped_at_any_update_continues_bit_for_bit,
          a_run_stopped_in_an_evaluation_repeats_it,
          a_run_killed_at_ten_random_moments_ends_as_if_never_killed,
          resuming_where_there_is_nothing_starts_at_the_beginning,
          a_folder_that_holds_a_run_is_not_overwritten,
          two_runs_into_one_folder_are_an_error_for_the_second,
          resuming_with_another_recipe_or_other_data_says_what_differs,
          a_damaged_checkpoint_stops_the_run_and_is_named,
          a_loss_that_is_not_finite_names_update_value_and_images,
          a_cause_is_not_sought_in_what_the_bad_update_left_behind,
          weights_that_are_not_finite_never_replace_a_checkpoint,
          a_checkpoint_that_cannot_be_written_leaves_the_old_one,
          running_out_of_memory_anywhere_is_an_error_and_leaves_nothing_locked,
          batches_of_odd_sizes_and_data_smaller_than_a_batch_work,
          without_validation_data_there_is_no_evaluation,
          evaluation_keeps_its_pace_and_the_last_epoch_is_always_evaluated,
          weights_of_another_run_are_a_start_and_a_head_of_other_size_is_made_anew,
          data_that_do_not_fit_are_refused_before_a_folder_is_made,
          a_data_folder_stands_in_for_the_recipes_paths)
