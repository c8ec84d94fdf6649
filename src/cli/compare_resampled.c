/* weld compare of models whose scores are of all images; see compare.h. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/compare.h"
#include "cli/progress.h"
#include "formats/json_text.h"
#include "infer/resampled.h"
#include "models/models.h"

static const weld_score_kind *kind(const cli_compared *c, int i) {
    return &weld_model_task(c->models[0])->scores[i];
}

/* --- As text --- */

static void print_scores(const cli_compared *c, const weld_resampled *r, int i) {
    cli_compared_print_model(c, i);
    putchar(':');
    for (int k = 0; k < r->score_count; k++) {
        printf("%s %s %.*f%s", k ? "," : "", kind(c, k)->label, kind(c, k)->decimals,
               r->scores[k].value[i], kind(c, k)->unit);
    }
    putchar('\n');
}

static void print_number(double value, int width, int decimals, bool sign) {
    if (isfinite(value)) {
        printf(sign ? "%+*.*f" : "%*.*f", width, decimals, value);
    } else {
        printf("%*s", width, "-");
    }
}

static void print_difference(const cli_compared *c, const weld_resampled *r, int k) {
    const weld_resampled_score *s = &r->scores[k];
    const int decimals = kind(c, k)->decimals;
    if (!isfinite(s->p)) {
        printf("B - A: %s ", kind(c, k)->label);
        print_number(s->difference, 0, decimals, true);
        puts(": too few images with objects for an interval");
        return;
    }
    printf("B - A: %s %+.*f%s, 95 %% interval %+.*f to %+.*f, p = %.3g: %s\n", kind(c, k)->label,
           decimals, s->difference, kind(c, k)->unit, decimals, s->low, decimals, s->high, s->p,
           cli_compared_verdict(s->p, s->difference));
}

static void print_classes(const cli_compared *c, const weld_resampled *r) {
    const weld_resampled_class *classes = r->classes.data;
    const int decimals = kind(c, 0)->decimals;
    printf("%8s %8s %8s %8s %8s %6s  class\n", "A", "B", "B - A", "from", "to", "p");
    for (size_t i = 0; i < r->classes.count; i++) {
        const weld_resampled_score *s = &classes[i].score;
        weld_text name = WELD_TEXT;
        print_number(s->value[0], 8, decimals, false);
        print_number(s->value[1], 9, decimals, false);
        print_number(s->difference, 9, decimals, true);
        print_number(s->low, 9, decimals, true);
        print_number(s->high, 9, decimals, true);
        print_number(s->p, 7, 3, false);
        weld_text_add_printable(&name, classes[i].name);
        printf("  %s\n", weld_text_get(&name));
        weld_text_free(&name);
    }
}

static void print_text(const cli_compared *c, const weld_resampled *r) {
    printf("%lld %s\n", (long long)r->images, weld_plural(r->images, "image", "images"));
    print_scores(c, r, 0);
    print_scores(c, r, 1);
    for (int i = 0; i < 2; i++) {
        if (r->only_one[i]) {
            printf("left out: %d %s that only %s knows\n", r->only_one[i],
                   weld_plural(r->only_one[i], "class", "classes"), cli_compared_letters[i]);
        }
    }
    for (int k = 0; k < r->score_count; k++) {
        print_difference(c, r, k);
    }
    printf("(%d resamples of the images, the same for both%s)\n", WELD_RESAMPLES,
           r->images < WELD_RESAMPLED_LEAST || r->images >= WELD_RESAMPLED_FEW
               ? ""
               : "; of so few images, intervals are too narrow and p too small: compare on more");
    if (c->per_class) {
        printf("%s of %zu %s:\n", kind(c, 0)->label, r->classes.count,
               weld_plural((int64_t)r->classes.count, "class", "classes"));
        print_classes(c, r);
    }
}

/* --- As JSON --- */

static json_t *model_json(const cli_compared *c, const weld_resampled *r, int i) {
    json_t *object = cli_compared_model_json(c, i);
    for (int k = 0; k < r->score_count; k++) {
        json_object_set_new(object, kind(c, k)->key, weld_json_number(r->scores[k].value[i]));
    }
    return object;
}

/* Members of a difference. */
static json_t *score_json(const weld_resampled_score *s) {
    return json_pack("{s:o, s:o, s:o, s:o}", "difference", weld_json_number(s->difference), "low",
                     weld_json_number(s->low), "high", weld_json_number(s->high), "p",
                     weld_json_number(s->p));
}

static json_t *classes_json(const weld_resampled *r) {
    json_t *list = json_array();
    const weld_resampled_class *classes = r->classes.data;
    for (size_t i = 0; i < r->classes.count; i++) {
        const weld_resampled_score *s = &classes[i].score;
        json_t *row = json_pack("{s:o, s:o, s:o}", "name", weld_json_name(classes[i].name), "a",
                                weld_json_number(s->value[0]), "b", weld_json_number(s->value[1]));
        json_object_update_new(row, score_json(s));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *make_json(const cli_compared *c, const weld_resampled *r) {
    json_t *all =
        json_pack("{s:I, s:i, s:s, s:o, s:o}", "images", (json_int_t)r->images, "resamples",
                  WELD_RESAMPLES, "method", "95 %: percentiles of the paired bootstrap over images",
                  "a", model_json(c, r, 0), "b", model_json(c, r, 1));
    for (int k = 0; k < r->score_count; k++) {
        json_object_set_new(all, kind(c, k)->key, score_json(&r->scores[k]));
    }
    json_object_set_new(all, "classes", classes_json(r));
    return all;
}

weld_status cli_compare_resampled(const cli_compared *c, const weld_evaluator_options *options,
                                  weld_error *err) {
    const weld_dataset *ds[2] = {c->data[0].ds, c->data[1].ds};
    weld_resampled r;
    WELD_TRY(weld_resampled_run((const weld_model *const *)c->models, ds, options, &r, err));
    cli_progress_end(options->arg);
    if (c->json) {
        cli_print_json(make_json(c, &r), 9);
    } else {
        print_text(c, &r);
    }
    weld_resampled_free(&r);
    return WELD_OK;
}
