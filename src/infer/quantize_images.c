/* The images that a network is quantised by; see quantizer.h.
 *
 * Of those that are taken a fifth is held back: ranges and biases are found on the others, and
 * which way comes nearest is seen on these. What is said of it in the end is measured on images
 * that neither was done on, where there are any. */
#include <math.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "infer/quantizer.h"

enum { MOST_COMPARED = 1000, MOST_SAID = 256, FEW = 16, LEAST_HELD = 8, HELD = 5 };
/* Images that are looked at for being alike; levels of 255 below which they are: noise of a camera
 * that stands still, and of JPEG, is 1 to 3. */
enum { MOST_LOOKED_AT = 32, LEAST_LEVELS = 4 };

static void hear_bad(void *arg, int64_t index, const char *reason) {
    const weld_quantize_options *o = arg;
    (void)index;
    weld_quantize_say(o, "skipped: %s", reason);
}

static weld_calibration_options reading(const weld_quantizer *q, const int64_t *order,
                                        int64_t count, int64_t wanted) {
    return (weld_calibration_options){.preprocessing = &q->model->file.preprocessing,
                                      .order = order,
                                      .count = count,
                                      .wanted = wanted,
                                      .threads = q->options->threads,
                                      .bad_image = hear_bad,
                                      .arg = (void *)q->options};
}

/* Of images: how many are none of the others, and how far they are from the mean of all, the root
 * of its mean square in levels of 8 bits. */
typedef struct likeness {
    int64_t different;
    double levels;
} likeness;

static weld_status compare_images(const float *images, int64_t count, size_t floats,
                                  const float std[3], likeness *out, weld_error *err) {
    uint64_t *seen = weld_alloc((size_t)count, sizeof *seen);
    double squares = 0;
    if (!seen) {
        return weld_fail_memory(err, "images to calibrate on");
    }
    for (int64_t i = 0; i < count; i++) {
        const uint64_t hash = XXH3_64bits(images + (size_t)i * floats, floats * sizeof *images);
        int64_t same = 0;
        while (same < out->different && seen[same] != hash) {
            same++;
        }
        seen[same] = hash;
        out->different += same == out->different;
    }
    for (size_t k = 0; k < floats; k++) {
        double sum = 0, sum_of_squares = 0;
        for (int64_t i = 0; i < count; i++) {
            const double level = 255 * (double)std[k % 3] * (double)images[(size_t)i * floats + k];
            sum += level;
            sum_of_squares += level * level;
        }
        squares += sum_of_squares - sum * sum / (double)count;
    }
    out->levels = sqrt(fmax(squares, 0) / (double)count / (double)floats);
    weld_free(seen);
    return WELD_OK;
}

/* Of the first images, which are of all classes. */
static weld_status find_likeness(const weld_quantizer *q, int64_t count, likeness *out,
                                 weld_error *err) {
    const size_t floats = weld_calibration_floats(q->images);
    float *images = weld_alloc_raw((size_t)count, floats * sizeof *images);
    weld_status status = images ? weld_calibration_read(q->images, 0, count, images, err)
                                : weld_fail_memory(err, "images to calibrate on");
    status =
        status ? status
               : compare_images(images, count, floats, q->model->file.preprocessing.std, out, err);
    weld_free(images);
    return status;
}

/* Images to calibrate on and to choose the best way by. */
static int64_t wanted(const weld_quantizer *q) {
    const int64_t asked = q->options->images;
    return asked + (asked < LEAST_HELD ? 0 : (asked + HELD - 2) / (HELD - 1));
}

/* Why no more are calibrated on, where more were given: "of 20 images 10 are held back to ..., and
 * 2 to ...; ". */
static void append_held(const weld_quantizer *q, char *text, size_t size) {
    const int64_t held = q->held ? weld_calibration_count(q->held) : 0;
    const int64_t taken = weld_calibration_count(q->taken);
    const int64_t others = q->data->count - weld_calibration_seen(q->taken);
    const bool halved = q->data->parted && others > 0 && taken < wanted(q);
    if (halved) {
        weld_append(text, size,
                    "of %lld images %lld %s held back to compare both networks on (--eval names "
                    "others)%s",
                    (long long)(taken + others), (long long)others,
                    weld_plural(others, "is", "are"), held ? " and " : "; ");
    }
    if (held) {
        const char *more = halved ? "" : held > 1 ? " more are held back" : " more is held back";
        weld_append(text, size, "%lld%s to choose the best way; ", (long long)held, more);
    }
}

