/* weld report: one HTML page about one or several training runs. */
#include <stdio.h>

#include "cli/cli.h"
#include "weld/train.h"

int cli_report(const cli_command *command, int argc, char **argv) {
    const char *out = NULL;
    int count, status;
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, &out, "FILE", "the page to write (report.html)"},
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, -1, &count,
                   &status)) {
        return status;
    }
    weld_error err;
    out = out ? out : "report.html";
    if (weld_report_write((const char *const *)argv + 1, (size_t)count, out, &err)) {
        return cli_fail(&err);
    }
    printf("%s: report of %d run%s\n", out, count, count == 1 ? "" : "s");
    return CLI_DONE;
}
