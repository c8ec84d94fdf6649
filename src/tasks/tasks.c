/* The table of tasks: a line each. */
#include "tasks/classification/classification.h"
#include "tasks/detection/detection.h"

const weld_task *const weld_tasks[] = {
    &weld_task_classification,
    &weld_task_detection,
};
const size_t weld_task_count = sizeof weld_tasks / sizeof *weld_tasks;
