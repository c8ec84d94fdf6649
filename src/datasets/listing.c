/* Listings; see listing.h. */
#define _GNU_SOURCE
#include "datasets/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/locale.h"
#include "base/memory.h"
#include "formats/foreign.h"
#include "images/decode.h"

const char weld_image_endings[] = ".jpg.jpeg.jpe.jfif.png.webp";

weld_listing weld_listing_make(void) {
    return (weld_listing){.samples.element = sizeof(weld_listing_sample),
                          .names.element = 1,
                          .classes.element = sizeof(uint64_t),
                          .class_names.element = 1,
                          .places.element = sizeof(weld_listing_place),
                          .sources.element = sizeof(weld_listing_source),
                          .source_names.element = 1,
                          .groups.element = sizeof(weld_listing_group),
                          .group_texts.element = 1};
}

void weld_listing_free(weld_listing *l) {
    weld_array_free(&l->samples);
    weld_array_free(&l->names);
    weld_array_free(&l->classes);
    weld_array_free(&l->class_names);
    weld_array_free(&l->places);
    weld_array_free(&l->sources);
    weld_array_free(&l->source_names);
    weld_array_free(&l->groups);
    weld_array_free(&l->group_texts);
}

bool weld_is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    size_t size = dot ? strlen(dot) : 0;
    for (const char *ending = weld_image_endings; dot && *ending;) {
        size_t length = 1 + strcspn(ending + 1, ".");
        if (length == size && weld_strncasecmp(dot, ending, length) == 0) {
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
        if (strlen(names[i]) == length && weld_strncasecmp(name, names[i], length) == 0) {
            return true;
        }
    }
    return false;
}

const char *weld_why_no_image(const void *bytes, size_t size) {
    if (weld_is_image(bytes, size)) {
        return NULL;
    }
    const char *known = weld_foreign_text(bytes, size);
    return known ? known : size ? "not an image" : "empty";
}

/* --- What was passed over, or taken by its contents --- */

static const char *group_text(const weld_listing *l, uint64_t at) {
    return (const char *)l->group_texts.data + at;
}

/* The group of a reason; NULL: memory is short. */
static weld_listing_group *find_group(weld_listing *l, const char *reason, bool taken) {
    weld_listing_group *groups = l->groups.data;
    for (size_t i = 0; i < l->groups.count; i++) {
        if (groups[i].taken == taken && strcmp(group_text(l, groups[i].reason), reason) == 0) {
            return &groups[i];
        }
    }
    const weld_listing_group group = {.reason = l->group_texts.count, .taken = taken};
    if (!weld_array_append_text(&l->group_texts, reason) ||
        !weld_array_append(&l->groups, &group, 1)) {
        return NULL;
    }
    return (weld_listing_group *)l->groups.data + l->groups.count - 1;
}

/* Of the names the first in bytewise order are kept, whatever the order in which they come. */
static bool add_to_group(weld_listing *l, const char *name, const char *reason, bool taken) {
    weld_listing_group *group = find_group(l, reason, taken);
    if (!group) {
        return false;
    }
    int kept = group->count < WELD_NAMED ? (int)group->count : WELD_NAMED, at = kept;
    while (at > 0 && strcmp(name, group_text(l, group->names[at - 1])) < 0) {
        at--;
    }
    group->count++;
    if (at == WELD_NAMED) {
        return true;
    }
    kept -= kept == WELD_NAMED;
    memmove(group->names + at + 1, group->names + at, (size_t)(kept - at) * sizeof *group->names);
    group->names[at] = l->group_texts.count;
    return weld_array_append_text(&l->group_texts, name);
}

bool weld_listing_skip(weld_listing *l, const weld_listing_options *options, const char *name,
                       const char *reason) {
    if (options->skipped) {
        options->skipped(options->arg, name, reason);
    }
    return add_to_group(l, name, reason, false);
}

bool weld_listing_add_taken(weld_listing *l, const char *name) {
    return add_to_group(l, name, "images by their contents", true);
}

/* " 4 (a, b, c, ...)" */
static void tell_group(const weld_listing *l, const weld_listing_group *group, weld_text *out) {
    weld_text_format(out, " %lld (", (long long)group->count);
    for (uint64_t i = 0; i < group->count && i < WELD_NAMED; i++) {
        weld_text_add(out, i ? ", " : "");
        weld_text_add_printable(out, group_text(l, group->names[i]));
    }
    weld_text_add(out, group->count > WELD_NAMED ? ", ...)" : ")");
}

/* The group that is told after `last` (NULL: first), by reason; NULL: none. */
static const weld_listing_group *next_group(const weld_listing *l, bool taken,
                                            const weld_listing_group *last) {
    const weld_listing_group *groups = l->groups.data, *next = NULL;
    for (size_t i = 0; i < l->groups.count; i++) {
        const char *reason = group_text(l, groups[i].reason);
        if (groups[i].taken == taken &&
            (!last || strcmp(reason, group_text(l, last->reason)) > 0) &&
            (!next || strcmp(reason, group_text(l, next->reason)) < 0)) {
            next = &groups[i];
        }
    }
    return next;
}

void weld_listing_tell(const weld_listing *l, weld_text *out) {
    for (int taken = 1; taken >= 0; taken--) {
        const char *before = taken ? "" : out->bytes.count ? "; passed over: " : "passed over: ";
        for (const weld_listing_group *g = NULL; (g = next_group(l, taken, g));) {
            weld_text_add(out, before);
            weld_text_add(out, group_text(l, g->reason));
            weld_text_add(out, ":");
            tell_group(l, g, out);
            before = "; ";
        }
    }
}

/* --- Appending --- */

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

static int compare_names(const void *a, const void *b, void *listing) {
    const int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    const int order = strcmp(weld_listing_name(listing, i), weld_listing_name(listing, k));
    return order ? order : (i > k) - (i < k);
}

int64_t *weld_listing_first_of_name(const weld_listing *l) {
    const size_t count = l->samples.count;
    int64_t *first = weld_alloc(count, sizeof *first), *sorted = weld_alloc(count, sizeof *sorted);
    for (size_t i = 0; sorted && i < count; i++) {
        sorted[i] = (int64_t)i;
    }
    if (first && sorted && count) {
        qsort_r(sorted, count, sizeof *sorted, compare_names, (void *)(uintptr_t)l);
    }
    for (size_t i = 0; first && sorted && i < count; i++) {
        const bool same = i > 0 && strcmp(weld_listing_name(l, sorted[i]),
                                          weld_listing_name(l, sorted[i - 1])) == 0;
        first[sorted[i]] = same ? first[sorted[i - 1]] : sorted[i];
    }
    if (!sorted) {
        weld_free(first);
        first = NULL;
    }
    weld_free(sorted);
    return first;
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
