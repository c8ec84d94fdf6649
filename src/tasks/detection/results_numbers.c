/* What numbers stand for; see results_numbers.h. */
#include "tasks/detection/results_numbers.h"

#include "base/error.h"

/* --- Images: from 0 in the order of the data set, or what their files are called --- */

typedef struct numbering {
    bool counts, names;              /* all may be the one, the other */
    const weld_results_row *unnamed; /* the first that not one file is called */
    const weld_results_row *differs; /* the first that would be another */
    int64_t count;
} numbering;

static numbering judge(const weld_results_names *n, bool by_file, const weld_array *rows) {
    const weld_results_row *row = rows->data;
    numbering out = {.counts = !by_file, .names = true};
    for (size_t i = 0; i < rows->count; i++) {
        if (row[i].sample >= 0) {
            continue;
        }
        const int64_t counted = weld_results_names_image(n, row[i].image);
        const int64_t named = weld_results_names_find_number(n, row[i].image).sample;
        out.counts = out.counts && counted >= 0;
        out.names = out.names && named != WELD_NAMES_NONE;
        out.unnamed = out.unnamed || named >= 0 ? out.unnamed : &row[i];
        out.differs = out.differs || counted == named ? out.differs : &row[i];
        out.count++;
    }
    return out;
}

static weld_status refuse_image(const weld_results_names *n, const char *path, const numbering *m,
                                weld_error *err) {
    const weld_dataset *ds = weld_results_names_dataset(n);
    const weld_results_row *r = m->unnamed ? m->unnamed : m->differs;
    const unsigned long long place = r->place;
    const weld_named_sample named = weld_results_names_find_number(n, r->image);
    if (named.sample == WELD_NAMES_SEVERAL) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: image_id %lld may be '%s' or '%s': give detections the "
                         "file_name with its folder",
                         path, place, (long long)r->image, weld_dataset_name(ds, named.several[0]),
                         weld_dataset_name(ds, named.several[1]));
    }
    if (named.sample == WELD_NAMES_NONE) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: image_id %lld is not in the data: it must be what an "
                         "image's file is called without its ending, or for all images their "
                         "numbers from 0 in the data's order, or have a file_name beside it",
                         path, place, (long long)r->image);
    }
    const int64_t counted = weld_results_names_image(n, r->image);
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: offset %llu: image_id %lld may be '%s', as it is called, or '%s', "
                     "by its number in the data: give detections the file_name too",
                     path, place, (long long)r->image, weld_dataset_name(ds, named.sample),
                     weld_dataset_name(ds, counted));
}

weld_status weld_results_number_images(const weld_results_names *n, const char *path, bool by_file,
                                       weld_array *rows, weld_text *note, weld_error *err) {
    weld_results_row *row = rows->data;
    const numbering m = judge(n, by_file, rows);
    if (m.count == 0) {
        return WELD_OK;
    }
    if (m.names ? m.unnamed || (m.counts && m.differs) : !m.counts) {
        return refuse_image(n, path, &m, err);
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (row[i].sample < 0) {
            row[i].sample = m.names ? weld_results_names_find_number(n, row[i].image).sample
                                    : weld_results_names_image(n, row[i].image);
        }
    }
    weld_text_add(note, m.names ? "image_id is taken for what the image's file is called"
                                : "image_id is taken for the image's number in the data, which "
                                  "is from 0 in their order or was packed");
    return WELD_OK;
}

/* --- Classes: from 0 or from 1 --- */

static bool has_category(const weld_array *rows, int64_t id) {
    const weld_results_row *row = rows->data;
    for (size_t i = 0; i < rows->count; i++) {
        if (row[i].category == id) {
            return true;
        }
    }
    return false;
}

weld_status weld_results_check_classes(const weld_results_names *n, const char *path,
                                       const int64_t unknown[2], const weld_array *rows,
                                       weld_error *err) {
    int64_t range[2];
    if (unknown[0] != unknown[1] || !weld_results_names_range(n, range)) {
        return WELD_OK;
    }
    const bool is_above = unknown[0] == range[1] + 1 && range[0] == 0;
    const bool is_below = unknown[0] == range[0] - 1 && range[0] == 1;
    if ((!is_above && !is_below) || has_category(rows, range[is_below])) {
        return WELD_OK;
    }
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: there is category_id %lld and no %lld, but the ids of the data are %lld "
                     "to %lld: if classes are counted from %d, say --first-category %d; if these "
                     "are the data's ids, --first-category %d",
                     path, (long long)unknown[0], (long long)range[is_below], (long long)range[0],
                     (long long)range[1], is_above, is_above, is_below);
}

bool weld_results_may_count_from_one(const weld_results_names *n, const weld_array *rows) {
    int64_t range[2];
    return rows->count > 0 && weld_results_names_range(n, range) && range[0] == 0 && range[1] > 0 &&
           !has_category(rows, 0);
}

static weld_status refuse_classes(const char *path, int64_t low, int64_t high, int first, int count,
                                  weld_error *err) {
    if (first >= 0) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: category_ids are %lld to %lld, but those of the data's %d %s from %d "
                         "are up to %d",
                         path, (long long)low, (long long)high, count,
                         weld_plural(count, "class", "classes"), first, first + count - 1);
    }
    if (low < 0 || high > count || low + count <= high) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: category_ids are %lld to %lld, but of the data's %d %s they are 0 to "
                         "%d, or 1 to %d: the classes must be the data's, in its order",
                         path, (long long)low, (long long)high, count,
                         weld_plural(count, "class", "classes"), count - 1, count);
    }
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: category_ids are %lld to %lld of %d classes, which may be counted from 0 "
                     "or, as Ultralytics does, from 1: say which (--first-category)",
                     path, (long long)low, (long long)high, count);
}

/* 0 or 1; -1: the numbers do not tell. */
static int tell_first(int64_t low, int64_t high, int count) {
    return low == 0 && high < count ? 0 : low > 0 && high == count ? 1 : -1;
}

weld_status weld_results_number_classes(const weld_results_names *n, const char *path, int first,
                                        weld_array *rows, weld_text *note, weld_error *err) {
    const weld_dataset *ds = weld_results_names_dataset(n);
    const int count = weld_dataset_class_count(ds);
    weld_results_row *row = rows->data;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < rows->count; i++) {
        if (row[i].box.class_index < 0) {
            low = row[i].category < low ? row[i].category : low;
            high = row[i].category > high ? row[i].category : high;
        }
    }
    if (low > high) {
        return WELD_OK;
    }
    const int told = first < 0 ? tell_first(low, high, count) : first;
    if (told < 0 || low < told || high >= told + count) {
        return refuse_classes(path, low, high, first, count, err);
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (row[i].box.class_index < 0) {
            row[i].box.class_index = (int32_t)(row[i].category - told);
        }
    }
    weld_text_add(note, *weld_text_get(note) ? "; " : "");
    weld_text_format(note, "category_id %d is taken for the first class, '", told);
    weld_text_add_printable(note, weld_dataset_class_name(ds, 0));
    weld_text_add(note, "'");
    return WELD_OK;
}
