/* What the subcommands share: the table of commands, options with their help, and messages.
 *
 * Exit status: 0 done, 1 failed (one line on stderr), 2 wrong usage, 128 and its number where
 * a signal ended it. What cannot be printed (disk full, reader gone) is a failure too.
 */
#ifndef WELD_CLI_CLI_H
#define WELD_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "distributed/same_call.h"
#include "weld/model.h"

enum { CLI_OUTPUTS = 4 /* files that a command writes, at most */ };

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_SIGNALLED = 128 };

typedef struct cli_call cli_call;

typedef struct cli_command {
    const char *name;
    const char *arguments; /* "FILE IMAGE..." */
    int least, most;       /* how many arguments; most < 0: any number */
    const char *summary;   /* one line */
    /* WELD_ERROR_INTERRUPTED: a signal ended it early; the message "": which it has said itself. */
    weld_status (*run)(cli_call *call, weld_error *err);
    bool over_ranks; /* processes that a launcher (mpirun) has started do it together */
} cli_command;

/* A command and what follows its name: until cli_parse all of it, then what is no option. */
struct cli_call {
    const cli_command *command;
    char **arguments;
    int count;
    const char *outputs[CLI_OUTPUTS]; /* that were given */
    size_t output_count;
    const char **texts; /* of an option of kind CLI_TEXTS, as often as it was given */
    size_t text_count;
    weld_call given; /* options, but those that are each rank's own */
};

weld_status cli_train(cli_call *call, weld_error *err);
weld_status cli_preview(cli_call *call, weld_error *err);
weld_status cli_eval(cli_call *call, weld_error *err);
weld_status cli_compare(cli_call *call, weld_error *err);
weld_status cli_explain(cli_call *call, weld_error *err);
weld_status cli_predict(cli_call *call, weld_error *err);
weld_status cli_run(cli_call *call, weld_error *err);
weld_status cli_reparam(cli_call *call, weld_error *err);
weld_status cli_quantize(cli_call *call, weld_error *err);
weld_status cli_export(cli_call *call, weld_error *err);
weld_status cli_import(cli_call *call, weld_error *err);
weld_status cli_pack(cli_call *call, weld_error *err);
weld_status cli_distill_cache(cli_call *call, weld_error *err);
weld_status cli_bench(cli_call *call, weld_error *err);
weld_status cli_check_data(cli_call *call, weld_error *err);
weld_status cli_inspect(cli_call *call, weld_error *err);
weld_status cli_report(cli_call *call, weld_error *err);
weld_status cli_models(cli_call *call, weld_error *err);

/* An option of a subcommand; `value` is what is set where it is given. */
typedef enum cli_option_kind {
    CLI_FLAG,          /* bool */
    CLI_TEXT,          /* const char * */
    CLI_NEEDED,        /* the same, which must be given */
    CLI_OUTPUT,        /* CLI_TEXT, of a file that is written: none that is read, or written too */
    CLI_OUTPUT_NEEDED, /* the same, which must be given */
    CLI_COUNT,         /* int, at least 1 */
    CLI_THREADS,       /* the same, of which more than there are cpus are told to gain nothing */
    CLI_TEXTS,     /* NULL: the call has those of the one option that may be given several times */
    CLI_SECONDS,   /* double, at least 0 */
    CLI_PRECISION, /* int: 1 + a weld_precision */
    CLI_CHOICE,    /* int: which of the words that `argument` lists, "A|B", from 1 */
    CLI_KEYS,      /* cli_keys: one option for each key of networks that tensors do not tell */
    CLI_ANSWER_KEYS, /* cli_keys: one for each that tasks have for what is told of an image */
    CLI_FILE_KEYS    /* cli_keys: those of them that files may have too */
} cli_option_kind;

/* "key=value" for each that was given. */
typedef struct cli_keys {
    char text[8][96];
    const char *set[8]; /* the texts; so it stays where it is */
    size_t count;
} cli_keys;

struct weld_task;
/* An error that names the option where one of the keys is no answer key of the task, or has a value
 * that it does not take. */
weld_status cli_check_answer_keys(const cli_keys *keys, const struct weld_task *task, bool of_file,
                                  weld_error *err);

typedef struct cli_option {
    const char *name; /* long name; a one-letter name is a short option too */
    char letter;      /* 0: none */
    cli_option_kind kind;
    void *value;
    const char *argument; /* its name in the help; NULL for flags */
    const char *help;
    const struct weld_key
        *key; /* of one that CLI_KEYS, CLI_ANSWER_KEYS or CLI_FILE_KEYS stands for */
    bool own; /* ranks that work together may have others each */
} cli_option;

/* "fp32", "bf16" */
const char *cli_precision_name(weld_precision precision);

/* Read the options and check how many other arguments there are. Ends the program after --help and
 * after an error, which has been said. */
void cli_parse(cli_call *call, const cli_option *options, size_t option_count);
/* A regular file under both names. */
bool cli_is_same_file(const char *a, const char *b);
/* One more of call->texts. */
void cli_add_text(cli_call *call, const char *text);
/* Not where a launcher (mpirun) has started several processes, and this is another than the first:
 * what all of them find wrong is said once. */
bool cli_speaks(void);
/* A line on stderr that all of them have to say; the first does. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Usage error: prints "weld COMMAND: message" and where to find help; ends the program. */
_Noreturn void cli_usage(const cli_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* That something could not be printed, for the reason `code` (an errno): cli_finish_output says so.
 */
void cli_output_is_lost(int code);
/* Have what was printed so far arrive. */
void cli_flush_output(void);
/* To be called last: the exit status, which is CLI_FAILED where something that was printed could
 * not be written (which it says). */
int cli_finish_output(int status);
/* Print a line of JSON, numbers with so many digits. Takes the reference. */
void cli_print_json(json_t *json, size_t digits);
void cli_print_json_as(const json_t *json, size_t flags); /* jansson's */
/* At the program's start: where memory was too short for a value of JSON, which is then missing in
 * what is printed, cli_finish_output says so and fails. */
void cli_watch_json(void);
/* A size in JSON: a number where it is square, else [height, width]. */
json_t *cli_size_json(int height, int width);
/* "verified on 36 images: ..." */
void cli_print_comparison(const weld_comparison *c);
/* A score's name and unit, as a title in a table: "top-1 [%]". */
enum { CLI_TITLE_SIZE = 64 };
const char *cli_score_title(const weld_score *s, char text[CLI_TITLE_SIZE]);

#endif
