/* COCO's annotation files; see coco.h. */
#include "datasets/coco.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "datasets/coco_shape.h"
#include "datasets/image_folder.h"

/* As it stands in the file. */
typedef struct image {
    int64_t id;
    uint64_t name; /* in the listing's names */
    uint64_t place;
    int32_t width, height;
} image;

typedef struct category {
    int64_t id;
    uint64_t name; /* in the listing's class_names */
} category;

/* What a box was said to be of, and where. */
typedef struct origin {
    int64_t image, category;
    uint64_t place;
} origin;

typedef struct annotation_id {
    int64_t id;
    uint64_t place;
} annotation_id;

typedef struct reading {
    const char *path;
    const weld_box_options *options;
    weld_scan *scan;
    weld_listing *listing;
    weld_box_store *store;
    weld_array images, categories, origins; /* of the structs above */
    weld_array ids;                         /* of annotation_id, where faults are asked for */
    bool has_images, has_annotations, has_categories;
    weld_error *err;
} reading;

/* Several things are missing alike. */
static weld_status fault(reading *r, weld_box_fault kind, uint64_t place, const char *what) {
    return weld_box_store_fault(r->store, r->options, kind, r->path, place, false, r->err, "%s",
                                what);
}

/* null is as if it was not there. */
static bool is_there(weld_scan *s) {
    if (weld_scan_peek(s) != WELD_SCAN_WORD) {
        return true;
    }
    weld_scan_skip(s);
    return false;
}

/* --- Images and categories --- */

static int32_t read_side(weld_scan *s) {
    const double side = is_there(s) ? weld_scan_number(s) : 0;
    return side >= 1 && side <= INT32_MAX ? (int32_t)side : 0;
}

static weld_status read_image(reading *r) {
    weld_scan *s = r->scan;
    const uint64_t place = weld_scan_tell(s);
    image one = {.name = r->listing->names.count, .place = place};
    bool has_id = false, has_name = false, kept = true;
    weld_scan_object(s);
    for (const char *key; kept && (key = weld_scan_key(s));) {
        if (strcmp(key, "id") == 0) {
            one.id = weld_scan_int(s);
            has_id = true;
        } else if (strcmp(key, "file_name") == 0 && !has_name) {
            const char *name = weld_scan_string(s);
            has_name = *name;
            kept = !has_name || weld_array_append_text(&r->listing->names, name);
        } else if (strcmp(key, "width") == 0) {
            one.width = read_side(s);
        } else if (strcmp(key, "height") == 0) {
            one.height = read_side(s);
        } else {
            weld_scan_skip(s);
        }
    }
    WELD_TRY(weld_scan_status(s));
    if (!has_id || !has_name) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: offset %llu: an image without %s", r->path,
                         (unsigned long long)place, has_id ? "file_name" : "id");
    }
    return kept && weld_array_append(&r->images, &one, 1) ? WELD_OK
                                                          : weld_fail_memory(r->err, r->path);
}

static weld_status read_category(reading *r) {
    weld_scan *s = r->scan;
    category one = {.name = r->listing->class_names.count};
    bool has_id = false, has_name = false, kept = true;
    const uint64_t place = weld_scan_tell(s);
    weld_scan_object(s);
    for (const char *key; kept && (key = weld_scan_key(s));) {
        if (strcmp(key, "id") == 0) {
            one.id = weld_scan_int(s);
            has_id = true;
        } else if (strcmp(key, "name") == 0 && !has_name) {
            const char *name = weld_scan_string(s);
            has_name = *name;
            kept = !has_name || weld_array_append_text(&r->listing->class_names, name);
        } else {
            weld_scan_skip(s);
        }
    }
    WELD_TRY(weld_scan_status(s));
    if (!has_id || !has_name) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: offset %llu: a category without %s",
                         r->path, (unsigned long long)place, has_id ? "name" : "id");
    }
    return kept && weld_array_append(&r->categories, &one, 1) ? WELD_OK
                                                              : weld_fail_memory(r->err, r->path);
}

/* --- Annotations --- */

typedef struct annotation {
    weld_box box;
    origin from;
    annotation_id id;
    bool has_image, has_category, has_box, has_area, has_id;
    uint64_t shape; /* where its segmentation is; 0: it has none */
} annotation;

/* x, y, width, height; not there where the list is empty. */
static bool read_box(weld_scan *s, weld_box *box) {
    double *const to[] = {&box->x, &box->y, &box->width, &box->height};
    int count = 0;
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        const double value = weld_scan_number(s);
        if (count < 4) {
            *to[count] = value;
        }
        count++;
    }
    if (count != 0 && count != 4) {
        weld_scan_fail(s, "a bbox of %d numbers: x, y, width, height are expected", count);
    }
    return count == 4;
}

