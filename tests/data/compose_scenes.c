/* Scenes for detectors, composed of the grey items of a packed data set: scripts/make_scenes is the
 * way to call this.
 *
 *     compose_scenes ITEMS.h5 FOLDER PART SEED IMAGES
 *
 * makes FOLDER/images/PART/000000.png ..., FOLDER/labels/PART/000000.txt ... (YOLO) and
 * FOLDER/instances_PART.json (COCO). Images of 160 x 160; one in twenty is background alone, the
 * others have one to six items, each item of the set once at most. Everything is drawn by (seed,
 * image) from weld's generator, and all geometry is of integers and of doubles in a fixed order, so
 * that any machine makes the same bytes.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/random.h"
#include "datasets/dataset.h"
#include "formats/bytes.h"
#include "formats/file.h"
#include "images/encode_png.h"

enum { SIDE = 160, MOST_OBJECTS = 6, MOST_ITEM = 80, TRIES = 20, SCALES = 1024 };

/* Scales from 0.75 to 2.5 in a geometric row: the factor is (10 / 3)^(1 / 1023). */
static const double LEAST_SCALE = 0.75, SCALE_FACTOR = 1.0011775968353445;

/* The part of an item that shows, at its own size. alpha: 0..64 of 64. */
typedef struct item {
    int width, height, class_index;
    unsigned char value[MOST_ITEM * MOST_ITEM], alpha[MOST_ITEM * MOST_ITEM];
} item;

typedef struct object {
    int x1, y1, x2, y2, class_index;
    int area, visible; /* pixels of its mask, and those that nothing covers */
} object;

typedef struct scene {
    unsigned char pixels[SIDE * SIDE * 3];
    signed char owner[SIDE * SIDE]; /* -1: nobody */
    object objects[MOST_OBJECTS];
    int count;
} scene;

static void die(const char *what, const char *message) {
    fprintf(stderr, "compose_scenes: %s%s%s\n", what, *what ? ": " : "", message);
    exit(1);
}

static int between(weld_random *r, int low, int high) {
    return low + (int)weld_random_below(r, (uint64_t)(high - low + 1));
}

static unsigned char clipped(double v) {
    return v < 0 ? 0 : v > 255 ? 255 : (unsigned char)(v + 0.5);
}

/* --- Backgrounds --- */

/* Value noise of one octave at (x, y): a grid of 8-bit values, smoothed between. */
static double noise(const unsigned char *grid, int step, int x, int y) {
    const int across = SIDE / step + 2, i = x / step, j = y / step;
    const double u = (double)(x % step) / step, v = (double)(y % step) / step;
    const double a = u * u * (3 - 2 * u), b = v * v * (3 - 2 * v);
    const unsigned char *at = grid + j * across + i;
    const double top = at[0] * (1 - a) + at[1] * a;
    const double bottom = at[across] * (1 - a) + at[across + 1] * a;
    return top * (1 - b) + bottom * b;
}

static void paint_background(scene *s, weld_random *r) {
    static const int steps[] = {80, 40, 20};
    unsigned char grids[3][(SIDE / 20 + 2) * (SIDE / 20 + 2)], base[3];
    const bool plain = weld_random_below(r, 5) == 0;
    const int grey = between(r, 0, 255), slope[2] = {between(r, -60, 60), between(r, -60, 60)};
    for (int c = 0; c < 3; c++) {
        base[c] = (unsigned char)between(r, 0, 160);
    }
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < (SIDE / steps[k] + 2) * (SIDE / steps[k] + 2); i++) {
            grids[k][i] = (unsigned char)weld_random_below(r, 256);
        }
    }
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double v = 0;
            for (int k = 0; k < 3; k++) {
                v += (noise(grids[k], steps[k], x, y) - 128) / (2 << k);
            }
            v += (double)(slope[0] * (x - SIDE / 2) + slope[1] * (y - SIDE / 2)) / SIDE;
            for (int c = 0; c < 3; c++) {
                s->pixels[(y * SIDE + x) * 3 + c] =
                    plain ? (unsigned char)grey : clipped(base[c] + 40 + v);
            }
        }
    }
}

