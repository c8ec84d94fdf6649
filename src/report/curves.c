/* The curves of a report: metrics.jsonl, thinned out; see parts.h.
 *
 * A run may have millions of updates. They are gathered into bins of equal numbers of rows; when
 * there are too many bins, each two become one. So one pass over the file and little memory do.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/json_tree.h"
#include "formats/json_text.h"
#include "report/parts.h"

enum { BINS_MAX = 1024, EPOCHS_SHOWN = 1000, LINE_SIZE = 1 << 16 };
enum { PART_COUNT = 8, KEY_SIZE = 64 };

/* Of a step's row: what its time went to. The last is what the making of batches took besides. */
static const char *const parts[PART_COUNT] = {"wait",    "decode",   "augment",   "teacher",
                                              "forward", "backward", "optimizer", "data"};

typedef struct bin {
    int64_t last, rows; /* last step */
    double loss, lr, seconds_per_image;
    int64_t losses, speeds; /* rows that have one */
    double part[PART_COUNT];
} bin;

typedef struct epoch {
    int64_t epoch, step;
    double train_loss, val_loss, seconds;
    double scores[WELD_SCORES_MAX];                       /* of the task */
    double average_loss, average_scores[WELD_SCORES_MAX]; /* of the moving average */
    int64_t images, average_images; /* that these are of; 0: the row does not say */
    double shares[WELD_COUNTS_MAX]; /* of what it counts first, the others */
} epoch;

typedef struct curves {
    const weld_task *task;
    int best_by; /* as of the recipe's train.best */
    bin bins[BINS_MAX];
    int count;
    int64_t width;     /* rows of a full bin */
    weld_array epochs; /* of epoch */
    double seconds;    /* of all epochs */
    int64_t best, damaged;
    int64_t latest_images; /* of the latest evaluation */
    bool cut;
} curves;

