/* Options in GNU style, with the help made from the same table; see cli.h. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "cli/cli.h"
#include "distributed/launch.h"
#include "formats/file.h"
#include "models/models.h"
#include "serialization/model_file.h"
#include "tasks/task.h"

bool cli_speaks(void) {
    return weld_launch_find().rank == 0;
}

void cli_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (cli_speaks()) {
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
    va_end(args);
}

void cli_usage(const cli_call *call, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (cli_speaks()) {
        fprintf(stderr, "weld %s: ", call->command->name);
        vfprintf(stderr, format, args);
        fprintf(stderr, ": see weld %s --help\n", call->command->name);
    }
    va_end(args);
    exit(CLI_USAGE);
}

static void print_help(const cli_command *command, const cli_option *options, size_t count) {
    if (!cli_speaks()) {
        return;
    }
    printf("Usage: weld %s%s%s%s\n%s.\n\nOptions:\n", command->name, count ? " [OPTION]..." : "",
           *command->arguments ? " " : "", command->arguments, command->summary);
    for (size_t i = 0; i < count; i++) {
        char left[64], letter[8] = "";
        if (options[i].letter) {
            snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name,
                 options[i].argument ? " " : "", options[i].argument ? options[i].argument : "");
        printf("  %-26s %s\n", left, options[i].help);
    }
    printf("  %-26s %s\n", "--help", "show this and stop");
}

/* As of a recipe's keys: 1e9 is one, too. */
static int read_count(const cli_call *call, const cli_option *option, const char *text) {
    static const weld_key key = {.type = WELD_KEY_INTEGER,
                                 .size = sizeof(int),
                                 .min_count = 1,
                                 .max_count = 1,
                                 .min = 1,
                                 .max = INT_MAX};
    int count;
    if (weld_key_set(&key, &count, text, NULL) != WELD_OK) {
        cli_usage(call, "--%s wants a whole number from 1 to %d, not '%s'", option->name, INT_MAX,
                  text);
    }
    return count;
}

/* Ranks that share a host's cpus are told by what they say of each other. */
static int read_threads(const cli_call *call, const cli_option *option, const char *text) {
    const int asked = read_count(call, option, text), used = weld_threads_count(asked),
              cpus = weld_threads_cpus();
    char most[64] = "";
    if (used < asked) {
        snprintf(most, sizeof most, "%d are used, which is the most there can be; ", used);
    }
    if (used > cpus && weld_launch_find().size == 1) {
        cli_say("note: --%s %d: %smore than cpus, of which there %s %d, gain nothing", option->name,
                asked, most, weld_plural(cpus, "is", "are"), cpus);
    }
    return asked;
}

static double read_seconds(const cli_call *call, const cli_option *option, const char *text) {
    char *end;
    const double seconds = weld_strtod(text, &end);
    if (end == text || *end || !(seconds >= 0)) {
        cli_usage(call, "--%s wants seconds, not '%s'", option->name, text);
    }
    return seconds;
}

const char *cli_precision_name(weld_precision precision) {
    return precision == WELD_PRECISION_BF16 ? "bf16" : "fp32";
}

static int read_precision(const cli_call *call, const cli_option *option, const char *text) {
    static const weld_precision known[] = {WELD_PRECISION_FP32, WELD_PRECISION_BF16};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, cli_precision_name(known[i])) == 0) {
            return 1 + (int)known[i];
        }
    }
    cli_usage(call, "--%s wants fp32 or bf16, not '%s'", option->name, text);
}

static int read_choice(const cli_call *call, const cli_option *option, const char *text) {
    const size_t length = strlen(text);
    const char *at = option->argument;
    for (int i = 1; *at; i++) {
        const size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, text, word) == 0) {
            return i;
        }
        at += word + (at[word] == '|');
    }
    cli_usage(call, "--%s wants one of %s, not '%s'", option->name, option->argument, text);
}

/* What is told of an image has a range, as every task's row of that name says. */
static void check_answer_key(const cli_call *call, const cli_option *option, const char *text) {
    unsigned char values[WELD_TASK_VALUES_SIZE];
    weld_error err;
    if (weld_key_set(option->key, values, text, &err)) {
        cli_usage(call, "--%s: %s", option->name, err.message);
    }
}