/* Shapes that nobody is to find: ellipses and bars. */
static void paint_distractors(scene *s, weld_random *r) {
    const int count = between(r, 0, 2);
    for (int k = 0; k < count; k++) {
        const bool bar = weld_random_below(r, 2) == 0;
        const int cx = between(r, 0, SIDE - 1), cy = between(r, 0, SIDE - 1);
        const int a = between(r, 5, 35), b = bar ? between(r, 2, 6) : between(r, 5, 35);
        const bool upright = weld_random_below(r, 2) == 0;
        const int w = upright ? b : a, h = upright ? a : b;
        const unsigned char colour[3] = {(unsigned char)weld_random_below(r, 256),
                                         (unsigned char)weld_random_below(r, 256),
                                         (unsigned char)weld_random_below(r, 256)};
        for (int y = cy - h > 0 ? cy - h : 0; y < SIDE && y <= cy + h; y++) {
            for (int x = cx - w > 0 ? cx - w : 0; x < SIDE && x <= cx + w; x++) {
                const int dx = x - cx, dy = y - cy;
                if (bar || dx * dx * h * h + dy * dy * w * w <= w * w * h * h) {
                    memcpy(&s->pixels[(y * SIDE + x) * 3], colour, 3);
                }
            }
        }
    }
}

/* --- Items --- */

static void read_item(const weld_dataset *ds, int64_t index, item *out) {
    weld_error err;
    weld_bytes bytes = {0};
    weld_image image = {0};
    if (weld_dataset_read(ds, index, &bytes, &err) ||
        weld_dataset_decode(ds, index, &bytes, (weld_reading){0}, &image, &err)) {
        die("", err.message);
    }
    int x1 = image.width, y1 = image.height, x2 = 0, y2 = 0;
    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            if (image.pixels[(y * image.width + x) * 3] >= 32) {
                x1 = x < x1 ? x : x1;
                x2 = x >= x2 ? x + 1 : x2;
                y1 = y < y1 ? y : y1;
                y2 = y >= y2 ? y + 1 : y2;
            }
        }
    }
    out->class_index = weld_dataset_label(ds, index);
    out->width = x2 > x1 ? x2 - x1 : 0;
    out->height = y2 > y1 ? y2 - y1 : 0;
    if (out->width > MOST_ITEM || out->height > MOST_ITEM) {
        die(weld_dataset_name(ds, index), "is larger than 80 x 80");
    }
    for (int y = 0; y < out->height; y++) {
        for (int x = 0; x < out->width; x++) {
            const int v = image.pixels[((y + y1) * image.width + x + x1) * 3];
            out->value[y * out->width + x] = (unsigned char)v;
            out->alpha[y * out->width + x] = (unsigned char)(v < 64 ? v : 64);
        }
    }
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

/* Bilinear, half-pixel centres, edges held: at (x, y) of width x height. */
static double sample(const unsigned char *from, int w, int h, int x, int y, int width, int height) {
    double u = (x + 0.5) * w / width - 0.5, v = (y + 0.5) * h / height - 0.5;
    u = u < 0 ? 0 : u > w - 1 ? w - 1 : u;
    v = v < 0 ? 0 : v > h - 1 ? h - 1 : v;
    const int i = (int)u, j = (int)v, i2 = i + 1 < w ? i + 1 : i, j2 = j + 1 < h ? j + 1 : j;
    const double a = u - i, b = v - j;
    const double top = from[j * w + i] * (1 - a) + from[j * w + i2] * a;
    const double bottom = from[j2 * w + i] * (1 - a) + from[j2 * w + i2] * a;
    return top * (1 - b) + bottom * b;
}

/* Where a try puts an item, and its mask on the scene. */
typedef struct placed {
    int x, y, width, height;
    unsigned char mask[SIDE * SIDE];
    object object;
} placed;

static void draw_place(weld_random *r, const item *from, const double *scales, placed *p) {
    const double scale = scales[weld_random_below(r, SCALES)];
    const bool overhangs = weld_random_below(r, 8) == 0;
    p->width = (int)(from->width * scale + 0.5);
    p->height = (int)(from->height * scale + 0.5);
    p->width = p->width < 4 ? 4 : p->width > SIDE ? SIDE : p->width;
    p->height = p->height < 4 ? 4 : p->height > SIDE ? SIDE : p->height;
    const int ox = overhangs ? p->width / 4 : 0, oy = overhangs ? p->height / 4 : 0;
    p->x = between(r, -ox, SIDE - p->width + ox);
    p->y = between(r, -oy, SIDE - p->height + oy);
}

static void make_mask(const item *from, placed *p) {
    object *o = &p->object;
    *o = (object){.x1 = SIDE, .y1 = SIDE, .class_index = from->class_index};
    memset(p->mask, 0, sizeof p->mask);
    for (int y = p->y > 0 ? p->y : 0; y < SIDE && y < p->y + p->height; y++) {
        for (int x = p->x > 0 ? p->x : 0; x < SIDE && x < p->x + p->width; x++) {
            if (sample(from->alpha, from->width, from->height, x - p->x, y - p->y, p->width,
                       p->height) >= 32) {
                p->mask[y * SIDE + x] = 1;
                o->x1 = x < o->x1 ? x : o->x1;
                o->y1 = y < o->y1 ? y : o->y1;
                o->x2 = x >= o->x2 ? x + 1 : o->x2;
                o->y2 = y >= o->y2 ? y + 1 : o->y2;
                o->area++;
            }
        }
    }
    o->visible = o->area;
}

