/* COCO's annotation files; see coco.h. */
#include "datasets/coco.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/coco_lists.h"
#include "datasets/image_folder.h"

/* --- Order --- */

static int compare_ids(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_images(const void *a, const void *b) {
    const weld_coco_image *x = a, *y = b;
    const int order = compare_ids(x->id, y->id);
    return order ? order : (x->name > y->name) - (x->name < y->name);
}

static int compare_categories(const void *a, const void *b) {
    return compare_ids(((const weld_coco_category *)a)->id, ((const weld_coco_category *)b)->id);
}

static const char *image_name(const weld_coco_lists *r, const weld_coco_image *one) {
    return (const char *)r->listing->names.data + one->name;
}

/* Two images of one id: the same, or nobody knows whose the boxes are. */
static weld_status tell_same_id(weld_coco_lists *r, const weld_coco_image *first,
                                const weld_coco_image *second) {
    const char *name = image_name(r, second), *other = image_name(r, first);
    char what[400];
    if (strcmp(name, other) == 0) {
        return weld_coco_fault(r, WELD_BOX_IMAGE_TWICE, second->place, name);
    }
    snprintf(what, sizeof what, "image id %lld is of both %.150s and %.150s", (long long)second->id,
             other, name);
    return weld_coco_fault(r, WELD_BOX_IMAGE_ID, second->place, what);
}

static weld_status take_images(weld_coco_lists *r) {
    const weld_coco_image *images = r->images.data;
    const size_t count = r->images.count;
    if (count == 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: lists no images", r->path);
    }
    qsort(r->images.data, count, sizeof(weld_coco_image), compare_images);
    for (size_t i = 0; i < count; i++) {
        const char *name = image_name(r, &images[i]), *slash = strrchr(name, '/');
        if (i > 0 && images[i].id == images[i - 1].id) {
            WELD_TRY(tell_same_id(r, &images[i - 1], &images[i]));
            continue;
        }
        const weld_listing_sample sample = {.name = images[i].name,
                                            .folder_size = slash ? (uint32_t)(slash - name) : 0};
        const weld_box_image entry = {
            .id = images[i].id, .width = images[i].width, .height = images[i].height};
        if (!weld_array_append(&r->listing->samples, &sample, 1) ||
            !weld_array_append(&r->store->images, &entry, 1)) {
            return weld_fail_memory(r->err, r->path);
        }
    }
    return WELD_OK;
}

static weld_status take_categories(weld_coco_lists *r) {
    const weld_coco_category *categories = r->categories.data;
    const size_t count = r->categories.count;
    if (count == 0 || count > INT32_MAX) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: has no categories", r->path);
    }
    qsort(r->categories.data, count, sizeof(weld_coco_category), compare_categories);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && categories[i].id == categories[i - 1].id) {
            return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: category id %lld is there twice",
                             r->path, (long long)categories[i].id);
        }
        if (!weld_array_append(&r->listing->classes, &categories[i].name, 1) ||
            !weld_array_append(&r->store->categories, &categories[i].id, 1)) {
            return weld_fail_memory(r->err, r->path);
        }
    }
    return weld_box_check_names(r->listing, r->path, r->err);
}

/* --- Boxes to their images --- */

static int compare_entry(const void *key, const void *entry) {
    return compare_ids(*(const int64_t *)key, ((const weld_box_image *)entry)->id);
}

static int compare_id(const void *key, const void *id) {
    return compare_ids(*(const int64_t *)key, *(const int64_t *)id);
}

/* The number of the image of each box, or -1 where the box is left out, in the place of its id. */
static weld_status resolve(weld_coco_lists *r) {
    weld_box_store *s = r->store;
    weld_box_image *images = s->images.data;
    weld_box *boxes = s->boxes.data;
    weld_coco_origin *origins = r->origins.data;
    char what[80];
    for (size_t i = 0; i < s->boxes.count; i++) {
        const weld_box_image *of =
            bsearch(&origins[i].image, images, s->images.count, sizeof *images, compare_entry);
        const int64_t *id = bsearch(&origins[i].category, s->categories.data, s->categories.count,
                                    sizeof *id, compare_id);
        const int64_t asked = of ? origins[i].category : origins[i].image;
        const weld_box_fault kind = of ? WELD_BOX_BAD_CLASS : WELD_BOX_ORPHAN;
        if (!of || !id) {
            snprintf(what, sizeof what, "%s %lld is not listed", of ? "category_id" : "image_id",
                     (long long)asked);
            WELD_TRY(weld_coco_fault(r, kind, origins[i].place, what));
            origins[i].image = -1;
            continue;
        }
        boxes[i].class_index = (int32_t)(id - (const int64_t *)s->categories.data);
        origins[i].image = of - images;
        images[of - images].count++;
    }
    return WELD_OK;
}