/* "key=value"; a whole number of networks is asked for as any count is. */
static void add_key(const cli_call *call, const cli_option *option, const char *text) {
    cli_keys *keys = option->value;
    const weld_key *key = option->key;
    size_t room = sizeof keys->text[0], most = sizeof keys->text / room;
    if (option->kind != CLI_KEYS) {
        check_answer_key(call, option, text);
    } else if (key->type == WELD_KEY_INTEGER && key->min >= 1) {
        read_count(call, option, text);
    }
    if (keys->count == most ||
        snprintf(keys->text[keys->count], room, "%s=%s", key->name, text) >= (int)room) {
        cli_usage(call, "--%s: too long", option->name);
    }
    keys->set[keys->count] = keys->text[keys->count];
    keys->count++;
}

/* A key's name as an option. */
static void option_name(const char *key, size_t length, char name[64]) {
    snprintf(name, 64, "%.*s", (int)length, key);
    for (char *at = name; (at = strchr(at, '_'));) {
        *at = '-';
    }
}

static bool is_set(const cli_keys *keys, const char *name) {
    const size_t length = strlen(name);
    bool found = false;
    for (size_t i = 0; i < keys->count; i++) {
        found = found || (strncmp(keys->set[i], name, length) == 0 && keys->set[i][length] == '=');
    }
    return found;
}

weld_status cli_check_answer_keys(const cli_keys *keys, const struct weld_task *task, bool of_file,
                                  weld_error *err) {
    for (size_t i = 0; i < keys->count; i++) {
        const size_t length = strcspn(keys->set[i], "=");
        unsigned char values[WELD_TASK_VALUES_SIZE];
        char name[64];
        option_name(keys->set[i], length, name);
        weld_status status = weld_task_answer_values(task, of_file, &keys->set[i], 1, values, err);
        if (status) { /* "max_det: 0 is ..." */
            char reason[WELD_ERROR_MESSAGE_SIZE];
            snprintf(reason, sizeof reason, "%s", err->message + length);
            return weld_fail(err, status, "--%s%s", name, reason);
        }
        char own[64];
        snprintf(own, sizeof own, "%.*s", (int)length, keys->set[i]);
        const weld_key *key = weld_key_find(task->answer_keys, task->answer_key_count, own);
        if (key->needs && !is_set(keys, key->needs)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "--%s: says nothing without --%s: give that too, or leave it out",
                             name, key->needs);
        }
    }
    return WELD_OK;
}

void cli_add_text(cli_call *call, const char *text) {
    const char **grown =
        weld_grow(call->texts, call->text_count, call->text_count + 1, sizeof *call->texts);
    if (!grown) {
        fputs("weld: out of memory\n", stderr);
        exit(CLI_FAILED);
    }
    grown[call->text_count++] = text;
    call->texts = grown;
}

static void note_option(cli_call *call, const cli_option *option, const char *text) {
    char name[80];
    snprintf(name, sizeof name, "--%s", option->name);
    if (option->own) {
        return;
    }
    if (text) {
        weld_call_add_option(&call->given, name, text);
    } else {
        weld_call_add(&call->given, name);
    }
}

static void set_option(cli_call *call, const cli_option *option, const char *text) {
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->value = true;
        break;
    case CLI_TEXT:
    case CLI_NEEDED:
    case CLI_OUTPUT:
    case CLI_OUTPUT_NEEDED:
        *(const char **)option->value = text;
        break;
    case CLI_COUNT:
        *(int *)option->value = read_count(call, option, text);
        break;
    case CLI_THREADS:
        *(int *)option->value = read_threads(call, option, text);
        break;
    case CLI_SECONDS:
        *(double *)option->value = read_seconds(call, option, text);
        break;
    case CLI_PRECISION:
        *(int *)option->value = read_precision(call, option, text);
        break;
    case CLI_CHOICE:
        *(int *)option->value = read_choice(call, option, text);
        break;
    case CLI_KEYS:
    case CLI_ANSWER_KEYS:
    case CLI_FILE_KEYS:
        add_key(call, option, text ? text : "true");
        break;
    case CLI_TEXTS:
        cli_add_text(call, text);
    }
}

enum { MAX_OPTIONS = 64, HELP = 1000 };

