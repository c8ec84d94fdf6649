/* weld_report_write; see weld/train.h. The page is page/report.html with the data of all runs in it
 * as JSON, drawn by page/charts.js, comparison.js and report.js. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/array.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "report/page.h"
#include "report/parts.h"
#include "report/report.h"
#include "weld/train.h"

enum { RUNS_MAX = 32 };

/* How much of each run is shown, so that pages stay below some two megabytes. */
typedef struct limits {
    int points, classes, images;
} limits;

/* --- Runs --- */

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static weld_status join(const char *folder, const char *name, char path[PATH_MAX],
                        weld_error *err) {
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%.80s...: is too long a path", folder);
}

/* A folder with metrics.jsonl or recipe.yaml in it. */
static weld_status check_run(const char *folder, weld_error *err) {
    char path[PATH_MAX];
    struct stat info;
    if (weld_file_look(folder, &info) < 0) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: there is no such folder", folder);
    }
    static const char *const names[] = {"metrics.jsonl", "recipe.yaml"};
    for (int i = 0; i < 2; i++) {
        WELD_TRY(join(folder, names[i], path, err));
        if (weld_file_look(path, &info) == 0) {
            return WELD_OK;
        }
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND,
                     "%s: is no run of weld train: it has neither metrics.jsonl nor recipe.yaml",
                     folder);
}

/* What the page calls them, and whether they are told while a run goes on. */
static json_t *scores_of(const weld_task *task) {
    json_t *list = json_array();
    for (int i = 0; i < task->score_count; i++) {
        const weld_score_kind *k = &task->scores[i];
        weld_json_append(&list, json_pack("{s:s, s:s, s:s, s:i, s:s, s:b}", "key", k->key, "label",
                                          k->label, "unit", k->unit, "decimals", k->decimals,
                                          "group", k->group, "curve", i < task->run_scores));
    }
    return list;
}

/* What is counted beside the loss: "missed", of "objects". */
static json_t *counts_of(const weld_task *task) {
    json_t *list = json_array();
    for (int i = 1; task->counts[0] && task->counts[i]; i++) {
        weld_json_append(&list,
                         json_pack("{s:s, s:s}", "key", task->counts[i], "of", task->counts[0]));
    }
    return list;
}

static weld_status fill_run(const char *folder, limits most, const weld_report_options *options,
                            weld_recipe *recipe, json_t **run, weld_error *err) {
    char path[PATH_MAX], whole[PATH_MAX];
    bool found = false;
    const char *real = realpath(folder, whole) ? whole : folder;
    weld_json_set(run, "notes", json_array());
    weld_json_set(run, "name", weld_json_name(last_part(real)));
    weld_json_set(run, "path", weld_json_name(real));
    weld_status status = join(folder, "recipe.yaml", path, err);
    status = status ? status : weld_report_add_recipe(path, run, recipe, &found, err);
    if (found && !status) {
        status = weld_report_add_network(recipe, options, run, err);
    }
    status = status ? status : join(folder, "metrics.jsonl", path, err);
    const weld_task *task = found ? weld_task_of(&recipe->model) : weld_tasks[0];
    weld_json_set(run, "scores", scores_of(task));
    weld_json_set(run, "counts", counts_of(task));
    status = status
                 ? status
                 : weld_report_add_curves(path, task, found ? recipe : NULL, most.points, run, err);
    status = status ? status : join(folder, "evaluation.json", path, err);
    return status ? status
                  : weld_report_add_evaluation(path, task, found ? recipe : NULL, most.classes,
                                               most.images, run, err);
}

static const char *name_of(json_t *list, size_t i) {
    const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
    return name ? name : "";
}

static bool name_by_path(json_t *run) {
    return json_object_set(run, "name", json_object_get(run, "path")) == 0;
}

/* Folders of one name are told apart by their paths. False where memory is short. */
static bool part_names(json_t *list) {
    bool good = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        bool again = false;
        for (size_t j = i + 1; j < json_array_size(list); j++) {
            if (strcmp(name_of(list, i), name_of(list, j)) == 0) {
                good &= name_by_path(json_array_get(list, j));
                again = true;
            }
        }
        if (again) {
            good &= name_by_path(json_array_get(list, i));
        }
    }
    return good;
}

/* A share of what one page has room for. */
static int share(int all, size_t runs, int least) {
    const int part = all / (int)runs;
    return part < least ? least : part;
}

