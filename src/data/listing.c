/* Listings; see listing.h. */
#define _GNU_SOURCE
#include "data/listing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char weld_image_endings[] = ".jpg.jpeg.jpe.jfif.png.webp";

weld_listing weld_listing_make(void) {
    return (weld_listing){.samples.element = sizeof(weld_listing_sample),
                          .names.element = 1,
                          .classes.element = sizeof(uint64_t),
                          .class_names.element = 1,
                          .places.element = sizeof(weld_listing_place),
                          .sources.element = sizeof(weld_listing_source),
                          .source_names.element = 1};
}

void weld_listing_free(weld_listing *l) {
    weld_array_free(&l->samples);
    weld_array_free(&l->names);
    weld_array_free(&l->classes);
    weld_array_free(&l->class_names);
    weld_array_free(&l->places);
    weld_array_free(&l->sources);
    weld_array_free(&l->source_names);
}

bool weld_is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    size_t size = dot ? strlen(dot) : 0;
    for (const char *ending = weld_image_endings; dot && *ending;) {
        size_t length = 1 + strcspn(ending + 1, ".");
        if (length == size && strncasecmp(dot, ending, length) == 0) {
            return true;
        }
        ending += length;
    }
    return false;
}

bool weld_is_left_over(const char *name, size_t length) {
    static const char *const names[] = {"@eaDir",   "@Recycle",     "#recycle",
                                        "__MACOSX", "$RECYCLE.BIN", "lost+found"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == length && strncasecmp(name, names[i], length) == 0) {
            return true;
        }
    }
    return false;
}

void weld_listing_skip(const weld_listing_options *options, const char *name, const char *reason) {
    if (options->skipped) {
        options->skipped(options->arg, name, reason);
    }
}

bool weld_listing_add_class(weld_listing *l, const char *name) {
    uint64_t at = l->class_names.count;
    return weld_array_append_text(&l->class_names, name) && weld_array_append(&l->classes, &at, 1);
}

bool weld_listing_add_sample(weld_listing *l, const char *name, int label) {
    const char *slash = strrchr(name, '/');
    weld_listing_sample sample = {.name = l->names.count,
                                  .folder_size = slash ? (uint32_t)(slash - name) : 0,
                                  .label = label};
    return weld_array_append_text(&l->names, name) && weld_array_append(&l->samples, &sample, 1);
}

static int64_t nanoseconds(struct timespec t) {
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void weld_listing_source_set(weld_listing_source *s, const struct stat *info) {
    s->inode = (uint64_t)info->st_ino;
    s->size = (uint64_t)info->st_size;
    s->modified = nanoseconds(info->st_mtim);
    s->changed = nanoseconds(info->st_ctim);
}

bool weld_listing_add_source(weld_listing *l, const char *name, const struct stat *info) {
    weld_listing_source source = {.name = l->source_names.count};
    weld_listing_source_set(&source, info);
    return weld_array_append_text(&l->source_names, name) &&
           weld_array_append(&l->sources, &source, 1);
}

/* --- Order ------------------------------------------------------------------------------------ */

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

int weld_listing_compare(const char *a, uint32_t a_folder, const char *b, uint32_t b_folder) {
    int order = compare_bytes(a, a_folder, b, b_folder);
    return order ? order : strcmp(a + a_folder, b + b_folder);
}

static int compare_samples(const void *a, const void *b, void *names) {
    const weld_listing_sample *x = a, *y = b;
    return weld_listing_compare((const char *)names + x->name, x->folder_size,
                                (const char *)names + y->name, y->folder_size);
}

static int compare_classes(const void *a, const void *b, void *names) {
    return strcmp((const char *)names + *(const uint64_t *)a,
                  (const char *)names + *(const uint64_t *)b);
}

void weld_listing_sort_classes(weld_listing *l) {
    if (l->classes.count) {
        qsort_r(l->classes.data, l->classes.count, sizeof(uint64_t), compare_classes,
                l->class_names.data);
    }
}

void weld_listing_sort_samples(weld_listing *l, size_t first) {
    if (l->samples.count > first) {
        qsort_r((weld_listing_sample *)l->samples.data + first, l->samples.count - first,
                sizeof(weld_listing_sample), compare_samples, l->names.data);
    }
}

/* --- Contents --------------------------------------------------------------------------------- */

int weld_listing_class_count(const weld_listing *l) {
    return (int)l->classes.count;
}

const char *weld_listing_class_name(const weld_listing *l, int i) {
    return (const char *)l->class_names.data + ((const uint64_t *)l->classes.data)[i];
}

static const weld_listing_sample *sample_at(const weld_listing *l, int64_t i) {
    return (const weld_listing_sample *)l->samples.data + i;
}

const char *weld_listing_name(const weld_listing *l, int64_t i) {
    return (const char *)l->names.data + sample_at(l, i)->name;
}

int weld_listing_label(const weld_listing *l, int64_t i) {
    return sample_at(l, i)->label;
}

weld_listing_place weld_listing_place_of(const weld_listing *l, int64_t i) {
    return ((const weld_listing_place *)l->places.data)[i];
}
