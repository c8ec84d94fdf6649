/* Packing data sets; see pack.h.
 *
 * Samples are handled in groups: each group is read, checked by decoding and encoded again where
 * needed, in parallel; then it is written in order. */
#include "datasets/pack.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "datasets/box_packed.h"
#include "images/decode.h"
#include "images/image_facts.h"
#include "images/resize.h"
#include "images/upright.h"
#include "weld/image.h"

enum { GROUP = 64, RAW_LIMIT = 64, JPEG_QUALITY = 95, MAX_SIZE = 16384 };

/* What one thread works with. */
typedef struct worker {
    weld_image decoded, resized;
    weld_resize_scratch scratch;
} worker;

/* What became of an image; all zero but for the scale: its bytes are as they were. */
typedef struct outcome {
    double scale[2];
    int width, height;
    bool scaled; /* 16-bit grey became 8-bit */
} outcome;

typedef struct pack_job {
    const weld_dataset *ds;
    int size, threads;
    weld_reading how;          /* as stored */
    weld_packed_layout layout; /* of the result */
    int64_t begin;             /* of the group */
    weld_bytes bytes[GROUP];
    int width[GROUP], height[GROUP]; /* while looking for a common size */
    weld_status statuses[GROUP];
    weld_error errors[GROUP];
    outcome made[GROUP];
    worker *workers;
} pack_job;

/* Size after the shorter side was brought to `size`, at least 1 pixel. */
static void scaled_size(int size, int width, int height, int64_t *out_width, int64_t *out_height) {
    bool upright = width <= height;
    *out_width = upright ? size : (int64_t)size * width / height;
    *out_height = upright ? (int64_t)size * height / width : size;
}

static weld_status resize_sample(worker *w, int size, weld_error *err) {
    weld_pixels in = weld_image_pixels(&w->decoded);
    weld_resize_request request = {.filter = WELD_BICUBIC};
    scaled_size(size, in.width, in.height, &request.full_width, &request.full_height);
    if (request.full_width > WELD_MAX_PIXELS || request.full_height > WELD_MAX_PIXELS) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%d x %d pixels are too long to be resized to %d",
                         in.width, in.height, size);
    }
    request.width = (int)request.full_width;
    request.height = (int)request.full_height;
    WELD_TRY(weld_image_resize_buffer(&w->resized, request.width, request.height, err));
    return weld_resize_pixels(&in, &request, &w->scratch, w->resized.pixels, err);
}

/* That goes with the image, of those that it does not turn. */
static int orientation_kept(const weld_dataset *ds, const weld_bytes *bytes) {
    return weld_dataset_has_boxes(ds) || weld_dataset_layout(ds).height
               ? 1
               : weld_orientation_of(bytes->data, bytes->size);
}

/* The bytes to store of one sample: the decoded image replaces the file's where it must. */
static weld_status prepare(const pack_job *job, worker *w, int64_t i, weld_bytes *bytes,
                           outcome *made, weld_error *err) {
    weld_status status = weld_dataset_read(job->ds, i, bytes, err);
    status = status ? status : weld_dataset_decode(job->ds, i, bytes, job->how, &w->decoded, err);
    int shorter = w->decoded.width < w->decoded.height ? w->decoded.width : w->decoded.height;
    bool raw = job->layout.height > 0, source_is_raw = weld_dataset_layout(job->ds).height > 0;
    if (status || job->size == 0 || (!raw && !source_is_raw && shorter <= job->size)) {
        return status;
    }
    const int orientation = orientation_kept(job->ds, bytes);
    made->scaled = !source_is_raw && weld_image_is_deep_grey(bytes->data, bytes->size);
    status = resize_sample(w, job->size, err);
    made->width = w->resized.width;
    made->height = w->resized.height;
    made->scale[0] = (double)made->width / w->decoded.width;
    made->scale[1] = (double)made->height / w->decoded.height;
    if (!status && raw) {
        /* The pixels become the bytes and the other way round: both are only buffers. */
        weld_bytes held = *bytes;
        size_t size = (size_t)w->resized.width * (size_t)w->resized.height * 3;
        *bytes = (weld_bytes){w->resized.pixels, size, w->resized.capacity};
        w->resized = (weld_image){.pixels = held.data, .capacity = held.capacity};
    } else if (!status) {
        status = weld_encode_jpeg_turned(&w->resized, JPEG_QUALITY, orientation, bytes, err);
    }
    return status ? weld_fail_context(err, status, "%s", weld_dataset_name(job->ds, i)) : WELD_OK;
}