static void read_member(weld_scan *s, const char *key, annotation *a) {
    if (strcmp(key, "bbox") == 0) {
        a->has_box = is_there(s) && read_box(s, &a->box);
    } else if (strcmp(key, "image_id") == 0) {
        a->from.image = weld_scan_int(s);
        a->has_image = true;
    } else if (strcmp(key, "category_id") == 0) {
        a->from.category = weld_scan_int(s);
        a->has_category = true;
    } else if (strcmp(key, "area") == 0) {
        a->has_area = is_there(s);
        a->box.area = a->has_area ? weld_scan_number(s) : 0;
    } else if (strcmp(key, "iscrowd") == 0) {
        a->box.flags = is_there(s) && weld_scan_flag(s) ? WELD_BOX_CROWD : 0;
    } else if (strcmp(key, "id") == 0 && weld_scan_peek(s) == WELD_SCAN_NUMBER) {
        a->id.id = weld_scan_int(s);
        a->has_id = true;
    } else if (strcmp(key, "segmentation") == 0) {
        a->shape = weld_scan_tell(s);
        weld_scan_skip(s);
    } else {
        weld_scan_skip(s);
    }
}

/* The box of its shape, which stands before what was read last. */
static void take_shape_box(weld_scan *s, annotation *a) {
    const uint64_t place = weld_scan_tell(s);
    weld_scan_seek(s, a->shape);
    a->has_box = weld_coco_shape_box(s, &a->box);
    weld_scan_seek(s, place);
}

static const char *what_lacks(const annotation *a) {
    return !a->has_image      ? "an annotation without image_id"
           : !a->has_category ? "an annotation without category_id"
           : !a->has_box      ? "an annotation with neither a bbox nor a segmentation that has one"
           : !weld_box_is_sound(&a->box) ? "a bbox or area that is not finite, or beyond 1e9"
                                         : NULL;
}

static weld_status read_annotation(reading *r) {
    weld_scan *s = r->scan;
    annotation a = {.from.place = weld_scan_tell(s)};
    weld_scan_object(s);
    for (const char *key; (key = weld_scan_key(s));) {
        read_member(s, key, &a);
    }
    if (!a.has_box && a.shape) {
        take_shape_box(s, &a);
    }
    WELD_TRY(weld_scan_status(s));
    if (!a.has_area) {
        a.box.area = a.box.width * a.box.height;
    }
    r->store->shape_areas |= a.has_area;
    if (what_lacks(&a)) {
        return fault(r, WELD_BOX_BAD_VALUE, a.from.place, what_lacks(&a));
    }
    a.id.place = a.from.place;
    const bool kept = weld_array_append(&r->store->boxes, &a.box, 1) &&
                      weld_array_append(&r->origins, &a.from, 1) &&
                      (!r->options->found || !a.has_id || weld_array_append(&r->ids, &a.id, 1));
    return kept ? WELD_OK : weld_fail_memory(r->err, r->path);
}

/* --- The file --- */

static weld_status read_list(reading *r, bool *seen, const char *key,
                             weld_status (*read)(reading *r)) {
    if (*seen) {
        weld_scan_fail(r->scan, "a second list of %s", key);
    }
    *seen = true;
    weld_scan_list(r->scan);
    while (weld_scan_element(r->scan)) {
        WELD_TRY(read(r));
    }
    return weld_scan_status(r->scan);
}

static weld_status read_all(reading *r) {
    weld_scan *s = r->scan;
    weld_scan_object(s);
    for (const char *key; (key = weld_scan_key(s));) {
        if (strcmp(key, "images") == 0) {
            WELD_TRY(read_list(r, &r->has_images, "images", read_image));
        } else if (strcmp(key, "annotations") == 0) {
            WELD_TRY(read_list(r, &r->has_annotations, "annotations", read_annotation));
        } else if (strcmp(key, "categories") == 0) {
            WELD_TRY(read_list(r, &r->has_categories, "categories", read_category));
        } else {
            weld_scan_skip(s);
        }
    }
    if (!weld_scan_status(s)) {
        weld_scan_end(s);
    }
    WELD_TRY(weld_scan_status(s));
    const char *missing = !r->has_images        ? "images"
                          : !r->has_annotations ? "annotations"
                          : !r->has_categories  ? "categories"
                                                : NULL;
    return missing ? weld_fail(r->err, WELD_ERROR_FORMAT,
                               "%s: has no list \"%s\": annotations of COCO's kind are expected, "
                               "with images, annotations and categories",
                               r->path, missing)
                   : WELD_OK;
}

