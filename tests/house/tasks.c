/* src/tasks/tasks.c with one line more. */
#include "house/toy.h"
#include "tasks/classification/classification.h"

const weld_task *const weld_tasks[] = {
    &weld_task_classification,
    &toy_task,
};
const size_t weld_task_count = sizeof weld_tasks / sizeof *weld_tasks;