static void prepare_item(void *arg, int64_t item, int thread) {
    pack_job *job = arg;
    job->made[item] = (outcome){.scale = {1, 1}};
    job->statuses[item] = prepare(job, &job->workers[thread], job->begin + item, &job->bytes[item],
                                  &job->made[item], &job->errors[item]);
}

static void measure_item(void *arg, int64_t item, int thread) {
    pack_job *job = arg;
    weld_bytes *bytes = &job->bytes[item];
    int64_t i = job->begin + item, width = 0, height = 0;
    weld_status status = weld_dataset_read(job->ds, i, bytes, NULL);
    (void)thread;
    status = status ? status
                    : weld_dataset_size(job->ds, i, bytes, job->how, &job->width[item],
                                        &job->height[item], NULL);
    if (!status) {
        scaled_size(job->size, job->width[item], job->height[item], &width, &height);
        if (width > WELD_PACKED_MAX_SIDE || height > WELD_PACKED_MAX_SIDE ||
            orientation_kept(job->ds, bytes) != 1) {
            width = height = 0; /* never raw, then */
        }
        job->width[item] = (int)width;
        job->height[item] = (int)height;
    }
    job->statuses[item] = status;
}

static int64_t group_size(const pack_job *job) {
    int64_t left = weld_dataset_count(job->ds) - job->begin;
    return left < GROUP ? left : GROUP;
}

/* The common size of all images after resizing, or all zero. Damaged ones do not count. */
static weld_packed_layout common_layout(pack_job *job) {
    weld_packed_layout common = {0, 0, 3};
    for (job->begin = 0; job->begin < weld_dataset_count(job->ds); job->begin += GROUP) {
        int64_t count = group_size(job);
        weld_parallel(job->threads, count, measure_item, job);
        for (int64_t k = 0; k < count; k++) {
            if (job->statuses[k]) {
                continue;
            }
            if (job->height[k] == 0) {
                return (weld_packed_layout){0, 0, 0};
            }
            if (common.height == 0) {
                common.height = job->height[k];
                common.width = job->width[k];
            }
            if (common.height != job->height[k] || common.width != job->width[k]) {
                return (weld_packed_layout){0, 0, 0};
            }
        }
    }
    return common.height ? common : (weld_packed_layout){0, 0, 0};
}

static weld_packed_layout choose_layout(pack_job *job) {
    weld_packed_layout source = weld_dataset_layout(job->ds);
    if (job->size == 0) {
        return source;
    }
    if (job->size > RAW_LIMIT) {
        return (weld_packed_layout){0, 0, 0};
    }
    if (source.height > 0) {
        int64_t width, height;
        scaled_size(job->size, source.width, source.height, &width, &height);
        return (weld_packed_layout){(int)height, (int)width, 3};
    }
    return common_layout(job);
}

static weld_status write_group(const pack_job *job, int64_t count, weld_packed_writer *w,
                               const weld_pack_options *options, weld_pack_report *report,
                               weld_error *err) {
    for (int64_t k = 0; k < count; k++) {
        int64_t i = job->begin + k;
        const char *name = weld_dataset_name(job->ds, i);
        weld_status status = job->statuses[k];
        if (weld_is_bad_image(status)) {
            report->bad++;
            if (options->bad_image) {
                options->bad_image(options->arg, name, job->errors[k].message);
            }
            continue;
        }
        if (status) {
            return weld_fail(err, status, "%s", job->errors[k].message);
        }
        if (job->made[k].scaled) {
            report->layout.scale16 = job->how.scale16;
            weld_packed_writer_set_scale16(w, job->how.scale16);
        }
        WELD_TRY(weld_packed_writer_add(w, job->bytes[k].data, job->bytes[k].size,
                                        weld_dataset_label(job->ds, i), name, err));
        if (weld_dataset_has_boxes(job->ds)) {
            const outcome *m = &job->made[k];
            WELD_TRY(weld_box_pack_add(job->ds, i, m->scale, m->width, m->height, w, err));
        }
        report->packed++;
    }
    return WELD_OK;
}

