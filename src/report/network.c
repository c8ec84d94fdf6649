/* The network of a report's run, as it is trained and as it is deployed; see parts.h. */
#include <jansson.h>

#include "base/error.h"
#include "measure/bench.h"
#include "passes/reparameterize.h"
#include "report/parts.h"

static void set_counts(json_t **to, const weld_graph *g) {
    const weld_model_counts counts = weld_graph_counts(g);
    weld_json_set(to, "parameters", json_integer(counts.parameters));
    weld_json_set(to, "macs", json_integer(counts.macs));
}

static weld_status add_counts(const weld_model_config *config, const weld_preprocessing *p,
                              json_t **run, weld_error *err) {
    weld_graph *trained = NULL, *merged = NULL;
    weld_status status =
        weld_model_build(config, false, 1, p->height, p->width, WELD_F32, &trained, err);
    status = status ? status : weld_reparameterize_graph(trained, &merged, err);
    if (!status) {
        json_t *after = json_object();
        set_counts(run, trained);
        set_counts(&after, merged);
        weld_json_set(run, "merged", after);
    }
    weld_graph_free(trained);
    weld_graph_free(merged);
    return status;
}

/* --- Latency ---
 * Of one image. Runs are a matter of milliseconds: as many of them as a good half of a second
 * holds, so that a moment's other work does not decide, and up to three times where the machine was
 * not quiet. The shortest is what the others disturbed least. */

static const double SECONDS = 0.6;
enum { ESTIMATE_STEPS = 3, LEAST_STEPS = 10, MOST_STEPS = 2000, ATTEMPTS = 3 };

static int steps_for(double seconds) {
    const double steps = SECONDS / (seconds > 0 ? seconds : 1e-9);
    return steps < LEAST_STEPS ? LEAST_STEPS : steps > MOST_STEPS ? MOST_STEPS : (int)steps;
}

static json_t *latency_of(const weld_bench_result *r) {
    char text[WELD_QUIET_TEXT_SIZE];
    const weld_quiet_verdict verdict = weld_quiet_judge(&r->quiet);
    json_t *quiet = verdict == WELD_QUIET_UNTOLD ? json_null() : json_boolean(verdict);
    return json_pack("{s:f, s:i, s:o, s:s}", "milliseconds", 1e3 * r->seconds, "threads",
                     r->threads, "quiet", quiet, "told", weld_quiet_text(&r->quiet, text));
}

static weld_status add_latency(const weld_model_config *config, const weld_preprocessing *p,
                               int threads, json_t **run, weld_error *err) {
    weld_bench_options o = {.batch = 1, .threads = threads, .steps = ESTIMATE_STEPS};
    weld_bench_result best, now;
    WELD_TRY(weld_bench_network(config, p->height, p->width, true, &o, &best, err));
    o.steps = steps_for(best.seconds);
    for (int i = 0; i < ATTEMPTS; i++) {
        WELD_TRY(weld_bench_network(config, p->height, p->width, true, &o, &now, err));
        if (i == 0 || now.seconds < best.seconds) {
            best = now;
        }
        if (weld_quiet_judge(&now.quiet) != WELD_QUIET_NO) {
            break;
        }
    }
    weld_json_set(run, "latency", latency_of(&best));
    return WELD_OK;
}

weld_status weld_report_add_network(const weld_recipe *recipe, const weld_report_options *options,
                                    json_t **run, weld_error *err) {
    const weld_model_config *config = &recipe->model;
    const weld_preprocessing *p = &recipe->data.preprocessing;
    weld_error reason = {0};
    if (config->num_classes <= 0) {
        return WELD_OK; /* the recipe leaves them to the data */
    }
    weld_status status = add_counts(config, p, run, &reason);
    if (!status && options->latency) {
        status = add_latency(config, p, options->threads, run, &reason);
    }
    if (status == WELD_ERROR_MEMORY) {
        return weld_fail_memory(err, config->name);
    }
    if (status) {
        weld_report_note(run, "the network cannot be built: %s", reason.message);
    }
    return WELD_OK;
}
