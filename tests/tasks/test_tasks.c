/* The tables of families and tasks fit together. */
#include <math.h>

#include "suite.h"

#include "models/models.h"
#include "tasks/task.h"

START_TEST(every_family_has_a_task_and_gives_it_its_outputs) {
    for (size_t i = 0; i < weld_family_count; i++) {
        const weld_model_family *family = weld_families[i];
        ck_assert_ptr_nonnull(family->task);
        const weld_task *task = weld_task_find(family->task);
        ck_assert_msg(task, "%s names the task %s, which there is not", family->name, family->task);
        if (family->in_files_alone || family->variant_count == 0) {
            continue;
        }
        weld_model_config config;
        weld_graph *g;
        weld_error err = {.message = ""};
        ck_assert_msg(!weld_model_config_named(family->variants[0].name, &config, &err), "%s",
                      err.message);
        ck_assert_ptr_eq(weld_task_of(&config), task);
        ck_assert_msg(!weld_model_build(&config, false, 1, 64, 64, WELD_F32, &g, &err), "%s",
                      err.message);
        for (int k = 0; task->outputs[k]; k++) {
            ck_assert_msg(weld_graph_output(g, task->outputs[k]), "%s has no output %s",
                          family->name, task->outputs[k]);
        }
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(of_equal_scores_the_lower_loss_is_better_and_of_equal_losses_the_later) {
    const weld_task *task = weld_task_find("classification");
    const weld_standing best = {50, 1.5};
    ck_assert(weld_task_is_better(task, (weld_standing){51, 9}, best));
    ck_assert(!weld_task_is_better(task, (weld_standing){49, 0}, best));
    ck_assert(weld_task_is_better(task, (weld_standing){50, 1.4}, best));
    ck_assert(!weld_task_is_better(task, (weld_standing){50, 1.6}, best));
    ck_assert(weld_task_is_better(task, best, best));
    ck_assert(weld_task_is_better(task, (weld_standing){50, NAN}, (weld_standing){50, NAN}));
}
END_TEST

START_TEST(of_fewer_images_none_is_best_and_of_more_every_one) {
    const weld_task *task = weld_task_find("classification");
    const weld_standing best = {50, 1.5, 24};
    for (int by_loss = 0; by_loss < 2; by_loss++) {
        ck_assert(!weld_task_is_best(task, by_loss, (weld_standing){90, 0.5, 23}, best));
        ck_assert(weld_task_is_best(task, by_loss, (weld_standing){10, 2.5, 25}, best));
        ck_assert(!weld_task_is_best(task, by_loss, (weld_standing){10, 2.5, 24}, best));
        ck_assert(!weld_task_is_best(task, by_loss, (weld_standing){10, 2.5, 0}, best));
        ck_assert(weld_task_is_best(task, by_loss, (weld_standing){90, 0.5, 0}, best));
        /* Fewer than the best's as in the evaluation before, fewer than there, and more. */
        ck_assert(weld_task_is_best(task, by_loss, (weld_standing){90, 0.5, 23, 23}, best));
        ck_assert(!weld_task_is_best(task, by_loss, (weld_standing){10, 2.5, 23, 22}, best));
        ck_assert(!weld_task_is_best(task, by_loss, (weld_standing){90, 0.5, 23, 24}, best));
        ck_assert(weld_task_is_best(task, by_loss, (weld_standing){10, 2.5, 25, 24}, best));
    }
}
END_TEST

/* What is logged of an infinite loss is read as NAN again: both are judged as one. */
START_TEST(by_loss_the_lower_is_best_and_of_those_that_are_not_finite_the_better_score) {
    const weld_task *task = weld_task_find("classification");
    const weld_standing best = {50, 1.5};
    ck_assert(weld_task_is_best(task, true, (weld_standing){10, 1.4}, best));
    ck_assert(!weld_task_is_best(task, true, (weld_standing){90, 1.6}, best));
    ck_assert(weld_task_is_best(task, true, (weld_standing){51, 1.5}, best));
    ck_assert(weld_task_is_best(task, false, (weld_standing){51, 1.6}, best));
    const double lost[] = {NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        const double a = lost[i / 2], b = lost[i % 2];
        ck_assert(!weld_task_is_best(task, true, (weld_standing){90, a}, best));
        ck_assert(!weld_task_is_better(task, (weld_standing){50, a}, best));
        ck_assert(weld_task_is_best(task, true, best, (weld_standing){90, a}));
        ck_assert(weld_task_is_best(task, true, (weld_standing){51, a}, (weld_standing){50, b}));
        ck_assert(weld_task_is_best(task, true, (weld_standing){50, a}, (weld_standing){50, b}));
        ck_assert(!weld_task_is_best(task, true, (weld_standing){49, a}, (weld_standing){50, b}));
    }
}
END_TEST

RUN_SUITE("tasks/tasks", every_family_has_a_task_and_gives_it_its_outputs,
          of_equal_scores_the_lower_loss_is_better_and_of_equal_losses_the_later,
          by_loss_the_lower_is_best_and_of_those_that_are_not_finite_the_better_score,
          of_fewer_images_none_is_best_and_of_more_every_one)
