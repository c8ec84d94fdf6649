/* Live progress on stderr: one line that is rewritten on a terminal, plain lines now and then
 * elsewhere. */
#ifndef WELD_CLI_PROGRESS_H
#define WELD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start with all zero but `what`. */
typedef struct cli_progress {
    const char *what; /* first word of the line */
    double started, shown;
    int64_t first; /* how much was done at the start */
    bool open;     /* an unfinished line stands on the terminal */
} cli_progress;

/* Show `done` of `total` with rate and the time that is left, if the last line is old enough.
 * `progress` is a cli_progress: this, too, is called by those who make progress. */
void cli_progress_show(void *progress, int64_t done, int64_t total);
/* Show a line of one's own in the same way. */
void cli_progress_line(cli_progress *p, const char *line);
/* Finish the line. */
void cli_progress_end(cli_progress *p);

/* "1:02:03" or "2:03". */
const char *cli_duration(double seconds, char *text, size_t size);

/* For evaluators and others; arg is a cli_progress, of the latter two may be NULL. */
bool cli_evaluation_progress(void *arg, int64_t done, int64_t total);
void cli_bad_image(void *arg, int64_t index, const char *reason);
void cli_message(void *arg, const char *text);

#endif
