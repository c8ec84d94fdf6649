/* Tasks by name, and what holds for all of them; see task.h. */
#include "tasks/task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
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

weld_status weld_task_of_results(const weld_dataset *ds, const weld_task **out, weld_error *err) {
    weld_status status = weld_fail(err, WELD_ERROR_ARGUMENT, "no task has files of results");
    for (size_t i = 0; i < weld_task_count && status; i++) {
        if (weld_tasks[i]->results) {
            *out = weld_tasks[i];
            status = weld_task_check_data(*out, ds, err);
        }
    }
    return status;
}

void weld_task_standard_values(const weld_task *task, unsigned char *values) {
    memset(values, 0, WELD_TASK_VALUES_SIZE);
    weld_keys_set_standard(task->keys, task->key_count, values);
}

weld_status weld_task_answer_values(const weld_task *task, bool of_file, const char *const *set,
                                    size_t count, void *values, weld_error *err) {
    memset(values, 0, WELD_TASK_VALUES_SIZE);
    weld_keys_set_standard(task->answer_keys, task->answer_key_count, values);
    for (size_t i = 0; i < count; i++) {
        const size_t length = strcspn(set[i], "=");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)length, set[i]);
        const weld_key *key = weld_key_find(task->answer_keys, task->answer_key_count, name);
        if (!key || !set[i][length]) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: is for other networks than those for %s: leave it out", name,
                             task->name);
        }
        if (of_file && (size_t)(key - task->answer_keys) >= task->file_key_count) {
            return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: is not for files: leave it out", name);
        }
        weld_status status = weld_key_set(key, values, set[i] + length + 1, err);
        if (status) {
            return weld_fail_context(err, status, "%s", name);
        }
    }
    return WELD_OK;
}

weld_status weld_task_find_layout(const weld_task *task, const char *name,
                                  const weld_file_layout **out, weld_error *err) {
    const weld_file_layout *layout = task->layouts;
    char list[128] = "";
    for (; layout && layout->input; layout++) {
        if (name ? layout->name && strcmp(name, layout->name) == 0 : !layout->name) {
            *out = layout;
            return WELD_OK;
        }
        if (layout->name) {
            weld_append(list, sizeof list, "%s%s", *list ? ", " : "", layout->name);
        }
    }
    *out = NULL;
    return !name ? WELD_OK
                 : weld_fail(err, WELD_ERROR_ARGUMENT,
                             "outputs '%s': files of networks for %s have %s%s", name, task->name,
                             *list ? "their usual ones, or " : "no other than their usual ones",
                             list);
}

/* Those that are not finite are one, above all others. */
static double loss_of(weld_standing s) {
    return isfinite(s.loss) ? s.loss : INFINITY;
}

bool weld_task_is_better(const weld_task *task, weld_standing now, weld_standing best) {
    if (now.score != best.score) {
        return task->smaller_is_better ? now.score < best.score : now.score > best.score;
    }
    return loss_of(now) <= loss_of(best);
}

int64_t weld_standing_more_images(weld_standing now, weld_standing best) {
    if (!now.images || !best.images) {
        return 0;
    }
    if (now.images < now.before) {
        return now.images - now.before;
    }
    return now.before && now.images < best.images ? 0 : now.images - best.images;
}

bool weld_task_is_best(const weld_task *task, bool by_loss, weld_standing now, weld_standing best) {
    const int64_t more = weld_standing_more_images(now, best);
    if (more != 0) {
        return more > 0;
    }
    return by_loss && loss_of(now) != loss_of(best) ? loss_of(now) < loss_of(best)
                                                    : weld_task_is_better(task, now, best);
}

weld_score weld_task_score(const weld_task *task, int i, double value) {
    const weld_score_kind *k = &task->scores[i];
    return (weld_score){k->key, k->label, k->unit, k->decimals, value};
}
