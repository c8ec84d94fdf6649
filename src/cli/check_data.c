/* weld check-data: every image of a data set decoded once, and what is broken or odd by name. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/check_boxes.h"
#include "cli/cli.h"
#include "cli/data_options.h"
#include "cli/inspect.h"
#include "cli/progress.h"
#include "cli/input_options.h"
#include "cli/stop.h"
#include "data/check.h"
#include "formats/json_text.h"
#include "tasks/task.h"

enum { TURNED_NAMED = 3 };

typedef struct request {
    const char *path;
    weld_text turned;                         /* the first names of turned images, */
    int64_t turned_count;                     /* of so many */
    json_t *findings;                         /* NULL: lines are printed */
    int64_t skipped, faults[WELD_BOX_FAULTS]; /* faults: that were told */
    int size;                                 /* of an input, in which boxes are measured */
    cli_progress progress;
} request;

static void print_finding(request *r, const char *kind, const char *name, const char *reason) {
    if (r->findings) {
        json_array_append_new(r->findings,
                              json_pack("{s:s, s:o, s:o}", "kind", kind, "name",
                                        weld_json_name(name), "reason", weld_json_name(reason)));
        return;
    }
    cli_progress_end(&r->progress);
    printf("%-10s ", kind);
    inspect_print(name);
    fputs(": ", stdout);
    inspect_print(reason);
    putchar('\n');
}

/* Whole folders of photos are turned: these are told together. */
static void found(void *arg, weld_finding_kind kind, const char *name, const char *reason) {
    request *r = arg;
    if (kind != WELD_FINDING_TURNED || r->findings) {
        print_finding(r, weld_finding_text(kind), name, reason);
    } else if (++r->turned_count <= TURNED_NAMED) {
        weld_text_add(&r->turned, r->turned_count > 1 ? ", " : "");
        weld_text_add(&r->turned, name);
    }
}

static void skipped(void *arg, const char *name, const char *reason) {
    request *r = arg;
    r->skipped++;
    print_finding(r, "skipped", name, reason);
}

static void found_fault(void *arg, weld_box_fault fault, const char *where, const char *what) {
    request *r = arg;
    if (r->faults[fault]++ < CLI_FAULTS_TOLD) {
        print_finding(r, weld_box_fault_text(fault), where, what);
    }
}

static void found_class(void *arg, const char *name, const char *reason) {
    print_finding(arg, weld_finding_text(WELD_FINDING_CLASS), name, reason);
}

static bool show_progress(void *arg, int64_t done, int64_t total) {
    return cli_evaluation_progress(&((request *)arg)->progress, done, total);
}

/* --- Summary ---------------------------------------------------------------------------------- */

static json_t *range_json(weld_check_range range) {
    return json_pack("{s:i, s:i, s:i}", "least", range.least, "median", range.median, "most",
                     range.most);
}

static void add_classes(json_t *out, const weld_dataset *ds, const weld_check_report *report) {
    json_t *classes = json_array();
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        json_array_append_new(classes, json_pack("{s:o, s:I}", "name",
                                                 weld_json_name(weld_dataset_class_name(ds, i)),
                                                 "images", (json_int_t)report->class_images[i]));
    }
    json_object_set_new(out, "images_per_class",
                        json_pack("{s:I, s:f, s:I}", "least", (json_int_t)report->class_least,
                                  "median", report->class_median, "most",
                                  (json_int_t)report->class_most));
    json_object_set_new(out, "classes", classes);
}

static void print_json(const request *r, const weld_dataset *ds, const weld_check_report *report,
                       const weld_box_report *boxes) {
    json_t *out = json_object();
    json_object_set_new(out, "data", weld_json_name(r->path));
    if (weld_dataset_part(ds)) {
        json_object_set_new(out, "part", json_string(weld_dataset_part(ds)));
    }
    json_object_set_new(out, "images", json_integer(report->images));
    for (int kind = 0; kind < WELD_FINDING_KINDS; kind++) {
        if (kind != WELD_FINDING_CLASS) {
            json_object_set_new(out, weld_finding_text(kind), json_integer(report->found[kind]));
        }
    }
    json_object_set_new(out, "skipped", json_integer(r->skipped));
    json_object_set_new(out, "width", range_json(report->width));
    json_object_set_new(out, "height", range_json(report->height));
    if (weld_dataset_has_boxes(ds)) {
        cli_add_boxes(out, ds, boxes, r->size);
    } else {
        add_classes(out, ds, report);
    }
    json_object_set(out, "findings", r->findings);
    cli_print_json(out, 9);
}

