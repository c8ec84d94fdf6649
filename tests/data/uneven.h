/* A data set whose classes have as many images as a test wants. */
#ifndef WELD_TESTS_DATA_UNEVEN_H
#define WELD_TESTS_DATA_UNEVEN_H

#include "datasets/dataset.h"
#include "files.h"
#include "formats/packed.h"

/* One-pixel images whose classes come in turns, as far as there are any. */
static inline weld_dataset *uneven_dataset(const test_folder *folder, const int64_t *counts,
                                           int classes) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    const char *path = test_path(folder, "uneven.h5");
    weld_packed_layout layout = {.height = 1, .width = 1, .channels = 3};
    weld_packed_writer *w;
    weld_dataset *ds;
    unsigned char pixel[3] = {0};
    ck_assert_int_eq(weld_packed_writer_create(path, layout, names, classes, &w, NULL), WELD_OK);
    for (int64_t i = 0, added = 1; added; i++) {
        added = 0;
        for (int c = 0; c < classes; c++) {
            if (i < counts[c]) {
                char name[32];
                snprintf(name, sizeof name, "%s/%d", names[c], (int)i);
                ck_assert_int_eq(weld_packed_writer_add(w, pixel, 3, c, name, NULL), WELD_OK);
                added++;
            }
        }
    }
    ck_assert_int_eq(weld_packed_writer_finish(w, NULL), WELD_OK);
    weld_packed_writer_free(w);
    ck_assert_int_eq(weld_dataset_open(path, &ds, NULL), WELD_OK);
    return ds;
}

#endif
