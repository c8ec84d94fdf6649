/* What the subcommands share: the table of commands, options with their help, and messages.
 *
 * Exit status: 0 done, 1 failed (one line on stderr), 2 wrong usage, 130 after a second Ctrl-C.
 */
#ifndef WELD_CLI_CLI_H
#define WELD_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "weld/model.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_KILLED = 130 };

typedef struct cli_command {
    const char *name;
    const char *arguments; /* "FILE IMAGE..." */
    const char *summary;   /* one line */
    int (*run)(const struct cli_command *command, int argc, char **argv);
} cli_command;

extern const cli_command cli_commands[];
extern const size_t cli_command_count;

int cli_train(const cli_command *command, int argc, char **argv);
int cli_preview(const cli_command *command, int argc, char **argv);
int cli_eval(const cli_command *command, int argc, char **argv);
int cli_predict(const cli_command *command, int argc, char **argv);
int cli_run(const cli_command *command, int argc, char **argv);
int cli_reparam(const cli_command *command, int argc, char **argv);
int cli_export(const cli_command *command, int argc, char **argv);
int cli_import(const cli_command *command, int argc, char **argv);
int cli_pack(const cli_command *command, int argc, char **argv);
int cli_distill_cache(const cli_command *command, int argc, char **argv);
int cli_bench(const cli_command *command, int argc, char **argv);
int cli_check_data(const cli_command *command, int argc, char **argv);
int cli_inspect(const cli_command *command, int argc, char **argv);
int cli_report(const cli_command *command, int argc, char **argv);
int cli_models(const cli_command *command, int argc, char **argv);

/* An option of a subcommand; `value` is what is set where it is given. */
typedef enum cli_option_kind {
    CLI_FLAG,      /* bool */
    CLI_TEXT,      /* const char * */
    CLI_COUNT,     /* int, at least 1 */
    CLI_TEXTS,     /* cli_texts: may be given several times */
    CLI_PRECISION, /* weld_precision */
    CLI_KEYS       /* cli_keys: one option for each key of networks that tensors do not tell */
} cli_option_kind;

/* "key=value" for each that was given. */
typedef struct cli_keys {
    char text[8][96];
    size_t count;
} cli_keys;

typedef struct cli_texts {
    const char **items;
    size_t count;
} cli_texts;

typedef struct cli_option {
    const char *name; /* long name; a one-letter name is a short option too */
    char letter;      /* 0: none */
    cli_option_kind kind;
    void *value;
    const char *argument; /* its name in the help; NULL for flags */
    const char *help;
    const struct weld_key *key; /* of one that CLI_KEYS stands for */
} cli_option;

/* "fp32", "bf16" */
const char *cli_precision_name(weld_precision precision);

/* Read options and positional arguments; between min and max of the latter (max < 0: any number)
 * are left in argv[1..*count]. --help is handled here. Returns true to go on; false to stop with
 * *status (0 after help, 2 after a usage error, which has been said). */
bool cli_parse(const cli_command *command, int argc, char **argv, const cli_option *options,
               size_t option_count, int min, int max, int *count, int *status);

/* Print "weld: message" on stderr; returns CLI_FAILED. */
int cli_fail(const weld_error *err);
/* The same for a message of one's own. */
int cli_fail_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Usage error: prints "weld COMMAND: message" and where to find help; returns CLI_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "verified on 36 images: ..." */
void cli_print_comparison(const weld_comparison *c);
/* A score's name and unit, as a title in a table: "top-1 [%]". */
enum { CLI_TITLE_SIZE = 64 };
const char *cli_score_title(const weld_score *s, char text[CLI_TITLE_SIZE]);

#endif
