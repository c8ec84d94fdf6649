/* The lists of COCO's annotation files; see coco_lists.h. */
#include "datasets/coco_lists.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "datasets/coco_shape.h"

weld_coco_lists weld_coco_lists_make(const char *path, const weld_box_options *options,
                                     weld_listing *listing, weld_box_store *store,
                                     weld_error *err) {
    return (weld_coco_lists){.path = path,
                             .options = options,
                             .listing = listing,
                             .store = store,
                             .images.element = sizeof(weld_coco_image),
                             .categories.element = sizeof(weld_coco_category),
                             .origins.element = sizeof(weld_coco_origin),
                             .ids.element = sizeof(weld_coco_id),
                             .err = err};
}

void weld_coco_lists_free(weld_coco_lists *r) {
    weld_array_free(&r->images);
    weld_array_free(&r->categories);
    weld_array_free(&r->origins);
    weld_array_free(&r->ids);
}

weld_status weld_coco_fault(weld_coco_lists *r, weld_box_fault kind, uint64_t place,
                            const char *what) {
    return weld_box_store_fault(r->store, r->options, kind, r->path, place, false, r->err, "%s",
                                what);
}

/* null is as if it was not there. */
static bool is_there(weld_scan *s) {
    return !weld_scan_null(s);
}

/* --- Images and categories --- */

/* 0 is as if it was not there. */
static int32_t read_side(weld_scan *s, bool *is_odd) {
    const double side = is_there(s) ? weld_scan_number(s) : 0;
    const bool is_side = weld_box_is_side(side);
    *is_odd |= !is_side && side != 0;
    return is_side ? (int32_t)side : 0;
}

static weld_status read_image(weld_coco_lists *r, weld_scan *s) {
    const uint64_t place = weld_scan_tell(s);
    weld_coco_image one = {.name = r->listing->names.count, .place = place};
    bool has_id = false, has_name = false, kept = true, odd_size = false;
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
            one.width = read_side(s, &odd_size);
        } else if (strcmp(key, "height") == 0) {
            one.height = read_side(s, &odd_size);
        } else {
            weld_scan_skip(s);
        }
    }
    WELD_TRY(weld_scan_status(s));
    if (!has_id || !has_name) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: offset %llu: an image without %s", r->path,
                         (unsigned long long)place, has_id ? "file_name" : "id");
    }
    if (odd_size) {
        WELD_TRY(weld_coco_fault(r, WELD_BOX_BAD_VALUE, place,
                                 "a width or height that is no number of pixels"));
    }
    return kept && weld_array_append(&r->images, &one, 1) ? WELD_OK
                                                          : weld_fail_memory(r->err, r->path);
}

static weld_status read_category(weld_coco_lists *r, weld_scan *s) {
    const uint64_t place = weld_scan_tell(s);
    weld_array *texts = &r->listing->class_names;
    weld_coco_category one = {.place = place, .parent = texts->count};
    bool has_id = false, has_name = false, kept = true;
    if (!weld_array_append_text(texts, "")) {
        return weld_fail_memory(r->err, r->path);
    }
    weld_scan_object(s);
    for (const char *key; kept && (key = weld_scan_key(s));) {
        if (strcmp(key, "id") == 0) {
            one.id = weld_scan_int(s);
            has_id = true;
        } else if (strcmp(key, "name") == 0 && !has_name) {
            const char *name = weld_scan_string(s);
            has_name = *name;
            one.name = texts->count;
            kept = !has_name || weld_array_append_text(texts, name);
        } else if (strcmp(key, "supercategory") == 0 && weld_scan_peek(s) == WELD_SCAN_STRING) {
            one.parent = texts->count;
            kept = weld_array_append_text(texts, weld_scan_string(s));
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
    weld_coco_origin from;
    weld_coco_id id;
    bool has_image, has_category, has_box, has_area, has_id, odd_crowd;
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
        weld_scan_fail(s, "a bbox of %d %s: x, y, width, height are expected", count,
                       weld_plural(count, "number", "numbers"));
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
        bool is_crowd = false;
        a->odd_crowd = is_there(s) && !weld_scan_flag(s, &is_crowd);
        a->box.flags = is_crowd ? WELD_BOX_CROWD : 0;
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
           : !weld_box_is_sound(&a->box)
               ? "a bbox that is not finite or beyond 1e9, or an area that is not finite"
           : a->odd_crowd ? "an iscrowd that is none of 0, 1, true and false"
                          : NULL;
}

static weld_status read_annotation(weld_coco_lists *r, weld_scan *s) {
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
        return weld_coco_fault(r, WELD_BOX_BAD_VALUE, a.from.place, what_lacks(&a));
    }
    a.id.place = a.from.place;
    const bool kept = weld_array_append(&r->store->boxes, &a.box, 1) &&
                      weld_array_append(&r->origins, &a.from, 1) &&
                      (!r->options->found || !a.has_id || weld_array_append(&r->ids, &a.id, 1));
    return kept ? WELD_OK : weld_fail_memory(r->err, r->path);
}

/* --- The file --- */

static weld_status read_list(weld_coco_lists *r, weld_scan *s, bool *seen, const char *key,
                             weld_status (*read)(weld_coco_lists *r, weld_scan *s)) {
    if (*seen) {
        weld_scan_fail(s, "a second list of %s", key);
    }
    *seen = true;
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        WELD_TRY(read(r, s));
    }
    return weld_scan_status(s);
}

static weld_status read_all(weld_coco_lists *r, weld_scan *s) {
    bool has_images = false, has_annotations = false, has_categories = false;
    weld_scan_object(s);
    for (const char *key; (key = weld_scan_key(s));) {
        if (strcmp(key, "images") == 0) {
            WELD_TRY(read_list(r, s, &has_images, "images", read_image));
        } else if (strcmp(key, "annotations") == 0) {
            WELD_TRY(read_list(r, s, &has_annotations, "annotations", read_annotation));
        } else if (strcmp(key, "categories") == 0) {
            WELD_TRY(read_list(r, s, &has_categories, "categories", read_category));
        } else {
            weld_scan_skip(s);
        }
    }
    if (!weld_scan_status(s)) {
        weld_scan_end(s);
    }
    WELD_TRY(weld_scan_status(s));
    const char *missing = !has_images        ? "images"
                          : !has_annotations ? "annotations"
                          : !has_categories  ? "categories"
                                             : NULL;
    return missing ? weld_fail(r->err, WELD_ERROR_FORMAT,
                               "%s: has no list \"%s\": annotations of COCO's kind are expected, "
                               "with images, annotations and categories",
                               r->path, missing)
                   : WELD_OK;
}

weld_status weld_coco_lists_read(weld_coco_lists *r) {
    weld_scan *s = NULL;
    WELD_TRY(weld_scan_open(r->path, &s, r->err));
    const weld_status status = read_all(r, s);
    weld_scan_close(s);
    return status;
}
