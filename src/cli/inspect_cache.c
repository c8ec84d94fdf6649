/* weld inspect: what a teacher said of images. */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/inspect.h"
#include "formats/json_text.h"
#include "formats/logit_cache.h"

enum { MOST_NAMED = 20 };

weld_status inspect_is_cache(const char *path, bool *is_one, weld_error *err) {
    weld_logit_cache *c;
    weld_error reason;
    const weld_status status = weld_logit_cache_open(path, &c, &reason);
    weld_logit_cache_free(c);
    *is_one = !status;
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}

/* Rows that are damaged, of which the first few are named in `reasons`, and those that say nothing
 * of their image. */
static weld_status read_rows(inspection *in, const weld_logit_cache *c, json_t *reasons,
                             int64_t *unknown, weld_error *err) {
    const weld_cache_layout l = weld_logit_cache_layout(c);
    float *logits = weld_alloc((size_t)l.classes, sizeof *logits);
    weld_status status = logits ? WELD_OK : weld_fail_memory(err, in->path);
    in->checked = l.views * l.images;
    for (int64_t row = 0; row < in->checked && !status; row++) {
        weld_error reason;
        const weld_status read =
            weld_logit_cache_read(c, row / l.images, row % l.images, 1, logits, &reason);
        if (read == WELD_ERROR_NOT_FOUND) {
            ++*unknown;
        } else if (read == WELD_ERROR_MEMORY) {
            status = weld_fail(err, read, "%s", reason.message);
        } else if (read && in->unreadable++ < MOST_NAMED) {
            json_array_append_new(reasons, weld_json_name(reason.message));
        }
    }
    weld_free(logits);
    return status;
}

static weld_status check_rows(inspection *in, const weld_logit_cache *c, weld_error *err) {
    json_t *reasons = json_array();
    int64_t unknown = 0;
    const weld_status status = read_rows(in, c, reasons, &unknown, err);
    if (status) {
        json_decref(reasons);
        return status;
    }
    inspect_fact(in, "rows", json_integer(in->checked),
                 in->unreadable ? "%lld, of which %lld can be read" : "%lld, all read",
                 (long long)in->checked, (long long)(in->checked - in->unreadable));
    inspect_fact(in, "unknown", json_integer(unknown), unknown ? "%lld of unreadable images" : NULL,
                 (long long)unknown);
    inspect_fact(in, "unreadable", json_integer(in->unreadable), "%lld", (long long)in->unreadable);
    for (size_t i = 0; i < json_array_size(reasons) && !in->json; i++) {
        fputs("    ", stdout);
        inspect_print(json_string_value(json_array_get(reasons, i)));
        putchar('\n');
    }
    if (!in->json && in->unreadable > MOST_NAMED) {
        puts("    ...");
    }
    inspect_fact(in, "reasons", reasons, NULL);
    if (!in->unreadable) {
        inspect_checked(in, weld_logit_cache_is_checked(c), "every row can be read");
    }
    return WELD_OK;
}

weld_status inspect_partial_cache(inspection *in, weld_error *err) {
    int64_t rows;
    (void)err;
    (void)weld_logit_cache_is_partial(in->path, &rows);
    inspect_title(in, "distillation_cache_unfinished",
                  "what a teacher said of images (weld distill-cache), not finished");
    inspect_fact(in, "rows", json_integer(rows), "%lld so far", (long long)rows);
    inspect_fact(in, "to go on", NULL,
                 "the distill-cache command that began it, which checks these rows");
    return WELD_OK;
}

weld_status inspect_cache(inspection *in, weld_error *err) {
    weld_logit_cache *c;
    WELD_TRY(weld_logit_cache_open(in->path, &c, err));
    const weld_cache_layout l = weld_logit_cache_layout(c);
    const char *teacher = weld_logit_cache_text(c, WELD_CACHE_TEACHER);
    inspect_title(in, "distillation_cache", "what a teacher said of images (weld distill-cache)");
    if (weld_logit_cache_is_checked(c)) {
        inspect_fact(in, "checksum", json_true(), "right of the header; rows have their own, %s",
                     in->check ? "as told below" : "checked when they are read (all by --check)");
    } else {
        inspect_checksum(in, false);
    }
    inspect_fact(in, "teacher", teacher ? weld_json_name(teacher) : NULL, "%s",
                 teacher ? teacher : "not named");
    inspect_fact(in, "images", json_integer(l.images), "%lld", (long long)l.images);
    inspect_fact(in, "views", json_integer(l.views), "%lld of each", (long long)l.views);
    inspect_fact(in, "classes", json_integer(l.classes), "%d", l.classes);
    inspect_fact(in, "top", json_integer(l.top), "%d of each image", l.top);
    inspect_text(in, "augmentation", weld_logit_cache_text(c, WELD_CACHE_AUGMENTATION));
    const weld_status status = in->check ? check_rows(in, c, err) : WELD_OK;
    weld_logit_cache_free(c);
    return status;
}
