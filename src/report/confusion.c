/* What was taken for what, in a report; see parts.h. */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "report/parts.h"

enum {
    MATRIX_MAX = 40,  /* classes of which the whole matrix is shown */
    PAIRS_SHOWN = 200 /* of the classes most confused */
};

typedef struct cell {
    int64_t label, predicted, images;
} cell;

static int more_images(const void *a, const void *b) {
    const cell *x = a, *y = b;
    int order = (x->images < y->images) - (x->images > y->images);
    order = order ? order : (x->label > y->label) - (x->label < y->label);
    return order ? order : (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

static json_t *cell_list(const cell *cells, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        weld_json_append(&list,
                         json_pack("[I, I, I]", (json_int_t)cells[i].label,
                                   (json_int_t)cells[i].predicted, (json_int_t)cells[i].images));
    }
    return list;
}

static size_t read_cells(weld_json *j, const json_t *list, int64_t classes, cell *cells) {
    const size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(list, i);
        if (!json_is_array(row) || json_array_size(row) != 3) {
            weld_json_fail(j, "confusion: row %zu is no list of three numbers", i);
            return 0;
        }
        cells[i] = (cell){.label = weld_json_int_at(j, row, 0, "confusion", 0, classes - 1),
                          .predicted = weld_json_int_at(j, row, 1, "confusion", 0, classes - 1),
                          .images = weld_json_int_at(j, row, 2, "confusion", 0, INT64_MAX)};
    }
    return count;
}

weld_status weld_report_add_confusion(weld_json *j, const json_t *list, int64_t classes,
                                      json_t **to) {
    cell *cells = weld_alloc(json_array_size(list) + 1, sizeof *cells);
    if (!cells) {
        return weld_fail_memory(j->err, "confusion matrix");
    }
    size_t count = list ? read_cells(j, list, classes, cells) : 0, wrong = 0;
    if (classes <= MATRIX_MAX) {
        weld_json_set(to, "matrix", cell_list(cells, count));
    }
    for (size_t i = 0; i < count; i++) {
        if (cells[i].label != cells[i].predicted && cells[i].images > 0) {
            cells[wrong++] = cells[i];
        }
    }
    qsort(cells, wrong, sizeof *cells, more_images);
    weld_json_set(to, "confused", cell_list(cells, wrong < PAIRS_SHOWN ? wrong : PAIRS_SHOWN));
    weld_free(cells);
    return WELD_OK;
}
