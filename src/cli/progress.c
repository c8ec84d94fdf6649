/* Live progress on stderr; see progress.h. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/stop.h"

#define TERMINAL_SECONDS 0.2 /* between two lines */
#define FILE_SECONDS 10.0

const char *cli_duration(double seconds, char *text, size_t size) {
    long s = seconds < 0 || seconds > 1e9 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    }
    return text;
}

/* Is it time for the next line? */
static bool is_due(cli_progress *p) {
    double now = weld_clock();
    bool due = now - p->shown >= (isatty(STDERR_FILENO) ? TERMINAL_SECONDS : FILE_SECONDS);
    if (due) {
        p->shown = now;
    }
    return due;
}

static void put_line(cli_progress *p, const char *line) {
    if (!cli_speaks()) {
        return;
    }
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%s%s%s", terminal ? "\r\033[K" : "", line, terminal ? "" : "\n");
    p->open = terminal;
    fflush(stderr);
}

void cli_progress_line(cli_progress *p, const char *line) {
    if (is_due(p)) {
        put_line(p, line);
    }
}

void cli_progress_show(void *progress, int64_t done, int64_t total) {
    cli_progress *p = progress;
    double now = weld_clock();
    if (p->started <= 0) {
        p->started = p->shown = now;
        p->first = done;
    }
    if (!is_due(p)) {
        return;
    }
    double rate = (double)(done - p->first) / (now - p->started);
    char left[32], line[256];
    snprintf(line, sizeof line, "%s %lld/%lld  %.1f images/s  ETA %s", p->what, (long long)done,
             (long long)total, rate,
             rate > 0 ? cli_duration((double)(total - done) / rate, left, sizeof left) : "-");
    put_line(p, line);
}

void cli_progress_end(cli_progress *p) {
    if (p->open) {
        fputs("\r\033[K", stderr);
        p->open = false;
    }
}

bool cli_evaluation_progress(void *arg, int64_t done, int64_t total) {
    cli_progress_show(arg, done, total);
    return !cli_stop_requested(NULL);
}

void cli_bad_image(void *arg, int64_t index, const char *reason) {
    (void)index;
    if (arg) {
        cli_progress_end(arg);
    }
    fprintf(stderr, "weld: skipped: %s\n", reason);
}

void cli_message(void *arg, const char *text) {
    if (arg) {
        cli_progress_end(arg);
    }
    fprintf(stderr, "weld: %s\n", text);
}