/* The same table as getopt_long wants it; val is HELP, a letter or 1001 + index. */
static void make_getopt(const cli_option *options, size_t count, struct option *longs,
                        char *shorts) {
    for (size_t i = 0; i < count; i++) {
        const bool bare = options[i].kind == CLI_FLAG || !options[i].argument;
        int has = bare ? no_argument : required_argument;
        longs[i] = (struct option){options[i].name, has, NULL, HELP + 1 + (int)i};
        if (options[i].letter) {
            *shorts++ = options[i].letter;
            if (has == required_argument) {
                *shorts++ = ':';
            }
        }
    }
    *shorts = 0;
    longs[count] = (struct option){"help", no_argument, NULL, HELP};
    longs[count + 1] = (struct option){0};
}

/* The table with an option in place of CLI_KEYS for each key that some family's tensors do not
 * tell.
 */
typedef struct expanded {
    cli_option options[MAX_OPTIONS];
    size_t count;
    char names[MAX_OPTIONS][64];
} expanded;

static void add_option(expanded *e, const cli_option *option) {
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->options[i].name, option->name) == 0) {
            return; /* another family's */
        }
    }
    if (e->count < MAX_OPTIONS) {
        e->options[e->count++] = *option;
    }
}

static void add_key_option(expanded *e, const cli_option *keys, const weld_key *key) {
    cli_option option = *keys;
    char *name = e->names[e->count];
    option_name(key->name, strlen(key->name), name);
    option.name = name;
    option.argument = key->type == WELD_KEY_INTEGER ? "N" : "VALUE";
    option.key = key;
    add_option(e, &option);
}

static void add_keys(expanded *e, const cli_option *keys) {
    for (size_t f = 0; f < weld_family_count; f++) {
        for (size_t i = 0; i < weld_families[f]->key_count && e->count < MAX_OPTIONS; i++) {
            const weld_key *key = &weld_families[f]->keys[i];
            if (key->flags & WELD_KEY_UNTOLD) {
                add_key_option(e, keys, key);
            }
        }
    }
}

static void add_answer_keys(expanded *e, const cli_option *keys) {
    for (size_t t = 0; t < weld_task_count; t++) {
        const weld_task *task = weld_tasks[t];
        const size_t count =
            keys->kind == CLI_FILE_KEYS ? task->file_key_count : task->answer_key_count;
        for (size_t i = 0; i < count && e->count < MAX_OPTIONS; i++) {
            const weld_key *key = &task->answer_keys[i];
            cli_option option = *keys;
            option.help = key->help;
            add_key_option(e, &option, key);
            if (key->type == WELD_KEY_BOOL) {
                e->options[e->count - 1].argument = NULL;
            }
        }
    }
}

static void expand(const cli_option *options, size_t count, expanded *e) {
    e->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (options[i].kind == CLI_KEYS) {
            add_keys(e, &options[i]);
        } else if (options[i].kind == CLI_ANSWER_KEYS || options[i].kind == CLI_FILE_KEYS) {
            add_answer_keys(e, &options[i]);
        } else {
            add_option(e, &options[i]);
        }
    }
}

static const cli_option *find_option(const cli_option *options, size_t count, int code) {
    if (code > HELP) {
        return &options[code - HELP - 1];
    }
    for (size_t i = 0; i < count; i++) {
        if (options[i].letter == code) {
            return &options[i];
        }
    }
    return NULL;
}

_Noreturn static void point_to_help(const cli_call *call) {
    if (cli_speaks()) {
        fprintf(stderr, "Try 'weld %s --help'.\n", call->command->name);
    }
    exit(CLI_USAGE);
}

/* getopt_long takes the beginning of a name for it, so that "--conf" would be "--confusion" where a
 * command has the one and not the other. */
static void check_whole(const cli_call *call, const char *name) {
    const char *last = call->arguments[optind - 1];
    const char *word = optarg == last ? call->arguments[optind - 2] : last;
    const size_t length = strcspn(word, "=");
    if (length != 2 + strlen(name)) {
        if (cli_speaks()) {
            fprintf(stderr, "weld %s: unrecognized option '%.*s': did you mean --%s?\n",
                    call->command->name, (int)length, word, name);
        }
        point_to_help(call);
    }
}

static bool is_output(const cli_option *o) {
    return o->kind == CLI_OUTPUT || o->kind == CLI_OUTPUT_NEEDED;
}

/* What was given to an option that takes a text; NULL: nothing. */
static const char *text_of(const cli_option *o) {
    const bool text = o->kind == CLI_TEXT || o->kind == CLI_NEEDED || is_output(o);
    return text ? *(const char **)o->value : NULL;
}