/* Intersection over union of more than 0.3. */
static bool overlap(const object *a, const object *b) {
    const int w = (a->x2 < b->x2 ? a->x2 : b->x2) - (a->x1 > b->x1 ? a->x1 : b->x1);
    const int h = (a->y2 < b->y2 ? a->y2 : b->y2) - (a->y1 > b->y1 ? a->y1 : b->y1);
    if (w <= 0 || h <= 0) {
        return false;
    }
    const int both = w * h,
              either = (a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) - both;
    return 10 * both > 3 * either;
}

static bool fits(const scene *s, const placed *p) {
    int covered[MOST_OBJECTS] = {0};
    if (!p->object.area) {
        return false;
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        if (p->mask[i] && s->owner[i] >= 0) {
            covered[s->owner[i]]++;
        }
    }
    for (int i = 0; i < s->count; i++) {
        const object *o = &s->objects[i];
        if (overlap(o, &p->object) || 10 * (o->visible - covered[i]) < 6 * o->area) {
            return false;
        }
    }
    return true;
}

/* What an item's grey becomes in each channel. */
typedef struct paint {
    double tint[3];
    bool inverted;
} paint;

static paint draw_paint(weld_random *r) {
    paint p;
    const double contrast = weld_random_range(r, 0.6, 1);
    for (int c = 0; c < 3; c++) {
        p.tint[c] = weld_random_range(r, 0.7, 1) * contrast;
    }
    p.inverted = weld_random_below(r, 4) == 0;
    return p;
}

static void put(scene *s, const item *from, const placed *p, const paint *colours) {
    for (int y = p->y > 0 ? p->y : 0; y < SIDE && y < p->y + p->height; y++) {
        for (int x = p->x > 0 ? p->x : 0; x < SIDE && x < p->x + p->width; x++) {
            const int at = y * SIDE + x, u = x - p->x, v = y - p->y;
            const double a =
                sample(from->alpha, from->width, from->height, u, v, p->width, p->height) / 64;
            double value =
                sample(from->value, from->width, from->height, u, v, p->width, p->height);
            value = colours->inverted ? 255 - value : value;
            for (int c = 0; c < 3; c++) {
                unsigned char *to = &s->pixels[at * 3 + c];
                *to = clipped(*to * (1 - a) + value * colours->tint[c] * a);
            }
            if (p->mask[at]) {
                if (s->owner[at] >= 0) {
                    s->objects[s->owner[at]].visible--;
                }
                s->owner[at] = (signed char)s->count;
            }
        }
    }
    s->objects[s->count++] = p->object;
}

static void add_object(scene *s, weld_random *r, const item *from, const double *scales) {
    static placed p;
    const paint colours = draw_paint(r);
    for (int i = 0; i < TRIES; i++) {
        draw_place(r, from, scales, &p);
        make_mask(from, &p);
        if (fits(s, &p)) {
            put(s, from, &p, &colours);
            return;
        }
    }
}

static void compose(scene *s, weld_random *r, const weld_dataset *ds, const int64_t *order,
                    int64_t *next, const double *scales) {
    static item from;
    const bool empty = weld_random_below(r, 20) == 0;
    const int count = empty ? 0 : between(r, 1, MOST_OBJECTS);
    memset(s->owner, -1, sizeof s->owner);
    s->count = 0;
    paint_background(s, r);
    paint_distractors(s, r);
    for (int i = 0; i < count; i++) {
        if (*next == weld_dataset_count(ds)) {
            die(weld_dataset_path(ds), "has too few items for so many images");
        }
        read_item(ds, order[(*next)++], &from);
        add_object(s, r, &from, scales);
    }
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        s->pixels[i] = clipped(s->pixels[i] + between(r, -4, 4));
    }
}

/* --- Files --- */

static void make_folder(const char *folder, const char *below, const char *part, char *out) {
    snprintf(out, 4096, "%s", folder);
    const char *const names[] = {below, part};
    for (int i = 0; i < 3; i++) {
        if (mkdir(out, 0777) && errno != EEXIST) {
            die(out, strerror(errno));
        }
        if (i < 2) {
            strcat(strcat(out, "/"), names[i]);
        }
    }
}

static FILE *create(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) {
        die(path, strerror(errno));
    }
    return file;
}

