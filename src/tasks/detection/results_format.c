/* COCO's results as files of what a network says; see results.h. */
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "datasets/boxes.h"
#include "formats/json_text.h"
#include "tasks/detection/results.h"
#include "tasks/detection/tally.h"

/* Numbers read back to the same ones, so that nothing that differs becomes equal; whole ones are
 * written as such. */
static void add_number(weld_text *t, const char *before, double value) {
    char piece[WELD_NUMBER_SIZE];
    weld_text_add(t, before);
    weld_text_add(t, weld_number_text(value, false, 15, piece));
}

/* Where ids are numbers from 0 and no more, names say of what. */
static void add_name(weld_text *t, const char *before, const char *name) {
    weld_text_add(t, before);
    weld_json_add_name(t, name);
}

static void add_box(weld_text *t, const weld_dataset *ds, int64_t sample, const char *name,
                    const weld_found_box *b) {
    const int64_t category = weld_dataset_category_id(ds, b->class_index);
    const bool has_ids = strcmp(weld_dataset_box_kind(ds), "COCO") == 0;
    weld_text_format(t, "{\"image_id\":%lld", (long long)weld_dataset_image_id(ds, sample));
    if (!has_ids) {
        add_name(t, ",\"file_name\":", weld_dataset_name(ds, sample));
    }
    weld_text_format(t, ",\"category_id\":%lld", (long long)category);
    if (!has_ids) {
        add_name(t, ",\"category_name\":", name);
    }
    add_number(t, ",\"bbox\":[", b->x);
    add_number(t, ",", b->y);
    add_number(t, ",", b->width);
    add_number(t, ",", b->height);
    add_number(t, "],\"score\":", b->score);
    weld_text_add(t, "}");
}

static weld_status write_entries(const weld_dataset *ds, const weld_tensor *outputs, int64_t i,
                                 const weld_batch *batch, weld_text *out, weld_error *err) {
    const char *between = "";
    weld_array boxes = {.element = sizeof(weld_found_box)};
    const weld_status status = weld_detection_find(outputs, i, &batch->placements[i], &boxes, err);
    for (size_t k = 0; k < boxes.count && !status; k++) {
        const weld_found_box *b = (const weld_found_box *)boxes.data + k;
        const char *name = weld_dataset_category_name(ds, b->class_index);
        if (name) { /* else one that the data does not have, and has no id for */
            weld_text_add(out, between);
            add_box(out, ds, batch->indices[i], name, b);
            between = weld_detection_results.between;
        }
    }
    weld_array_free(&boxes);
    return status;
}

static weld_status count_all(const weld_results *results, weld_detection_tally *t,
                             weld_error *err) {
    weld_array record = {.element = 1};
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < weld_dataset_count(t->ds) && !status; i++) {
        int64_t count;
        const weld_found_box *found = weld_results_of(results, i, &count);
        record.count = 0;
        status = weld_detection_record(t, i, found, count, &record, err);
        status = status ? status : weld_detection_count(t, i, record.data, record.count, err);
    }
    weld_array_free(&record);
    return status;
}

static weld_status read_tally(const weld_results_source *from, const weld_dataset *ds, void **tally,
                              weld_text *notes, weld_error *err) {
    weld_detection_tally *t = NULL;
    weld_results *results;
    *tally = NULL;
    WELD_TRY(weld_results_read(from->path, ds, from->has_first_category ? from->first_category : -1,
                               &results, err));
    weld_status status = weld_detection_tally_of(ds, &t, err);
    status = status ? status : count_all(results, t, err);
    if (status) {
        weld_detection_tally_free(t);
    } else {
        weld_text_add(notes, weld_results_note(results));
        *tally = t;
    }
    weld_results_free(results);
    return status;
}

const weld_results_format weld_detection_results = {
    .what = "detections, as COCO's results",
    .before = "[",
    .between = ",\n",
    .after = "]\n",
    .write = write_entries,
    .read = read_tally,
};
