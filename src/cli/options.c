/* Options in GNU style, with the help made from the same table; see cli.h. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "models/models.h"

int cli_fail(const weld_error *err) {
    fprintf(stderr, "weld: %s\n", err->message);
    return CLI_FAILED;
}

int cli_fail_text(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("weld: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CLI_FAILED;
}

int cli_usage(const cli_command *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "weld %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, ": see weld %s --help\n", command->name);
    va_end(args);
    return CLI_USAGE;
}

static void print_help(const cli_command *command, const cli_option *options, size_t count) {
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

static bool set_count(const cli_command *command, const cli_option *option, const char *text,
                      int *status) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > INT_MAX) {
        *status =
            cli_usage(command, "--%s wants a whole number from 1, not '%s'", option->name, text);
        return false;
    }
    *(int *)option->value = (int)number;
    return true;
}

const char *cli_precision_name(weld_precision precision) {
    return precision == WELD_PRECISION_BF16 ? "bf16" : "fp32";
}

static bool set_precision(const cli_command *command, const cli_option *option, const char *text,
                          int *status) {
    static const weld_precision known[] = {WELD_PRECISION_FP32, WELD_PRECISION_BF16};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, cli_precision_name(known[i])) == 0) {
            *(weld_precision *)option->value = known[i];
            return true;
        }
    }
    *status = cli_usage(command, "--%s wants fp32 or bf16, not '%s'", option->name, text);
    return false;
}

/* "key=value"; a whole number is asked for as any count is. */
static bool add_key(const cli_command *command, const cli_option *option, const char *text,
                    int *status) {
    cli_keys *keys = option->value;
    const weld_key *key = option->key;
    int number;
    const cli_option count = {.name = option->name, .value = &number};
    if (key->type == WELD_KEY_INTEGER && key->min >= 1 &&
        !set_count(command, &count, text, status)) {
        return false;
    }
    size_t room = sizeof keys->text[0], most = sizeof keys->text / room;
    if (keys->count == most ||
        snprintf(keys->text[keys->count], room, "%s=%s", key->name, text) >= (int)room) {
        *status = cli_usage(command, "--%s: too long", option->name);
        return false;
    }
    keys->count++;
    return true;
}

static bool add_text(cli_texts *texts, const char *text) {
    const char **grown =
        weld_grow(texts->items, texts->count, texts->count + 1, sizeof *texts->items);
    if (!grown) {
        return false;
    }
    grown[texts->count++] = text;
    texts->items = grown;
    return true;
}

static bool set_option(const cli_command *command, const cli_option *option, const char *text,
                       int *status) {
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->value = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->value = text;
        return true;
    case CLI_COUNT:
        return set_count(command, option, text, status);
    case CLI_PRECISION:
        return set_precision(command, option, text, status);
    case CLI_KEYS:
        return add_key(command, option, text, status);
    case CLI_TEXTS:
        if (!add_text(option->value, text)) {
            *status = cli_fail_text("out of memory");
            return false;
        }
        return true;
    }
    return false;
}

enum { MAX_OPTIONS = 24, HELP = 1000 };

/* The same table as getopt_long wants it; val is HELP, a letter or 1001 + index. */
static void make_getopt(const cli_option *options, size_t count, struct option *longs,
                        char *shorts) {
    for (size_t i = 0; i < count; i++) {
        int has = options[i].kind == CLI_FLAG ? no_argument : required_argument;
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
    char names[MAX_OPTIONS][64], help[MAX_OPTIONS][128];
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

static void add_keys(expanded *e, const cli_option *keys) {
    for (size_t f = 0; f < weld_family_count; f++) {
        for (size_t i = 0; i < weld_families[f]->key_count && e->count < MAX_OPTIONS; i++) {
            const weld_key *key = &weld_families[f]->keys[i];
            cli_option option = *keys;
            char *name = e->names[e->count], *help = e->help[e->count];
            if (key->flags & WELD_KEY_UNTOLD) {
                snprintf(name, sizeof e->names[0], "%s", key->name);
                for (char *at = name; (at = strchr(at, '_'));) {
                    *at = '-';
                }
                snprintf(help, sizeof e->help[0], "%s (%s)", keys->help, key->standard);
                option.name = name;
                option.help = help;
                option.argument = key->type == WELD_KEY_INTEGER ? "N" : "VALUE";
                option.key = key;
                add_option(e, &option);
            }
        }
    }
}

static void expand(const cli_option *options, size_t count, expanded *e) {
    e->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (options[i].kind == CLI_KEYS) {
            add_keys(e, &options[i]);
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

bool cli_parse(const cli_command *command, int argc, char **argv, const cli_option *table,
               size_t table_count, int min, int max, int *count, int *status) {
    expanded e;
    expand(table, table_count, &e);
    const cli_option *options = e.options;
    const size_t option_count = e.count;
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 1], name[64];
    snprintf(name, sizeof name, "weld %s", command->name);
    argv[0] = name; /* getopt_long puts it in front of its messages */
    make_getopt(options, option_count, longs, shorts);
    for (;;) {
        int code = getopt_long(argc, argv, shorts, longs, NULL);
        if (code == -1) {
            break;
        }
        if (code == HELP) {
            print_help(command, options, option_count);
            *status = CLI_DONE;
            return false;
        }
        const cli_option *option = find_option(options, option_count, code);
        if (!option) { /* getopt_long has said what is wrong */
            fprintf(stderr, "Try 'weld %s --help'.\n", command->name);
            *status = CLI_USAGE;
            return false;
        }
        if (!set_option(command, option, optarg, status)) {
            return false;
        }
    }
    *count = argc - optind;
    memmove(argv + 1, argv + optind, (size_t)*count * sizeof *argv);
    if (*count < min || (max >= 0 && *count > max)) {
        *status = cli_usage(command, "%s: it takes %s",
                            *count < min ? "something is missing" : "too many arguments",
                            *command->arguments ? command->arguments : "no arguments");
        return false;
    }
    return true;
}