static weld_status add_runs(const char *const *runs, size_t count,
                            const weld_report_options *options, json_t *list, weld_error *err) {
    weld_recipe *recipe = weld_alloc(1, sizeof *recipe);
    weld_status status = recipe ? WELD_OK : weld_fail_memory(err, "report");
    const limits most = {.points = share(4096, count, 128),
                         .classes = share(8000, count, 200),
                         .images = share(36, count, 4)};
    for (size_t i = 0; i < count && !status; i++) {
        json_t *run = json_object();
        status = check_run(runs[i], err);
        status = status ? status : fill_run(runs[i], most, options, recipe, &run, err);
        if (status) {
            json_decref(run);
        } else if (json_array_append_new(list, run) != 0) {
            status = weld_fail_memory(err, "report");
        }
    }
    weld_free(recipe);
    return status;
}

static json_t *new_report(void) {
    char when[32] = "";
    time_t now = time(NULL);
    struct tm parts;
    if (localtime_r(&now, &parts)) {
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &parts);
    }
    char cpu[WELD_CPU_NAME_SIZE];
    return json_pack("{s:s, s:s, s:o, s:[]}", "version", WELD_VERSION, "made", when, "cpu",
                     weld_json_name(weld_cpu_name(cpu)), "runs");
}

weld_status weld_report_collect(const char *const *runs, size_t count,
                                const weld_report_options *options, json_t **out, weld_error *err) {
    if (count < 1 || count > RUNS_MAX) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "report: takes 1 to %d runs, not %zu", RUNS_MAX,
                         count);
    }
    json_t *report = new_report(), *list = json_object_get(report, "runs");
    weld_status status =
        list ? add_runs(runs, count, options, list, err) : weld_fail_memory(err, "report");
    if (!status && !part_names(list)) {
        status = weld_fail_memory(err, "report");
    }
    if (status) {
        json_decref(report);
        return status;
    }
    *out = report;
    return WELD_OK;
}

/* --- The page --- */

/* Within a script element nothing but "<" can end it, and JSON has that in strings only. */
static bool append_json(weld_array *page, const char *json) {
    bool good = true;
    for (const char *at = json; *at && good;) {
        const size_t length = strcspn(at, "<");
        good = weld_array_append(page, at, length);
        at += length;
        if (*at) {
            good = good && weld_array_append(page, "\\u003c", 6);
            at++;
        }
    }
    return good;
}

/* What stands in page/report.html between two braces, and what takes its place; the data are NULL.
 */
static const struct {
    const char *name, *text;
} places[] = {{"style", weld_report_css},
              {"charts", weld_report_charts_js},
              {"comparison", weld_report_comparison_js},
              {"sections", weld_report_js},
              {"data", NULL}};

static bool append_place(weld_array *page, const char *name, size_t length, const char *data) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strncmp(places[i].name, name, length) == 0) {
            return places[i].text ? weld_array_append(page, places[i].text, strlen(places[i].text))
                                  : append_json(page, data);
        }
    }
    return false;
}

static bool append_page(weld_array *page, const char *data) {
    const char *at = weld_report_html, *mark;
    while ((mark = strstr(at, "{{")) != NULL) {
        const char *end = strstr(mark, "}}");
        if (!weld_array_append(page, at, (size_t)(mark - at)) ||
            !append_place(page, mark + 2, (size_t)(end - mark - 2), data)) {
            return false;
        }
        at = end + 2;
    }
    return weld_array_append(page, at, strlen(at));
}

weld_status weld_report_write_page(const json_t *report, const char *path, weld_error *err) {
    weld_array page = {.element = 1};
    char *data = weld_json_dump(report, JSON_COMPACT | JSON_REAL_PRECISION(5));
    weld_status status = data && append_page(&page, data)
                             ? weld_file_write(path, page.data, page.count, err)
                             : weld_fail_memory(err, path);
    weld_free(data);
    weld_array_free(&page);
    return status;
}

weld_status weld_report_write(const char *const *runs, size_t count, const char *path,
                              weld_error *err) {
    const weld_report_options options = {0};
    json_t *report;
    WELD_TRY(weld_report_collect(runs, count, &options, &report, err));
    weld_status status = weld_report_write_page(report, path, err);
    json_decref(report);
    return status;
}