static void write_image(const scene *s, const char *path) {
    weld_error err;
    weld_bytes png = {0};
    const weld_image image = {
        .pixels = (unsigned char *)(uintptr_t)s->pixels, .width = SIDE, .height = SIDE};
    if (weld_encode_png(&image, &png, &err) || weld_file_write(path, png.data, png.size, &err)) {
        die("", err.message);
    }
    weld_bytes_free(&png);
}

static void write_rows(const scene *s, const char *path) {
    FILE *file = create(path);
    for (int i = 0; i < s->count; i++) {
        const object *o = &s->objects[i];
        fprintf(file, "%d %.7f %.7f %.7f %.7f\n", o->class_index, (o->x1 + o->x2) / (2.0 * SIDE),
                (o->y1 + o->y2) / (2.0 * SIDE), (double)(o->x2 - o->x1) / SIDE,
                (double)(o->y2 - o->y1) / SIDE);
    }
    if (fclose(file)) {
        die(path, strerror(errno));
    }
}

static void add_annotations(FILE *json, const scene *s, int64_t image, int64_t *id) {
    for (int i = 0; i < s->count; i++) {
        const object *o = &s->objects[i];
        fprintf(json,
                "%s{\"id\":%lld,\"image_id\":%lld,\"category_id\":%d,\"bbox\":[%d,%d,%d,%d],"
                "\"area\":%d,\"iscrowd\":0}",
                *id > 1 ? ",\n" : "", (long long)*id, (long long)image + 1, o->class_index + 1,
                o->x1, o->y1, o->x2 - o->x1, o->y2 - o->y1, o->area);
        ++*id;
    }
}

int main(int argc, char **argv) {
    weld_error err;
    weld_dataset *ds;
    char images[4200], labels[4200], path[4400];
    static scene s;
    double scales[SCALES] = {LEAST_SCALE};
    if (argc != 6) {
        die("", "ITEMS.h5 FOLDER PART SEED IMAGES");
    }
    const char *part = argv[3];
    const uint64_t seed = strtoull(argv[4], NULL, 10);
    const int64_t count = atoll(argv[5]);
    if (weld_dataset_open(argv[1], &ds, &err)) {
        die("", err.message);
    }
    for (int i = 1; i < SCALES; i++) {
        scales[i] = scales[i - 1] * SCALE_FACTOR;
    }
    int64_t *order = malloc((size_t)weld_dataset_count(ds) * sizeof *order), next = 0, id = 1;
    for (int64_t i = 0; order && i < weld_dataset_count(ds); i++) {
        order[i] = i;
    }
    weld_random shuffle = weld_random_start(seed, 0, 0, WELD_RANDOM_SHUFFLE);
    weld_random_shuffle(&shuffle, order, weld_dataset_count(ds));
    make_folder(argv[2], "images", part, images);
    make_folder(argv[2], "labels", part, labels);
    snprintf(path, sizeof path, "%s/instances_%s.json", argv[2], part);
    FILE *json = create(path), *list = tmpfile();
    fprintf(json, "{\"images\":[\n");
    for (int64_t i = 0; i < count; i++) {
        weld_random r = weld_random_start(seed, 0, (uint64_t)i, WELD_RANDOM_COMPOSE);
        compose(&s, &r, ds, order, &next, scales);
        snprintf(path, sizeof path, "%s/%06lld.png", images, (long long)i);
        write_image(&s, path);
        snprintf(path, sizeof path, "%s/%06lld.txt", labels, (long long)i);
        write_rows(&s, path);
        fprintf(json,
                "%s{\"id\":%lld,\"file_name\":\"images/%s/%06lld.png\",\"width\":%d,\"height\":%d}",
                i ? ",\n" : "", (long long)i + 1, part, (long long)i, SIDE, SIDE);
        add_annotations(list, &s, i, &id);
    }
    fprintf(json, "],\n\"annotations\":[\n");
    rewind(list);
    for (int c; (c = fgetc(list)) != EOF;) {
        fputc(c, json);
    }
    fprintf(json, "],\n\"categories\":[\n");
    for (int c = 0; c < weld_dataset_class_count(ds); c++) {
        fprintf(json, "%s{\"id\":%d,\"name\":\"%s\"}", c ? ",\n" : "", c + 1,
                weld_dataset_class_name(ds, c));
    }
    fprintf(json, "]}\n");
    if (ferror(json) | fclose(json) | fclose(list)) {
        die(argv[2], "cannot be written");
    }
    printf("%s: %lld images, %lld objects\n", part, (long long)count, (long long)id - 1);
    free(order);
    weld_dataset_free(ds);
    return 0;
}
