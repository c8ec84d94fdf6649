/* Copies a manual of recipes from the file named to the standard output, with new tables of keys
 * below each line "<!-- keys: NAME... -->". A name is a section ("train"), without the keys of
 * families and tasks, or one of these ("repvit", "classification").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/recipe_keys.h"
#include "tasks/task.h"

/* Bars part columns. */
static void print_cell(const char *text) {
    for (; *text; text++) {
        fputs(*text == '|' ? "\\|" : (char[2]){*text}, stdout);
    }
}

/* 1,048,576; 1e-6; below 1 */
static void print_number(double number) {
    char text[32];
    if (number < 1 && number > 1 - 1e-6) {
        fputs("below 1", stdout);
    } else if (number >= 1e4 && number < 1e8) {
        snprintf(text, sizeof text, "%.0f", number);
        for (size_t left = strlen(text), i = 0; left > 0; i++, left--) {
            printf(i && left % 3 == 0 ? ",%c" : "%c", text[i]);
        }
    } else {
        snprintf(text, sizeof text, "%.9g", number);
        char *exponent = strchr(text, 'e');
        printf("%.*s", (int)(exponent ? exponent - text : (int)strlen(text)), text);
        if (exponent) {
            printf("e%d", atoi(exponent + 1));
        }
    }
}

static void print_standard(const weld_key *key, const void *values) {
    char text[512];
    weld_key_text(key, values, ", ", text, sizeof text);
    if (key->standard) { /* as it was written */
        snprintf(text, sizeof text, "%s", key->standard);
    }
    if (key->manual_standard) {
        print_cell(key->manual_standard);
    } else if (key->flags & (WELD_KEY_SIZE | WELD_KEY_LAYOUT)) {
        print_cell("the variant's");
    } else {
        printf(key->max_count > 1 ? "[%s]" : "%s", *text ? text : "none");
    }
}

/* With a space before it; nothing for a text that may be any. */
static void print_range(const weld_key *key) {
    const char *begin = key->type == WELD_KEY_TEXT ? " " : "; ";
    if (key->type == WELD_KEY_TEXT && !key->null && !key->manual_range) {
        return; /* anything */
    }
    if (key->type != WELD_KEY_TEXT || key->manual_range) {
        putchar(' ');
    }
    if (key->manual_range) {
        print_cell(key->manual_range);
        return;
    }
    if (key->min_count < key->max_count) {
        printf("list of %d to %d, each ", key->min_count, key->max_count);
    }
    if (key->type == WELD_KEY_INTEGER || key->type == WELD_KEY_REAL) {
        print_number(key->min);
        fputs(" to ", stdout);
        print_number(key->max);
    } else if (key->type == WELD_KEY_BOOL) {
        fputs("true, false", stdout);
    }
    for (int i = 0; key->type == WELD_KEY_CHOICE && key->choices[i]; i++) {
        printf(i ? ", %s" : "%s", key->choices[i]);
    }
    if (key->flags & WELD_KEY_SIZE) {
        printf("%sthe family only", begin);
    }
    if (key->null) {
        printf("%snull (%s)", begin, *key->null ? key->null : "none");
    }
}

static void print_row(const char *section, const weld_key *key, const void *values) {
    printf("| `%s.%s` | ", section, key->name);
    print_cell(key->help ? key->help : "");
    fputs(" | ", stdout);
    print_standard(key, values);
    fputs(" |", stdout);
    print_range(key);
    fputs(" |\n", stdout);
}

static void print_rows(const char *section, const weld_key *rows, size_t count,
                       const void *values) {
    for (size_t i = 0; i < count; i++) {
        print_row(section, &rows[i], values);
    }
}

static void print_section(const char *section) {
    static weld_recipe r;
    weld_recipe_keys keys;
    weld_recipe_defaults(&r);
    weld_recipe_keys_of(NULL, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        bool brought = keys.at[i].base != 0; /* by a family or a task */
        if (strcmp(keys.at[i].section, section) == 0 && !brought) {
            print_row(section, keys.at[i].row, weld_recipe_values_of(&r, &keys.at[i]));
        }
    }
}

static void print_table(char *names) {
    puts("| key | meaning | default | range |\n|---|---|---|---|");
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
        const weld_model_family *family = weld_family_find(name, NULL, NULL);
        const weld_task *task = weld_task_find(name);
        weld_model_config config;
        unsigned char values[WELD_TASK_VALUES_SIZE];
        if (family) {
            weld_model_config_named(family->name, &config, NULL);
            print_rows("model", family->keys, family->key_count, config.values);
        } else if (task) {
            weld_task_standard_values(task, values);
            print_rows("loss", task->keys, task->key_count, values);
        } else {
            print_section(name);
        }
    }
}

int main(int argc, char **argv) {
    static const char begin[] = "<!-- keys: ";
    static char line[8192];
    FILE *in = argc == 2 ? fopen(argv[1], "rb") : NULL;
    bool in_table = false;
    if (!in) {
        fprintf(stderr, "Usage: %s recipes/README.md\n", argv[0]);
        return 2;
    }
    while (fgets(line, sizeof line, in)) {
        in_table = in_table && *line == '|';
        if (!in_table) {
            fputs(line, stdout);
        }
        if (strncmp(line, begin, sizeof begin - 1) == 0) {
            line[strcspn(line, ">") - 3] = 0; /* " -->" */
            print_table(line + sizeof begin - 1);
            in_table = true;
        }
    }
    fclose(in);
    return fflush(stdout) ? 1 : 0;
}
