/* What is taken for what, counted in any order. */
#include "tasks/confusion.h"

#include "base/random.h"
#include "suite.h"

START_TEST(cells_that_are_not_zero_come_by_truth_and_then_by_what_was_said) {
    static const int32_t pairs[][2] = {{2, 2}, {0, 2}, {0, 0}, {2, 2}, {1, 0}};
    static const weld_confusion_cell want[] = {{0, 0, 1}, {0, 2, 1}, {1, 0, 1}, {2, 2, 2}};
    weld_confusion c = WELD_CONFUSION;
    weld_text text = WELD_TEXT;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ck_assert_int_eq(weld_confusion_count(&c, pairs[i][0], pairs[i][1], NULL), WELD_OK);
    }
    weld_confusion_finish(&c);
    ck_assert_uint_eq(c.cells.count, 4);
    ck_assert_mem_eq(c.cells.data, want, sizeof want);
    weld_confusion_json(&c, &text);
    ck_assert_str_eq(weld_text_get(&text), "[[0,0,1],[0,2,1],[1,0,1],[2,2,2]]");
    weld_confusion_clear(&c);
    weld_confusion_finish(&c);
    ck_assert_uint_eq(c.cells.count, 0);
    weld_text_free(&text);
    weld_confusion_free(&c);
}
END_TEST

START_TEST(memory_is_for_what_was_confused_not_for_all_classes) {
    enum { COUNTED = 50000 };
    weld_confusion c = WELD_CONFUSION;
    weld_random random = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < COUNTED; i++) {
        const int32_t truth = (int32_t)weld_random_below(&random, 50) * 400;
        const int32_t predicted = (int32_t)weld_random_below(&random, 40) * 500;
        ck_assert_int_eq(weld_confusion_count(&c, truth, predicted, NULL), WELD_OK);
    }
    weld_confusion_finish(&c);
    const weld_confusion_cell *cells = c.cells.data;
    int64_t sum = 0;
    ck_assert_uint_eq(c.cells.count, 2000);
    ck_assert_uint_le(c.cells.capacity, 20000);
    for (size_t i = 0; i < c.cells.count; i++) {
        sum += cells[i].count;
        ck_assert(
            i == 0 || cells[i - 1].truth < cells[i].truth ||
            (cells[i - 1].truth == cells[i].truth && cells[i - 1].predicted < cells[i].predicted));
    }
    ck_assert_int_eq(sum, COUNTED);
    weld_confusion_free(&c);
}
END_TEST

RUN_SUITE("tasks/confusion", cells_that_are_not_zero_come_by_truth_and_then_by_what_was_said,
          memory_is_for_what_was_confused_not_for_all_classes)