static weld_status write_all(pack_job *job, weld_packed_writer *w, const weld_pack_options *options,
                             weld_pack_report *report, weld_error *err) {
    int64_t total = weld_dataset_count(job->ds);
    for (job->begin = 0; job->begin < total; job->begin += GROUP) {
        int64_t count = group_size(job);
        weld_parallel(job->threads, count, prepare_item, job);
        WELD_TRY(write_group(job, count, w, options, report, err));
        if (options->progress) {
            options->progress(options->arg, job->begin + count, total);
        }
    }
    return WELD_OK;
}

static weld_status create_writer(const pack_job *job, const char *out, weld_packed_writer **w,
                                 weld_error *err) {
    int classes = weld_dataset_class_count(job->ds);
    const char **names = weld_alloc((size_t)classes, sizeof *names);
    if (!names) {
        return weld_fail_memory(err, out);
    }
    for (int i = 0; i < classes; i++) {
        names[i] = weld_dataset_class_name(job->ds, i);
    }
    weld_status status = weld_packed_writer_create(out, job->layout, names, classes, w, err);
    weld_free(names);
    return status;
}

static void free_job(pack_job *job) {
    for (int k = 0; k < GROUP; k++) {
        weld_bytes_free(&job->bytes[k]);
    }
    for (int t = 0; job->workers && t < job->threads; t++) {
        weld_image_free(&job->workers[t].decoded);
        weld_image_free(&job->workers[t].resized);
        weld_resize_scratch_free(&job->workers[t].scratch);
    }
    weld_free(job->workers);
    weld_free(job);
}

weld_status weld_pack(const weld_dataset *ds, const char *out, const weld_pack_options *options,
                      weld_pack_report *report, weld_error *err) {
    *report = (weld_pack_report){0};
    if (options->size < 0 || options->size > MAX_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "size %d: it must be in 1..%d, or 0 to keep "
                         "images as they are",
                         options->size, MAX_SIZE);
    }
    if (options->scale16 &&
        (options->scale16 < WELD_SCALE16_MIN || options->scale16 > WELD_SCALE16_MAX)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "scale16 %d: it must be in %d..%d",
                         options->scale16, WELD_SCALE16_MIN, WELD_SCALE16_MAX);
    }
    const int packed16 = weld_dataset_layout(ds).scale16; /* of images that were packed before */
    if (packed16 && options->scale16 && options->scale16 != packed16) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "scale16 %d: %s was packed with %d: leave it out, or pack its images anew",
                         options->scale16, weld_dataset_path(ds), packed16);
    }
    pack_job *job = weld_alloc(1, sizeof *job);
    if (!job) {
        return weld_fail_memory(err, out);
    }
    weld_packed_writer *w = NULL;
    weld_status status = WELD_OK;
    job->ds = ds;
    job->size = options->size;
    job->how.scale16 = options->scale16 ? options->scale16 : packed16 ? packed16 : WELD_SCALE16_MIN;
    job->how.max_pixels = options->max_pixels;
    job->threads = weld_threads_count(options->threads);
    job->workers = weld_alloc((size_t)job->threads, sizeof *job->workers);
    if (!job->workers) {
        status = weld_fail_memory(err, out);
        goto done;
    }
    job->layout = choose_layout(job);
    job->layout.scale16 = packed16;
    report->layout = job->layout;
    status = create_writer(job, out, &w, err);
    if (!status && weld_dataset_has_boxes(ds)) {
        status = weld_box_pack_begin(ds, w, err);
    }
    status = status ? status : write_all(job, w, options, report, err);
    status = status ? status : weld_packed_writer_finish(w, err);
done:
    weld_packed_writer_free(w);
    free_job(job);
    return status;
}
