/* weld report: one HTML page about one or several training runs. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "weld/train.h"

weld_status cli_report(cli_call *call, weld_error *err) {
    const char *out = "report.html";
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, &out, "FILE", "the page to write (report.html)"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    const char *const *runs = (const char *const *)call->arguments;
    WELD_TRY(weld_report_write(runs, (size_t)call->count, out, err));
    printf("%s: report of %d run%s\n", out, call->count, call->count == 1 ? "" : "s");
    return WELD_OK;
}