/* Sort boxes by image, in the order of the file. */
static weld_status group(weld_coco_lists *r) {
    weld_box_store *s = r->store;
    weld_box_image *images = s->images.data;
    const weld_coco_origin *origins = r->origins.data;
    weld_array boxes = {.element = sizeof(weld_box)}, places = {.element = sizeof(uint64_t)};
    const bool told = r->options->found;
    uint64_t count = 0;
    for (size_t i = 0; i < s->images.count; i++) {
        images[i].first = count;
        count += images[i].count;
        images[i].count = 0;
    }
    boxes.data = weld_alloc_raw((size_t)count, boxes.element);
    places.data = told ? weld_alloc_raw((size_t)count, places.element) : NULL;
    if (!boxes.data || (told && !places.data)) {
        weld_array_free(&boxes);
        weld_array_free(&places);
        return weld_fail_memory(r->err, r->path);
    }
    for (size_t i = 0; i < s->boxes.count; i++) {
        if (origins[i].image >= 0) {
            weld_box_image *of = &images[origins[i].image];
            const uint64_t to = of->first + of->count++;
            ((weld_box *)boxes.data)[to] = ((const weld_box *)s->boxes.data)[i];
            if (told) {
                ((uint64_t *)places.data)[to] = origins[i].place;
            }
        }
    }
    boxes.count = boxes.capacity = (size_t)count;
    places.count = places.capacity = told ? (size_t)count : 0;
    weld_array_free(&s->boxes);
    s->boxes = boxes;
    s->places = places;
    return WELD_OK;
}