static void print_range(const char *title, weld_check_range range) {
    if (range.most > 0) {
        printf("%-10s %d to %d, median %d\n", title, range.least, range.most, range.median);
    }
}

static void print_turned(request *r, const weld_check_report *report) {
    const int64_t count = report->found[WELD_FINDING_TURNED], upright = report->upright;
    if (count) {
        printf("turned     %lld %s by the metadata, ", (long long)count,
               weld_plural(count, "image", "images"));
        if (upright && upright < count) {
            printf("%lld of them ", (long long)upright);
        }
        fputs(upright ? "seen upright: " : "which is ignored: ", stdout);
        inspect_print(weld_text_get(&r->turned));
        puts(count > TURNED_NAMED ? ", ..." : "");
    }
}

/* Of the others nothing is looked at here. */
static weld_status print_part(const request *r, const weld_dataset *ds, weld_error *err) {
    const char *before = "; to check another: ";
    if (!weld_dataset_part(ds)) {
        return WELD_OK;
    }
    printf("part       %s", weld_dataset_part(ds));
    for (int i = 0; i < WELD_PARTS; i++) {
        const char *part = weld_part_text((weld_part_name)i);
        bool has = false;
        if (strcmp(part, weld_dataset_part(ds)) != 0) {
            WELD_TRY(weld_layout_has_part(r->path, (weld_part_name)i, &has, err));
        }
        if (has) {
            fputs(before, stdout);
            inspect_print(r->path);
            printf(":%s", part);
            before = ", ";
        }
    }
    putchar('\n');
    return WELD_OK;
}

static weld_status print_summary(request *r, const weld_dataset *ds, const weld_dataset *against,
                                 const weld_check_report *report, const weld_box_report *boxes,
                                 weld_error *err) {
    const int64_t *counts = report->found;
    WELD_TRY(print_part(r, ds, err));
    printf("images     %lld: %lld broken, %lld odd, %lld skipped\n", (long long)report->images,
           (long long)counts[WELD_FINDING_BROKEN], (long long)counts[WELD_FINDING_ODD],
           (long long)r->skipped);
    printf("the same   %lld duplicates, %lld conflicts between classes",
           (long long)counts[WELD_FINDING_DUPLICATE], (long long)counts[WELD_FINDING_CONFLICT]);
    if (against) {
        printf(", %lld %s of ", (long long)counts[WELD_FINDING_LEAK],
               weld_plural(counts[WELD_FINDING_LEAK], "image", "images"));
        inspect_print(weld_dataset_path(against));
    }
    if (counts[WELD_FINDING_UNREAD]) {
        printf(", %lld unread", (long long)counts[WELD_FINDING_UNREAD]);
    }
    putchar('\n');
    print_turned(r, report);
    if (weld_dataset_has_boxes(ds)) {
        cli_print_boxes(ds, boxes, r->size);
    } else {
        printf("classes    %d: %lld to %lld images, median %g\n", weld_dataset_class_count(ds),
               (long long)report->class_least, (long long)report->class_most, report->class_median);
    }
    print_range("width", report->width);
    print_range("height", report->height);
    return WELD_OK;
}

/* Boxes of both data sets in numbers; the caller releases class_boxes of each. */
static weld_status check_boxes(request *r, const weld_dataset *ds, const weld_dataset *against,
                               weld_box_report out[2], weld_error *err) {
    const bool other = against && weld_dataset_has_boxes(against);
    WELD_TRY(weld_check_boxes(ds, r->size, &out[0], err));
    if (other) {
        WELD_TRY(weld_check_boxes(against, r->size, &out[1], err));
    }
    cli_tell_box_classes(ds, &out[0], other ? against : NULL, &out[1], found_class, r);
    return WELD_OK;
}

/* Entries of which nobody knows what was meant: training would refuse them. */
static int64_t count_errors(const weld_dataset *ds) {
    const int64_t *faults = weld_dataset_box_faults(ds);
    int64_t errors = 0;
    for (int i = 0; faults && i < WELD_BOX_FAULTS; i++) {
        errors += weld_box_fault_is_error((weld_box_fault)i) ? faults[i] : 0;
    }
    return errors;
}

