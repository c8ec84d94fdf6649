/* COCO's results: refused, or evaluated against a small data set, to figures from 0 to 1. */
#include <math.h>
#include <string.h>

#include "datasets/boxes.h"
#include "fuzz.h"
#include "tasks/detection/coco.h"
#include "tasks/detection/results.h"

static const char annotations[] =
    "{\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"},{\"id\":2,\"file_name\":\"b.jpg\"}],"
    "\"annotations\":["
    "{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,40,40]},"
    "{\"id\":2,\"image_id\":1,\"category_id\":3,\"bbox\":[50,0,100,100],\"iscrowd\":1},"
    "{\"id\":3,\"image_id\":2,\"category_id\":1,\"bbox\":[10,10,300,300]}],"
    "\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":3,\"name\":\"cup\"}]}";

static const weld_dataset *dataset(void) {
    static const weld_dataset_options options = {.boxes.no_images = true};
    static weld_dataset *ds;
    if (!ds) {
        const char *path = fuzz_file(annotations, strlen(annotations));
        FUZZ_CHECK(weld_dataset_open_with(path, &options, &ds, NULL) == WELD_OK);
    }
    return ds;
}

static void evaluate(const weld_dataset *ds, const weld_results *results) {
    weld_coco *c;
    weld_array record = {.element = 1};
    FUZZ_CHECK(weld_coco_create(weld_dataset_class_count(ds), &c, NULL) == WELD_OK);
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t truths, count;
        const weld_box *truth = weld_dataset_boxes(ds, i, &truths);
        const weld_found_box *found = weld_results_of(results, i, &count);
        record.count = 0;
        FUZZ_CHECK(weld_coco_measure(truth, truths, found, count, &record, NULL) == WELD_OK);
        FUZZ_CHECK(weld_coco_count(c, weld_dataset_image_id(ds, i), record.data, record.count,
                                   NULL) == WELD_OK);
    }
    const weld_coco_result *r = weld_coco_finish(c);
    for (int i = 0; i < WELD_COCO_FIGURES; i++) {
        FUZZ_CHECK(isnan(r->figures[i]) || (r->figures[i] >= 0 && r->figures[i] <= 1));
    }
    weld_array_free(&record);
    weld_coco_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const weld_dataset *ds = dataset();
    weld_error err = fuzz_error();
    weld_results *results;
    const weld_status status = weld_results_read(fuzz_file(data, size), ds, -1, &results, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        evaluate(ds, results);
    }
    weld_results_free(results);
    return 0;
}