static int compare_annotation_ids(const void *a, const void *b) {
    const weld_coco_id *x = a, *y = b;
    const int order = compare_ids(x->id, y->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static weld_status tell_ids(weld_coco_lists *r) {
    const weld_coco_id *ids = r->ids.data;
    char what[80];
    if (r->ids.count) {
        qsort(r->ids.data, r->ids.count, sizeof *ids, compare_annotation_ids);
    }
    for (size_t i = 1; i < r->ids.count; i++) {
        if (ids[i].id == ids[i - 1].id) {
            snprintf(what, sizeof what, "annotation id %lld is that of one before",
                     (long long)ids[i].id);
            WELD_TRY(weld_coco_fault(r, WELD_BOX_ID_TWICE, ids[i].place, what));
        }
    }
    return WELD_OK;
}

/* Images of which an earlier one has the same file. */
static weld_status tell_files(weld_coco_lists *r) {
    const weld_coco_image *images = r->images.data;
    int64_t *first = weld_listing_first_of_name(r->listing);
    weld_status status = first ? WELD_OK : weld_fail_memory(r->err, r->path);
    int64_t sample = -1; /* that of the image: of one id there is one */
    for (size_t i = 0; i < r->images.count && !status; i++) {
        const bool again = i > 0 && images[i].id == images[i - 1].id;
        sample += !again;
        if (!again && first[sample] != sample) {
            char what[300];
            const weld_box_image *entries = r->store->images.data;
            snprintf(what, sizeof what, "%.200s is the file of image id %lld and of %lld",
                     image_name(r, &images[i]), (long long)entries[first[sample]].id,
                     (long long)images[i].id);
            status = weld_coco_fault(r, WELD_BOX_FILE_TWICE, images[i].place, what);
        }
    }
    weld_free(first);
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of the parents of all, in order: is one, of another than this, the category itself? */
static bool is_parent(const char *const *parents, size_t count, const char *name,
                      const char *parent) {
    size_t first = 0, end = count;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        if (strcmp(parents[middle], name) < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first += strcmp(parent, name) == 0; /* its own is one of them */
    return first < count && strcmp(parents[first], name) == 0;
}

/* Some programs write what all classes are kinds of as one more, of which there never is a box. */
static weld_status tell_parents(weld_coco_lists *r) {
    const weld_box *boxes = r->store->boxes.data;
    const weld_coco_category *categories = r->categories.data;
    const size_t count = r->categories.count; /* in the order of classes */
    const char *texts = r->listing->class_names.data;
    bool *used = weld_alloc(count, sizeof *used);
    const char **parents = weld_alloc(count, sizeof *parents);
    weld_status status = used && parents ? WELD_OK : weld_fail_memory(r->err, r->path);
    for (size_t i = 0; i < r->store->boxes.count && !status; i++) {
        used[boxes[i].class_index] = true;
    }
    for (size_t i = 0; i < count && !status; i++) {
        parents[i] = texts + categories[i].parent;
    }
    if (!status) {
        qsort(parents, count, sizeof *parents, by_text);
    }
    for (size_t i = 0; i < count && !status; i++) {
        if (!used[i] &&
            is_parent(parents, count, texts + categories[i].name, texts + categories[i].parent)) {
            char what[300];
            snprintf(what, sizeof what,
                     "'%.100s' has no box and is the supercategory of others: a recipe's "
                     "data.classes can leave it out",
                     weld_listing_class_name(r->listing, (int)i));
            status = weld_coco_fault(r, WELD_BOX_PARENT, categories[i].place, what);
        }
    }
    weld_free(parents);
    weld_free(used);
    return status;
}

enum { LEAVING = 5 /* one part of so many boxes that leave their images is odd */ };

/* What is odd of all boxes: numbers that mean something else. */
static weld_status suspect(weld_coco_lists *r) {
    weld_box_store *s = r->store;
    const weld_box_image *images = s->images.data;
    const weld_box *boxes = s->boxes.data;
    int64_t leaving = 0, tiny = 0;
    for (size_t i = 0; i < s->images.count; i++) {
        for (uint64_t k = images[i].first; k < images[i].first + images[i].count; k++) {
            const double right = boxes[k].x + boxes[k].width, lower = boxes[k].y + boxes[k].height;
            leaving += images[i].width > 0 && images[i].height > 0 &&
                       (right > images[i].width + 1 || lower > images[i].height + 1);
            tiny += right <= 1 && lower <= 1;
        }
    }
    const uint64_t all = s->boxes.count;
    if ((uint64_t)leaving * LEAVING > all) {
        WELD_TRY(weld_box_store_fault(
            s, r->options, WELD_BOX_CORNERS, r->path, 0, false, r->err,
            "%lld of %llu boxes %s: are the numbers two corners, where x, y, width, "
            "height are expected?",
            (long long)leaving, (unsigned long long)all,
            weld_plural(leaving, "leaves its image", "leave their images")));
        s->faults[WELD_BOX_CORNERS] = leaving;
    }
    if (all && (uint64_t)tiny == all) {
        WELD_TRY(weld_box_store_fault(
            s, r->options, WELD_BOX_SHARES, r->path, 0, false, r->err,
            "all boxes lie in the first pixel: are they shares of the image? multiply by width "
            "and height"));
        s->faults[WELD_BOX_SHARES] = tiny;
    }
    return WELD_OK;
}

/* Where nobody reads images they need not be there; those that are must not be written over. */
static weld_status find_images(weld_coco_lists *r) {
    weld_status status = weld_find_image_folder(r->path, NULL, r->listing, &r->store->root, r->err);
    return status == WELD_ERROR_NOT_FOUND && r->options->no_images
               ? weld_find_image_folder(r->path, ".", r->listing, &r->store->root, r->err)
               : status;
}

static weld_status read_file(weld_coco_lists *r) {
    if (!weld_array_append_text(&r->store->files, r->path)) {
        return weld_fail_memory(r->err, r->path);
    }
    WELD_TRY(weld_coco_lists_read(r));
    WELD_TRY(take_categories(r));
    WELD_TRY(take_images(r));
    WELD_TRY(find_images(r));
    WELD_TRY(resolve(r));
    WELD_TRY(group(r));
    WELD_TRY(tell_ids(r));
    WELD_TRY(tell_files(r));
    WELD_TRY(tell_parents(r));
    WELD_TRY(suspect(r));
    return weld_box_store_judge(r->store, r->options, r->err);
}

weld_status weld_coco_read(const char *path, const weld_box_options *options, weld_listing *listing,
                           weld_box_store *store, weld_error *err) {
    *listing = weld_listing_make();
    *store = weld_box_store_make("COCO");
    store->source = path;
    weld_coco_lists lists = weld_coco_lists_make(path, options, listing, store, err);
    const weld_status status = read_file(&lists);
    weld_coco_lists_free(&lists);
    store->source = NULL; /* all is told */
    return status;
}