/* What is no option, or not there though it must be. */
static void check_rest(const cli_call *call, const expanded *e) {
    const cli_command *command = call->command;
    if (call->count < command->least || (command->most >= 0 && call->count > command->most)) {
        cli_usage(call, "%s: it takes %s",
                  call->count < command->least ? "something is missing" : "too many arguments",
                  *command->arguments ? command->arguments : "no arguments");
    }
    for (size_t i = 0; i < e->count; i++) {
        const cli_option *o = &e->options[i];
        if ((o->kind == CLI_NEEDED || o->kind == CLI_OUTPUT_NEEDED) && !text_of(o)) {
            const char letter[2] = {o->letter};
            cli_usage(call, "%s%s %s is missing", o->letter ? "-" : "--",
                      o->letter ? letter : o->name, o->argument);
        }
    }
}

bool cli_is_same_file(const char *a, const char *b) {
    struct stat of_a;
    return weld_is_same_file(a, b) && weld_file_look(a, &of_a) == 0 && S_ISREG(of_a.st_mode);
}

/* Two outputs under one name, also of a file that is yet to be made. */
static bool is_same_output(const char *a, const char *b) {
    struct stat of_a;
    return cli_is_same_file(a, b) || (strcmp(a, b) == 0 && weld_file_look(a, &of_a) != 0);
}

/* It is training's alone to write over what a run goes on from. */
static void check_replaced(const cli_call *call, const char *name, const char *path) {
    bool goes_on;
    weld_error err;
    if (weld_model_file_goes_on(path, &goes_on, &err)) {
        cli_say("weld: %s", err.message);
        exit(CLI_FAILED);
    }
    if (goes_on) {
        cli_usage(call,
                  "--%s %s: is a checkpoint that training goes on from, and would be lost: name "
                  "another file, or remove it",
                  name, path);
    }
}

/* What is written must not take the place of what is read: a photo, a checkpoint with its branches.
 */
static void check_output(const cli_call *call, const expanded *e, size_t output) {
    const char *name = e->options[output].name, *path = text_of(&e->options[output]);
    for (int i = 0; i < call->count; i++) {
        if (cli_is_same_file(path, call->arguments[i])) {
            cli_usage(call,
                      "--%s %s: is the file that is read, which would be lost: choose another",
                      name, path);
        }
    }
    check_replaced(call, name, path);
    for (size_t i = 0; i < e->count; i++) {
        const cli_option *o = &e->options[i];
        const char *other = i == output ? NULL : text_of(o);
        if (other && is_output(o) && is_same_output(path, other)) {
            cli_usage(call, "--%s and --%s are one file, %s: choose two", name, o->name, path);
        } else if (other && cli_is_same_file(path, other)) {
            cli_usage(call, "--%s %s: is what --%s reads, which would be lost: choose another",
                      name, path, o->name);
        }
    }
}

static void check_outputs(cli_call *call, const expanded *e) {
    for (size_t i = 0; i < e->count; i++) {
        if (is_output(&e->options[i]) && text_of(&e->options[i])) {
            check_output(call, e, i);
            assert(call->output_count < CLI_OUTPUTS);
            call->outputs[call->output_count++] = text_of(&e->options[i]);
        }
    }
}

void cli_parse(cli_call *call, const cli_option *options, size_t option_count) {
    expanded e;
    expand(options, option_count, &e);
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 1], name[64];
    snprintf(name, sizeof name, "weld %s", call->command->name);
    call->arguments[0] = name; /* getopt_long puts it in front of its messages */
    make_getopt(e.options, e.count, longs, shorts);
    opterr = cli_speaks();
    int code;
    while ((code = getopt_long(call->count, call->arguments, shorts, longs, NULL)) != -1) {
        if (code >= HELP) {
            check_whole(call, longs[code == HELP ? e.count : (size_t)(code - HELP - 1)].name);
        }
        if (code == HELP) {
            print_help(call->command, e.options, e.count);
            exit(cli_finish_output(CLI_DONE));
        }
        const cli_option *option = find_option(e.options, e.count, code);
        if (!option) { /* getopt_long has said what is wrong */
            point_to_help(call);
        }
        set_option(call, option, optarg);
        note_option(call, option, optarg);
    }
    call->arguments += optind;
    call->count -= optind;
    check_rest(call, &e);
    check_outputs(call, &e);
}