/* --- Order --- */

static int compare_ids(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_images(const void *a, const void *b) {
    const image *x = a, *y = b;
    const int order = compare_ids(x->id, y->id);
    return order ? order : (x->name > y->name) - (x->name < y->name);
}

static int compare_categories(const void *a, const void *b) {
    return compare_ids(((const category *)a)->id, ((const category *)b)->id);
}

static const char *image_name(const reading *r, const image *one) {
    return (const char *)r->listing->names.data + one->name;
}

static weld_status take_images(reading *r) {
    const image *images = r->images.data;
    const size_t count = r->images.count;
    if (count == 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: lists no images", r->path);
    }
    qsort(r->images.data, count, sizeof(image), compare_images);
    for (size_t i = 0; i < count; i++) {
        const char *name = image_name(r, &images[i]), *slash = strrchr(name, '/');
        if (i > 0 && images[i].id == images[i - 1].id) {
            const bool same = strcmp(name, image_name(r, &images[i - 1])) == 0;
            if (!same && !r->options->found) {
                return weld_fail(r->err, WELD_ERROR_FORMAT,
                                 "%s: image id %lld is of both %s and %s", r->path,
                                 (long long)images[i].id, image_name(r, &images[i - 1]), name);
            }
            WELD_TRY(fault(r, WELD_BOX_IMAGE_TWICE, images[i].place, name));
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

static weld_status take_categories(reading *r) {
    const category *categories = r->categories.data;
    const size_t count = r->categories.count;
    if (count == 0 || count > INT32_MAX) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: has no categories", r->path);
    }
    qsort(r->categories.data, count, sizeof(category), compare_categories);
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
static weld_status resolve(reading *r) {
    weld_box_store *s = r->store;
    weld_box_image *images = s->images.data;
    weld_box *boxes = s->boxes.data;
    origin *origins = r->origins.data;
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
            WELD_TRY(fault(r, kind, origins[i].place, what));
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
static weld_status group(reading *r) {
    weld_box_store *s = r->store;
    weld_box_image *images = s->images.data;
    const origin *origins = r->origins.data;
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
    const annotation_id *x = a, *y = b;
    const int order = compare_ids(x->id, y->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static weld_status tell_ids(reading *r) {
    const annotation_id *ids = r->ids.data;
    char what[80];
    if (r->ids.count) {
        qsort(r->ids.data, r->ids.count, sizeof *ids, compare_annotation_ids);
    }
    for (size_t i = 1; i < r->ids.count; i++) {
        if (ids[i].id == ids[i - 1].id) {
            snprintf(what, sizeof what, "annotation id %lld is that of one before",
                     (long long)ids[i].id);
            WELD_TRY(fault(r, WELD_BOX_ID_TWICE, ids[i].place, what));
        }
    }
    return WELD_OK;
}

enum { LEAVING = 5 /* one part of so many boxes that leave their images is odd */ };

/* What is odd of all boxes: numbers that mean something else. */
static weld_status suspect(reading *r) {
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
            "%lld of %llu boxes leave their images: are they two corners, where x, y, width, "
            "height are expected?",
            (long long)leaving, (unsigned long long)all));
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

static weld_status read_file(reading *r) {
    WELD_TRY(read_all(r));
    WELD_TRY(take_categories(r));
    WELD_TRY(take_images(r));
    const char *images = r->options->no_images ? "." : NULL; /* NULL: looked for */
    WELD_TRY(weld_find_image_folder(r->path, images, r->listing, &r->store->root, r->err));
    WELD_TRY(resolve(r));
    WELD_TRY(group(r));
    WELD_TRY(tell_ids(r));
    WELD_TRY(suspect(r));
    return weld_box_store_judge(r->store, r->options, r->err);
}

weld_status weld_coco_read(const char *path, const weld_box_options *options, weld_listing *listing,
                           weld_box_store *store, weld_error *err) {
    reading r = {.path = path,
                 .options = options,
                 .listing = listing,
                 .store = store,
                 .images.element = sizeof(image),
                 .categories.element = sizeof(category),
                 .origins.element = sizeof(origin),
                 .ids.element = sizeof(annotation_id),
                 .err = err};
    *listing = weld_listing_make();
    *store = weld_box_store_make("COCO");
    store->source = path;
    weld_status status = weld_scan_open(path, &r.scan, err);
    status = status ? status : read_file(&r);
    weld_scan_close(r.scan);
    store->source = NULL; /* all is told */
    weld_array_free(&r.images);
    weld_array_free(&r.categories);
    weld_array_free(&r.origins);
    weld_array_free(&r.ids);
    return status;
}
