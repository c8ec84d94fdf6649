/* Tasks by name, and what holds for all of them; see task.h. */
#include "tasks/task.h"

#include <string.h>

#include "models/models.h"

const weld_task *weld_task_find(const char *name) {
    for (size_t i = 0; i < weld_task_count; i++) {
        if (strcmp(weld_tasks[i]->name, name) == 0) {
            return weld_tasks[i];
        }
    }
    return NULL;
}

const weld_task *weld_task_of(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    return weld_task_find(family->task);
}

void weld_task_standard_values(const weld_task *task, unsigned char *values) {
    memset(values, 0, WELD_TASK_VALUES_SIZE);
    weld_keys_set_standard(task->keys, task->key_count, values);
}

bool weld_task_is_better(const weld_task *task, weld_standing now, weld_standing best) {
    if (now.score != best.score) {
        return task->smaller_is_better ? now.score < best.score : now.score > best.score;
    }
    return !(now.loss > best.loss);
}

weld_score weld_task_score(const weld_task *task, int i, double value) {
    const weld_score_kind *k = &task->scores[i];
    return (weld_score){k->key, k->label, k->unit, k->decimals, value};
}
