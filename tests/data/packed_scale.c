/* A packed data set of a million and more small images: made, opened and read, with the time and
 * memory that takes. For scripts/show_packed.
 *
 *   packed_scale make FILE IMAGES      1000 classes of made-up JPEGs of about 2 KB
 *   packed_scale open FILE             seconds of opening, and memory of the process beyond caches
 *   packed_scale read FILE THREADS     images/s and MB/s through the library and by plain reads of
 *                                      the same bytes: in order from the disk, then from the page
 *                                      cache in order and shuffled, turn by turn
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/threads.h"
#include "datasets/dataset.h"

enum { CLASSES = 1000, KINDS = 256, SIDE = 32, QUALITY = 90, TURNS = 3, BLOCK = 256 };

static _Noreturn void stop(const char *message) {
    fprintf(stderr, "packed_scale: %s\n", message);
    exit(1);
}

static void need(weld_status status, const weld_error *err) {
    if (status != WELD_OK) {
        stop(err->message);
    }
}

/* --- Making ----------------------------------------------------------------------------------- */

static void make_image(uint64_t number, weld_bytes *out) {
    weld_image image = {0};
    weld_error err = {0};
    weld_random random = weld_random_start(1, 0, number, WELD_RANDOM_AUGMENT);
    need(weld_image_resize_buffer(&image, SIDE, SIDE, &err), &err);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        image.pixels[i] = (uint8_t)(i / SIDE + (int)weld_random_below(&random, 128));
    }
    need(weld_encode_jpeg(&image, QUALITY, out, &err), &err);
    weld_image_free(&image);
}

static void make(const char *path, int64_t count) {
    static char texts[CLASSES][16];
    const char *names[CLASSES];
    weld_bytes images[KINDS] = {0};
    weld_packed_writer *w;
    weld_error err = {0};
    for (int i = 0; i < CLASSES; i++) {
        snprintf(texts[i], sizeof texts[i], "n%08d", 1440764 + 11 * i);
        names[i] = texts[i];
    }
    for (uint64_t i = 0; i < KINDS; i++) {
        make_image(i, &images[i]);
    }
    need(weld_packed_writer_create(path, (weld_packed_layout){0, 0, 0}, names, CLASSES, &w, &err),
         &err);
    for (int64_t i = 0; i < count; i++) {
        char name[64];
        int label = (int)(i * CLASSES / count);
        const weld_bytes *image = &images[i * 2654435761 / 4096 % KINDS];
        snprintf(name, sizeof name, "%s/%s_%lld.JPEG", names[label], names[label], (long long)i);
        need(weld_packed_writer_add(w, image->data, image->size, label, name, &err), &err);
    }
    need(weld_packed_writer_finish(w, &err), &err);
    weld_packed_writer_free(w);
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Megabytes of the process that no file could give back: a line of /proc/self/status. */
static double megabytes(const char *key) {
    char line[256];
    double kilobytes = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kilobytes = atof(line + strlen(key) + 1);
        }
    }
    if (status) {
        fclose(status);
    }
    return kilobytes / 1024;
}

static weld_dataset *open_set(const char *path) {
    weld_dataset *ds;
    weld_error err = {0};
    need(weld_dataset_open(path, &ds, &err), &err);
    return ds;
}

static void measure_opening(const char *path) {
    double before = megabytes("RssAnon:"), began = weld_clock();
    weld_dataset *ds = open_set(path);
    double seconds = weld_clock() - began;
    printf("%lld images, %d classes: opened in %.3f s, %.0f MB more of memory (at most %.0f MB "
           "in all, with the program)\n",
           (long long)weld_dataset_count(ds), weld_dataset_class_count(ds), seconds,
           megabytes("RssAnon:") - before, megabytes("VmHWM:"));
    weld_dataset_free(ds);
}

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct reading {
    const weld_dataset *ds;
    const uint64_t *offsets; /* of the plain reads: where samples lie, one after the other */
    int fd;
    const int64_t *order;
    int64_t count;
    weld_bytes *buffers; /* per thread */
} reading;

