/* weld reparam: merge the branches of a network, verify, write the deploy file, report. */
#include <stdio.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/model_options.h"

static void print_report(const char *path, const weld_merge_report *r) {
    printf("%s written\n", path);
    printf("%-24s %14s %14s\n", "", "before", "after");
    printf("%-24s %14lld %14lld\n", "parameters", (long long)r->before.parameters,
           (long long)r->after.parameters);
    printf("%-24s %14lld %14lld\n", "convolutions", (long long)r->before.convolutions,
           (long long)r->after.convolutions);
    printf("%-24s %14lld %14lld\n", "batch norms", (long long)r->before.batch_norms,
           (long long)r->after.batch_norms);
    printf("%-24s %14.1f %14.1f\n", "MACs [M]", (double)r->before.macs / 1e6,
           (double)r->after.macs / 1e6);
    printf("%-24s %14.2f %14.2f\n", "latency, batch 1 [ms]", r->milliseconds_before,
           r->milliseconds_after);
    if (r->comparison.labelled) {
        const weld_score *before = &r->comparison.before, *after = &r->comparison.after;
        char title[CLI_TITLE_SIZE];
        printf("%-24s %14.*f %14.*f\n", cli_score_title(before, title), before->decimals,
               before->value, after->decimals, after->value);
    }
    cli_print_comparison(&r->comparison);
    if (r->after.batch_norms) {
        printf("%lld batch norms stay: before a convolution that pads, or read by several layers, "
               "none can fold exactly\n",
               (long long)r->after.batch_norms);
    }
}

weld_status cli_reparam(cli_call *call, weld_error *err) {
    const char *out = NULL, *verify = NULL;
    int threads = 0;
    cli_model_options model = {0};
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &out, "OUT.h5", "the deploy file"},
        {"verify", 0, CLI_TEXT, &verify, "DIR", "compare on these images (else on noise)"},
        {"threads", 0, CLI_THREADS, &threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_CROP(model),
        CLI_MODEL_CLASS_ORDER(model),
        CLI_MODEL_SIZE(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    weld_model *m;
    weld_merge_report report;
    weld_model_data data;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_status status =
        cli_open_data(&(cli_data_request){.call = call, .path = verify}, m, &data, err);
    status = status ? status : weld_model_merge_on(m, &data, threads, out, &report, err);
    weld_model_data_close(&data);
    if (status && weld_model_is_int8(m)) {
        weld_fail_context(err, status, "%s", call->arguments[0]);
    }
    weld_model_free(m);
    if (!status) {
        print_report(out, &report);
    }
    return status;
}