/* Where ranges of activations are guessed: from few images, or from many that are as few. */
static weld_status tell_few(const weld_quantizer *q, weld_error *err) {
    const int64_t all = weld_calibration_count(q->images);
    const int64_t count = all < MOST_LOOKED_AT ? all : MOST_LOOKED_AT;
    const char *path = weld_dataset_path(q->data->ds), *first = count < all ? "the first " : "";
    likeness found = {0};
    if (all < FEW) {
        char why[200] = "";
        append_held(q, why, sizeof why);
        weld_quantize_say(q->options,
                          "%s: %lld %s to calibrate on: %sranges of activations are guessed from "
                          "so few; %d would do",
                          path, (long long)all, weld_plural(all, "image", "images"), why, (int)FEW);
        return WELD_OK;
    }
    WELD_TRY(find_likeness(q, count, &found, err));
    if (found.different < FEW) {
        weld_quantize_say(q->options,
                          "%s: %s%lld images to calibrate on are copies of %lld: ranges of "
                          "activations are guessed from so few; %d different ones would do",
                          path, first, (long long)count, (long long)found.different, (int)FEW);
    } else if (found.levels < LEAST_LEVELS) {
        weld_quantize_say(q->options,
                          "%s: %s%lld images to calibrate on are nearly all alike (%.1f of 255 "
                          "levels from their mean): ranges of activations are guessed from what "
                          "is as good as one image",
                          path, first, (long long)count, found.levels);
    }
    return WELD_OK;
}

static weld_status take(weld_quantizer *q, weld_error *err) {
    const weld_quantize_data *d = q->data;
    weld_calibration_options o = reading(q, d->order, d->count, wanted(q));
    o.half = d->parted;
    WELD_TRY(weld_calibration_create(d->ds, &o, &q->taken, err));
    const int64_t all = weld_calibration_count(q->taken);
    const int64_t held = all < LEAST_HELD ? 0 : (all + HELD - 1) / HELD;
    WELD_TRY(weld_calibration_part(q->taken, 0, all - held, &q->images, err));
    return held ? weld_calibration_part(q->taken, all - held, held, &q->held, err) : WELD_OK;
}

/* Others without labels, where they are what both networks are compared on. */
static weld_status read_others(weld_quantizer *q, weld_error *err) {
    const weld_quantize_data *d = q->data;
    const int64_t seen = weld_calibration_seen(q->taken);
    if (d->evaluation.ds || seen == d->count) {
        return WELD_OK;
    }
    const weld_calibration_options o = reading(q, d->order + seen, d->count - seen, MOST_COMPARED);
    const weld_status status = weld_calibration_create(d->ds, &o, &q->unlabelled, err);
    return status == WELD_ERROR_FORMAT ? WELD_OK : status; /* none of them is good */
}

weld_status weld_quantizer_open_images(weld_quantizer *q, weld_error *err) {
    WELD_TRY(take(q, err));
    WELD_TRY(tell_few(q, err));
    WELD_TRY(weld_quantize_data_leave_out(q->data, q->taken, err));
    return read_others(q, err);
}

void weld_quantizer_close_images(weld_quantizer *q) {
    weld_calibration_free(q->unlabelled);
    weld_calibration_free(q->images);
    weld_calibration_free(q->held);
    weld_calibration_free(q->taken);
}

static weld_status say_noise(weld_quantizer *q, const weld_calibration *c, weld_error *err) {
    const int64_t count = weld_calibration_count(c);
    weld_judge *judge;
    q->said_images = count < MOST_SAID ? count : MOST_SAID;
    WELD_TRY(weld_judge_create(q->graph, q->model->file.weights, c, q->said_images,
                               q->options->threads, &judge, err));
    weld_status status =
        weld_judge_noise(judge, q->best.graph, q->best.integers, &q->said_noise, err);
    weld_judge_free(judge);
    return status;
}

/* On images with labels that both networks were compared on. */
static weld_status say_labelled(weld_quantizer *q, weld_error *err) {
    const weld_dataset *ds = q->data->evaluation.ds;
    int64_t *order, count;
    weld_calibration *images;
    WELD_TRY(weld_calibration_choose(ds, INT64_MAX, &order, &count, err));
    weld_calibration_options o = reading(q, order, count, MOST_SAID);
    o.bad_image = NULL; /* they were told */
    weld_status status = weld_calibration_create(ds, &o, &images, err);
    weld_free(order);
    status = status ? status : say_noise(q, images, err);
    weld_calibration_free(images);
    return status;
}

weld_status weld_quantizer_say_noise(weld_quantizer *q, weld_error *err) {
    return q->data->evaluation.ds ? say_labelled(q, err)
           : q->unlabelled        ? say_noise(q, q->unlabelled, err)
           : q->held              ? say_noise(q, q->held, err)
                                  : say_noise(q, q->images, err);
}