static void read_block(void *arg, int64_t item, int thread) {
    const reading *r = arg;
    weld_bytes *bytes = &r->buffers[thread];
    weld_error err = {0};
    for (int64_t k = item * BLOCK; k < (item + 1) * BLOCK && k < r->count; k++) {
        int64_t i = r->order[k];
        if (!r->offsets) {
            need(weld_dataset_read(r->ds, i, bytes, &err), &err);
            continue;
        }
        size_t size = (size_t)(r->offsets[i + 1] - r->offsets[i]);
        need(weld_bytes_resize(bytes, size, &err), &err);
        if (pread(r->fd, bytes->data, size, (off_t)r->offsets[i]) != (ssize_t)size) {
            stop("a plain read failed");
        }
    }
}

static double seconds_of(const reading *r, int threads) {
    double began = weld_clock();
    weld_parallel(threads, (r->count + BLOCK - 1) / BLOCK, read_block, (void *)r);
    return weld_clock() - began;
}

/* Sizes are asked from the library once; where the first sample lies does not matter for a plain
 * read of as many bytes. */
static uint64_t *find_offsets(const weld_dataset *ds) {
    int64_t count = weld_dataset_count(ds);
    uint64_t *offsets = calloc((size_t)count + 1, sizeof *offsets);
    weld_bytes bytes = {0};
    weld_error err = {0};
    if (!offsets) {
        stop("out of memory");
    }
    offsets[0] = 64 << 10;
    for (int64_t i = 0; i < count; i++) {
        need(weld_dataset_read(ds, i, &bytes, &err), &err);
        offsets[i + 1] = offsets[i] + bytes.size;
    }
    weld_bytes_free(&bytes);
    return offsets;
}

static void say_speeds(int threads, const char *how, double images, double megabyte, double seconds,
                       double plain) {
    printf("%d thread%s, %-19s  %8.0f images/s %6.0f MB/s; plain reads %8.0f images/s %6.0f MB/s: "
           "%.2f of it\n",
           threads, threads > 1 ? "s" : " ", how, images / seconds, megabyte / seconds,
           images / plain, megabyte / plain, plain / seconds);
}

/* With nothing of the file in the page cache. */
static double seconds_from_disk(const reading *r, int fd, int threads) {
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
        stop("the file cannot be dropped from the page cache");
    }
    return seconds_of(r, threads);
}

static void measure_reading(const char *path, int threads) {
    weld_dataset *ds = open_set(path);
    int64_t count = weld_dataset_count(ds), *order = calloc((size_t)count, sizeof *order);
    uint64_t *offsets = find_offsets(ds); /* and the file is in the cache now */
    double megabyte = (double)(offsets[count] - offsets[0]) * 1e-6;
    weld_bytes *buffers = calloc((size_t)threads, sizeof *buffers);
    reading library = {ds, NULL, -1, order, count, buffers}, plain = library;
    plain.offsets = offsets;
    plain.fd = open(path, O_RDONLY);
    if (!order || !buffers || plain.fd < 0) {
        stop("out of memory, or the file cannot be opened");
    }
    for (int64_t i = 0; i < count; i++) {
        order[i] = i;
    }
    double disk_plain = seconds_from_disk(&plain, plain.fd, threads);
    double disk = seconds_from_disk(&library, plain.fd, threads);
    say_speeds(threads, "in order, from disk", (double)count, megabyte, disk, disk_plain);
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        double best = 1e9, best_plain = 1e9;
        for (int turn = 0; turn < TURNS; turn++) {
            double seconds = seconds_of(&plain, threads);
            best_plain = seconds < best_plain ? seconds : best_plain;
            seconds = seconds_of(&library, threads);
            best = seconds < best ? seconds : best;
        }
        say_speeds(threads, shuffled ? "shuffled, cached" : "in order, cached", (double)count,
                   megabyte, best, best_plain);
        weld_random random = weld_random_start(0, 0, 0, WELD_RANDOM_SHUFFLE);
        weld_random_shuffle(&random, order, count);
    }
    for (int t = 0; t < threads; t++) {
        weld_bytes_free(&buffers[t]);
    }
    close(plain.fd);
    free(buffers);
    free(offsets);
    free(order);
    weld_dataset_free(ds);
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    if (strcmp(what, "make") == 0 && argc == 4) {
        make(argv[2], atoll(argv[3]));
    } else if (strcmp(what, "open") == 0 && argc == 3) {
        measure_opening(argv[2]);
    } else if (strcmp(what, "read") == 0 && argc == 4 && atoi(argv[3]) > 0) {
        measure_reading(argv[2], atoi(argv[3]));
    } else {
        stop("make FILE IMAGES, open FILE, or read FILE THREADS");
    }
    return 0;
}