/* --- The command ------------------------------------------------------------------------------ */

static weld_status check(request *r, const weld_dataset *ds, const weld_dataset *against,
                         int max_pixels, int threads, weld_error *err) {
    weld_check_report report = {0};
    weld_check_options options = {.annotation = weld_tasks[0]->annotation, /* data do not say */
                                  .against = against,
                                  .max_pixels = max_pixels,
                                  .threads = threads,
                                  .found = found,
                                  .progress = show_progress,
                                  .arg = r};
    cli_stop_catch();
    weld_box_report boxes[2] = {{0}, {0}};
    weld_status status = weld_check(ds, &options, &report, err);
    if (!status && !report.stopped && weld_dataset_has_boxes(ds)) {
        status = check_boxes(r, ds, against, boxes, err);
    }
    cli_progress_end(&r->progress);
    const int64_t broken = report.found[WELD_FINDING_BROKEN];
    const int64_t unread = report.found[WELD_FINDING_UNREAD];
    if (!status && report.stopped) {
        status = weld_fail(err, WELD_ERROR_INTERRUPTED, "%s: stopped after %lld of %lld images",
                           r->path, (long long)report.images, (long long)weld_dataset_count(ds));
    } else if (!status) {
        if (r->findings) {
            print_json(r, ds, &report, &boxes[0]);
        } else {
            status = print_summary(r, ds, against, &report, &boxes[0], err);
        }
        cli_tell_classes(ds);
        status = status || !broken
                     ? status
                     : weld_fail(err, WELD_ERROR_FORMAT, "%s: %lld of %lld %s cannot be used: %s",
                                 r->path, (long long)broken, (long long)report.images,
                                 weld_plural(report.images, "image", "images"),
                                 weld_plural(broken, "mend or remove it", "mend or remove them"));
    }
    if (!status && unread) {
        status = weld_fail(err, WELD_ERROR_IO,
                           "%s: %lld %s could not be read to be compared: what they are the same "
                           "as is not known: check the permissions and the device",
                           r->path, (long long)unread, weld_plural(unread, "image", "images"));
    }
    const int64_t errors = count_errors(ds);
    if (!status && errors) {
        status =
            weld_fail(err, WELD_ERROR_FORMAT, "%s: %lld %s of its annotations cannot be used: %s",
                      r->path, (long long)errors, weld_plural(errors, "entry", "entries"),
                      weld_plural(errors, "mend or remove it", "mend or remove them"));
    }
    weld_free(boxes[0].class_boxes);
    weld_free(boxes[1].class_boxes);
    weld_free(report.class_images);
    return status;
}

weld_status cli_check_data(cli_call *call, weld_error *err) {
    request r = {.size = 640, .turned = WELD_TEXT, .progress = {.what = "check"}};
    const char *other = NULL;
    bool json = false;
    int threads = 0, max_pixels = 0;
    const cli_option options[] = {
        {"against", 0, CLI_TEXT, &other, "DATA", "look for images of this data set in it, too"},
        {"size", 0, CLI_COUNT, &r.size, "N", "measure boxes in inputs of N pixels (640)"},
        CLI_MAX_PIXELS(max_pixels),
        {"threads", 0, CLI_THREADS, &threads, "N", "threads (all)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON object"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_check_max_pixels(call, max_pixels);
    r.path = call->arguments[0];
    r.findings = json ? json_array() : NULL;
    weld_dataset *ds = NULL, *against = NULL;
    weld_dataset_options opening = {.listing = {true, skipped, &r}, .boxes = {found_fault, &r}};
    weld_status status = weld_dataset_open_with(r.path, &opening, &ds, err);
    if (!status && weld_dataset_has_boxes(ds) && *weld_dataset_note(ds)) {
        fprintf(stderr, "note: %s: %s\n", r.path, weld_dataset_note(ds));
    }
    if (!status && other) {
        const weld_dataset_options judging = {.part = WELD_NAMED_VAL};
        status = weld_dataset_open_with(other, &judging, &against, err);
        if (!status) {
            cli_tell_data(against, 0);
        }
    }
    status = status ? status : check(&r, ds, against, max_pixels, threads, err);
    weld_dataset_free(ds);
    weld_dataset_free(against);
    weld_text_free(&r.turned);
    json_decref(r.findings);
    return status;
}