static double number(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double seconds(const json_t *row, const char *part) {
    char key[32];
    snprintf(key, sizeof key, "%s_seconds", part);
    const double value = number(row, key);
    return value > 0 ? value : 0;
}

/* --- Steps --- */

static void join(bin *a, const bin *b) {
    a->last = b->last;
    a->rows += b->rows;
    a->loss += b->loss;
    a->losses += b->losses;
    a->lr = b->lr;
    a->seconds_per_image += b->seconds_per_image;
    a->speeds += b->speeds;
    for (int i = 0; i < PART_COUNT; i++) {
        a->part[i] += b->part[i];
    }
}

static void halve(curves *c) {
    for (int i = 0; i < c->count; i += 2) {
        c->bins[i / 2] = c->bins[i];
        if (i + 1 < c->count) {
            join(&c->bins[i / 2], &c->bins[i + 1]);
        }
    }
    c->count = (c->count + 1) / 2;
    c->width *= 2;
}

static void add_step(curves *c, const json_t *row) {
    const double loss = number(row, "loss"), speed = number(row, "images_per_second");
    bin b = {.last = json_integer_value(json_object_get(row, "step")), .rows = 1};
    b.losses = isfinite(loss);
    b.loss = b.losses ? loss : 0;
    b.lr = number(row, "lr");
    b.speeds = isfinite(speed) && speed > 0;
    b.seconds_per_image = b.speeds ? 1 / speed : 0;
    for (int i = 0; i < PART_COUNT; i++) {
        b.part[i] = seconds(row, parts[i]);
    }
    b.part[PART_COUNT - 1] = fmax(0, b.part[PART_COUNT - 1] - b.part[0] - b.part[1] - b.part[2]);
    if (c->count == BINS_MAX && c->bins[BINS_MAX - 1].rows == c->width) {
        halve(c);
    }
    if (c->count > 0 && c->bins[c->count - 1].rows < c->width) {
        join(&c->bins[c->count - 1], &b);
    } else {
        c->bins[c->count++] = b;
    }
}

/* --- Epochs --- */

static const char *average_key(const weld_task *task, int score, char key[KEY_SIZE]) {
    snprintf(key, KEY_SIZE, "ema_%s", task->scores[score].key);
    return key;
}

/* NAN where there was nothing to have a share of, as in rows that say nothing of it. */
static double share(const json_t *row, const weld_task *task, int i) {
    char of[KEY_SIZE], what[KEY_SIZE];
    snprintf(of, sizeof of, "train_%s", task->counts[0]);
    snprintf(what, sizeof what, "train_%s", task->counts[i]);
    const double all = number(row, of);
    return all > 0 ? number(row, what) / all : NAN;
}

/* Of what best.h5 is the best of. */
static weld_standing standing_of(const curves *c, const epoch *e) {
    const bool by_average = c->best_by == WELD_RECIPE_BEST_EMA;
    return by_average ? (weld_standing){e->average_scores[0], e->average_loss, e->average_images}
                      : (weld_standing){e->scores[0], e->val_loss, e->images};
}

static bool is_best(const curves *c, weld_standing now, weld_standing before) {
    return weld_task_is_best(c->task, c->best_by == WELD_RECIPE_BEST_LOSS, now, before);
}

static bool add_epoch(curves *c, const json_t *row) {
    char key[KEY_SIZE];
    epoch e = {.epoch = json_integer_value(json_object_get(row, "epoch")),
               .step = json_integer_value(json_object_get(row, "step")),
               .train_loss = number(row, "train_loss"),
               .val_loss = number(row, "val_loss"),
               .images = json_integer_value(json_object_get(row, "val_images")),
               .average_images = json_integer_value(json_object_get(row, "ema_val_images")),
               .seconds = number(row, "seconds")};
    const epoch *all = c->epochs.data;
    for (int i = 0; i < c->task->run_scores; i++) {
        e.scores[i] = number(row, c->task->scores[i].key);
        e.average_scores[i] = number(row, average_key(c->task, i, key));
    }
    /* Rows of old say nothing of the average's own loss. */
    e.average_loss =
        json_object_get(row, "ema_val_loss") ? number(row, "ema_val_loss") : e.val_loss;
    for (int i = 1; c->task->counts[0] && c->task->counts[i]; i++) {
        e.shares[i] = share(row, c->task, i);
    }
    weld_standing now = standing_of(c, &e);
    now.before = c->latest_images;
    if (isfinite(now.score)) {
        c->latest_images = now.images;
    }
    if (isfinite(now.score) && (c->best < 0 || is_best(c, now, standing_of(c, &all[c->best])))) {
        c->best = (int64_t)c->epochs.count;
    }
    c->seconds += isfinite(e.seconds) ? e.seconds : 0;
    return weld_array_append(&c->epochs, &e, 1);
}

/* --- Reading --- */

/* False where memory is short. */
static bool add_line(curves *c, const char *line, size_t length) {
    weld_json_fault fault;
    json_t *row = weld_json_tree(line, length, NULL, &fault);
    const char *kind = json_string_value(json_object_get(row, "kind"));
    const bool whole = kind && json_is_integer(json_object_get(row, "step")) &&
                       json_is_integer(json_object_get(row, "epoch"));
    bool good = fault.status != WELD_ERROR_MEMORY;
    if (!good) {
        return false;
    }
    if (whole && strcmp(kind, "step") == 0) {
        add_step(c, row);
    } else if (whole && strcmp(kind, "epoch") == 0) {
        good = add_epoch(c, row);
    } else if (!whole || strcmp(kind, "bad_image") != 0) {
        c->damaged++;
    }
    json_decref(row);
    return good;
}

/* A row that does not fit is damaged. A last one without an end is still being written, or was cut
 * when the run was killed. */
static bool read_lines(FILE *file, curves *c, char *line) {
    bool good = true, skip = false;
    while (good && fgets(line, LINE_SIZE, file)) {
        const size_t length = strlen(line);
        const bool ended = length > 0 && line[length - 1] == '\n';
        if (ended && !skip) {
            good = add_line(c, line, length);
        } else if (ended) {
            c->damaged++;
        } else if (feof(file)) {
            c->cut = true;
        }
        skip = !ended;
    }
    return good;
}

/* --- Writing --- */

static json_t *bin_list(const curves *c, double (*value)(const bin *b)) {
    json_t *list = json_array();
    for (int i = 0; i < c->count; i++) {
        weld_json_append(&list, weld_json_number(value(&c->bins[i])));
    }
    return list;
}

static double bin_loss(const bin *b) {
    return b->losses ? b->loss / (double)b->losses : NAN;
}

static double bin_lr(const bin *b) {
    return b->lr;
}

static double bin_speed(const bin *b) {
    return b->speeds && b->seconds_per_image > 0 ? (double)b->speeds / b->seconds_per_image : NAN;
}

static double part_sum(const curves *c, int part) {
    double sum = 0;
    for (int i = 0; i < c->count; i++) {
        sum += c->bins[i].part[part];
    }
    return sum;
}

/* Is there such a part? Of what batches took besides a trace is always left. */
static bool has_part(const curves *c, int part) {
    const double sum = part_sum(c, part);
    const double known = part_sum(c, 0) + part_sum(c, 1) + part_sum(c, 2);
    return part + 1 < PART_COUNT ? sum > 0 : sum > 0.05 * known;
}

/* Seconds of an update, for each part that there is. */
static json_t *part_lists(const curves *c) {
    json_t *object = json_object();
    for (int p = 0; p < PART_COUNT; p++) {
        json_t *list = json_array();
        for (int i = 0; i < c->count; i++) {
            weld_json_append(&list, weld_json_number(c->bins[i].part[p] / (double)c->bins[i].rows));
        }
        if (has_part(c, p)) {
            weld_json_set(&object, parts[p], json_incref(list));
        }
        json_decref(list);
    }
    return object;
}

static json_t *steps_of(const curves *c) {
    json_t *steps = json_object(), *last = json_array();
    for (int i = 0; i < c->count; i++) {
        weld_json_append(&last, json_integer(c->bins[i].last));
    }
    weld_json_set(&steps, "step", last);
    weld_json_set(&steps, "loss", bin_list(c, bin_loss));
    weld_json_set(&steps, "lr", bin_list(c, bin_lr));
    weld_json_set(&steps, "speed", bin_list(c, bin_speed));
    weld_json_set(&steps, "parts", part_lists(c));
    return steps;
}

static json_t *epoch_object(const weld_task *task, const epoch *e) {
    json_t *o = json_object();
    char key[KEY_SIZE];
    weld_json_set(&o, "epoch", json_integer(e->epoch + 1));
    weld_json_set(&o, "step", json_integer(e->step));
    weld_json_set(&o, "train_loss", weld_json_number(e->train_loss));
    weld_json_set(&o, "val_loss", weld_json_number(e->val_loss));
    for (int i = 0; i < task->run_scores; i++) {
        weld_json_set(&o, task->scores[i].key, weld_json_number(e->scores[i]));
    }
    for (int i = 1; task->counts[0] && task->counts[i]; i++) {
        weld_json_set(&o, task->counts[i], weld_json_number(e->shares[i]));
    }
    weld_json_set(&o, average_key(task, 0, key), weld_json_number(e->average_scores[0]));
    return o;
}

/* All, or evenly spaced ones and the last. */
static json_t *epochs_of(const curves *c) {
    json_t *list = json_array();
    const epoch *all = c->epochs.data;
    const size_t count = c->epochs.count, stride = count / EPOCHS_SHOWN + 1;
    for (size_t i = 0; i < count; i++) {
        if (i % stride == 0 || i + 1 == count) {
            weld_json_append(&list, epoch_object(c->task, &all[i]));
        }
    }
    return list;
}

/* The last epoch that was evaluated, or else the last one. */
static const epoch *final_epoch(const curves *c) {
    const epoch *all = c->epochs.data;
    for (size_t i = c->epochs.count; i-- > 0;) {
        if (isfinite(all[i].scores[0])) {
            return &all[i];
        }
    }
    return c->epochs.count ? &all[c->epochs.count - 1] : NULL;
}

/* That epoch as what best.h5 holds of it was evaluated. */
static epoch best_of(const curves *c, const epoch *e) {
    epoch best = *e;
    if (c->best_by == WELD_RECIPE_BEST_EMA) {
        best.val_loss = e->average_loss;
        memcpy(best.scores, e->average_scores, sizeof best.scores);
    }
    return best;
}

static void write_curves(const curves *c, json_t **run) {
    const epoch *all = c->epochs.data, *last = final_epoch(c);
    const size_t count = c->epochs.count;
    weld_json_set(run, "steps", steps_of(c));
    weld_json_set(run, "epochs", epochs_of(c));
    weld_json_set(run, "epochs_done", json_integer((json_int_t)count));
    weld_json_set(run, "steps_done", json_integer(c->count ? c->bins[c->count - 1].last : 0));
    weld_json_set(run, "seconds", weld_json_number(c->seconds));
    if (last) {
        weld_json_set(run, "final", epoch_object(c->task, last));
    }
    if (c->best >= 0) {
        const epoch best = best_of(c, &all[c->best]);
        weld_json_set(run, "best", epoch_object(c->task, &best));
    }
    if (count && all[count - 1].epoch >= 0) {
        weld_json_set(
            run, "steps_per_epoch",
            weld_json_number((double)all[count - 1].step / (double)(all[count - 1].epoch + 1)));
    }
    if (c->damaged) {
        weld_report_note(
            run, "metrics.jsonl: %lld %s left out", (long long)c->damaged,
            weld_plural(c->damaged, "row cannot be read and is", "rows cannot be read and are"));
    }
    if (c->cut) {
        weld_report_note(run, "metrics.jsonl ends in the middle of a row, which is left out: the "
                              "run is going on, or was killed");
    }
}

weld_status weld_report_add_curves(const char *path, const weld_task *task,
                                   const weld_recipe *recipe, int points, json_t **run,
                                   weld_error *err) {
    curves *c = weld_alloc(1, sizeof *c);
    char *line = weld_alloc(LINE_SIZE, 1);
    FILE *file = fopen(path, "r");
    const int code = errno;
    weld_status status = WELD_OK;
    if (!c || !line || (!file && code == ENOMEM)) {
        status = weld_fail_memory(err, path);
    } else if (!file) {
        weld_report_note(run, "metrics.jsonl cannot be opened: %s", strerror(code));
    } else {
        *c = (curves){.task = task,
                      .best_by = recipe ? recipe->train.best : WELD_RECIPE_BEST_WEIGHTS,
                      .epochs.element = sizeof(epoch),
                      .width = 1,
                      .best = -1};
        errno = 0;
        if (!read_lines(file, c, line) || (ferror(file) && errno == ENOMEM)) {
            status = weld_fail_memory(err, path);
        } else if (ferror(file)) {
            weld_report_note(run, "metrics.jsonl cannot be read to its end");
        }
        while (c->count > points) {
            halve(c);
        }
        write_curves(c, run);
        weld_array_free(&c->epochs);
    }
    if (file) {
        fclose(file);
    }
    weld_free(line);
    weld_free(c);
    return status;
}
