/* Names and lines of a recipe's keys; see recipe_scan.h. */
#include "recipe/recipe_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/locale.h"
#include "models/models.h"
#include "recipe/other_names.h"
#include "tasks/task.h"

#define BRACKETS_MAX 100

typedef struct scan {
    const weld_recipe_keys *keys;
    const char *where;
    bool is_file;
    yaml_document_t document;
    weld_recipe_lines *lines;
    weld_error *err;
    bool group_off; /* null stands in the place of a group of keys */
} scan;

weld_status weld_recipe_fail_at(const char *where, bool is_file, int line, weld_error *err,
                                const char *reason) {
    return is_file ? weld_fail(err, WELD_ERROR_ARGUMENT, "%s:%d: %s", where, line, reason)
                   : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s", where, reason);
}

static weld_status scan_fail(scan *s, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static weld_status scan_fail(scan *s, const yaml_node_t *node, const char *format, ...) {
    char reason[WELD_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return weld_recipe_fail_at(s->where, s->is_file, (int)node->start_mark.line + 1, s->err,
                               reason);
}

static const char *scalar_text(const yaml_node_t *node) {
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* Levenshtein's distance, for names of up to 31 letters. */
static int edit_distance(const char *a, const char *b) {
    int row[32];
    size_t la = strlen(a), lb = strlen(b);
    if (la > 31 || lb > 31) {
        return 99;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = (int)j;
    }
    for (size_t i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

static weld_status fail_unknown_section(scan *s, const yaml_node_t *node, const char *name) {
    for (size_t i = 0; i < s->keys->count; i++) {
        if (strcmp(s->keys->at[i].row->name, name) == 0) {
            return scan_fail(s, node, "%s: unknown section: the key %s stands under %s:", name,
                             name, s->keys->at[i].section);
        }
    }
    const char *known = weld_recipe_key_of_other_name(s->keys, name);
    if (known) {
        return scan_fail(s, node, "%s: unknown section: did you mean %s?", name, known);
    }
    return scan_fail(s, node,
                     "%.80s: unknown section: there are model, data, augment, loss, "
                     "optimizer, schedule and train",
                     name);
}

/* The task that has the key in its loss or in one of its families, where the network's own has it
 * in none: the recipe is for another one. */
static const weld_task *other_task_of(const scan *s, const char *section, const char *name) {
    const bool of_loss = strcmp(section, "loss") == 0, of_model = strcmp(section, "model") == 0;
    for (size_t t = 0; s->keys->task && of_loss && t < weld_task_count; t++) {
        const weld_task *task = weld_tasks[t];
        if (task != s->keys->task && weld_key_find(task->keys, task->key_count, name)) {
            return task;
        }
    }
    const weld_task *other = NULL;
    for (size_t f = 0; s->keys->task && of_model && f < weld_family_count; f++) {
        const weld_model_family *family = weld_families[f];
        if (weld_key_find(family->keys, family->key_count, name)) {
            if (strcmp(family->task, s->keys->task->name) == 0) {
                return NULL;
            }
            other = weld_task_find(family->task);
        }
    }
    return other;
}

/* Of the loss it is said what keys the network's own task has. */
static weld_status fail_other_task(scan *s, const yaml_node_t *node, const char *section,
                                   const char *name, const weld_task *other) {
    const weld_task *own = s->keys->task;
    const bool of_loss = strcmp(section, "loss") == 0 && own->key_count;
    char names[200] = "";
    if (of_loss) {
        weld_key_names(own->keys, own->key_count, 0, names, sizeof names);
    }
    return scan_fail(s, node,
                     "%s.%.80s: is for networks for %s, and this one is for %s%s%s: remove the "
                     "key%s%s",
                     section, name, other->name, own->name, of_loss ? ", whose loss has " : "",
                     names, own->start_recipe ? ", or start from " : "",
                     own->start_recipe ? own->start_recipe : "");
}

static weld_status fail_unknown_key(scan *s, const yaml_node_t *node, const char *section,
                                    const char *name) {
    const weld_recipe_key *near = NULL;
    int nearest = 3;
    const weld_task *other = other_task_of(s, section, name);
    if (other) {
        return fail_other_task(s, node, section, name, other);
    }
    const char *known = weld_recipe_key_of_other_name(s->keys, name);
    if (known) {
        return scan_fail(s, node, "%s.%s: unknown key: did you mean %s?", section, name, known);
    }
    for (size_t i = 0; i < s->keys->count; i++) {
        const weld_recipe_key *key = &s->keys->at[i];
        bool here = strcmp(key->section, section) == 0;
        int distance = edit_distance(key->row->name, name);
        if (!here && distance == 0) {
            return scan_fail(s, node, "%s.%s: unknown key: it stands under %s:", section, name,
                             key->section);
        }
        if (here && distance < nearest) {
            nearest = distance;
            near = key;
        }
    }
    if (near) {
        return scan_fail(s, node, "%s.%.80s: unknown key: did you mean %s?", section, name,
                         near->row->name);
    }
    return scan_fail(s, node, "%s.%.80s: unknown key: recipes/README.md lists them all", section,
                     name);
}

static bool is_empty_list(const yaml_node_t *value) {
    return value && value->type == YAML_SEQUENCE_NODE &&
           value->data.sequence.items.start == value->data.sequence.items.top;
}

static weld_status scan_key(scan *s, const char *section, const char *name, const yaml_node_t *node,
                            const yaml_node_t *value) {
    for (size_t i = 0; i < s->keys->count; i++) {
        const weld_recipe_key *key = &s->keys->at[i];
        if (strcmp(key->section, section) == 0 && strcmp(key->row->name, name) == 0) {
            if (s->lines->line[i]) {
                return scan_fail(s, node, "%s.%s: given twice, first on line %d: remove one",
                                 section, name, s->lines->line[i]);
            }
            if (is_empty_list(value) && key->row->type == WELD_KEY_TEXT) { /* all, or none? */
                return scan_fail(
                    s, node,
                    "%s.%s: is an empty list: name one at least, or remove the key for all",
                    section, name);
            }
            s->lines->line[i] = (int)node->start_mark.line + 1;
            s->lines->lone[i] = value && value->type == YAML_SCALAR_NODE;
            return WELD_OK;
        }
    }
    return fail_unknown_key(s, node, section, name);
}

static const char *first_key(const scan *s, const char *section) {
    size_t i = 0;
    while (strcmp(s->keys->at[i].section, section) != 0) {
        i++;
    }
    return s->keys->at[i].row->name;
}

/* The first key of the group NAME in a section: keys of a group are called "NAME.KEY". The count of
 * all keys where there is no such group. */
static size_t first_of_group(const scan *s, const char *section, const char *name) {
    size_t i = 0, length = strlen(name);
    while (i < s->keys->count && (strcmp(s->keys->at[i].section, section) ||
                                  strncmp(s->keys->at[i].row->name, name, length) ||
                                  s->keys->at[i].row->name[length] != '.')) {
        i++;
    }
    return i;
}

static bool is_off(const yaml_node_t *value) {
    const char *text = scalar_text(value);
    return text && (!*text || !strcmp(text, "null") || !strcmp(text, "~") || !strcmp(text, "none"));
}

/* A group of keys is a map; null in its place is null for the first of its keys. */
static weld_status scan_group(scan *s, const char *section, size_t first, const yaml_node_t *node,
                              const yaml_node_t *value) {
    const char *group = scalar_text(node);
    if (is_off(value)) {
        s->group_off = true;
        return scan_key(s, section, s->keys->at[first].row->name, node, NULL);
    }
    if (value->type != YAML_MAPPING_NODE) {
        return scan_fail(s, value, "%s.%s: must hold keys, as in '%s: {%s: ...}'", section, group,
                         group, strchr(s->keys->at[first].row->name, '.') + 1);
    }
    for (yaml_node_pair_t *p = value->data.mapping.pairs.start; p < value->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(&s->document, p->key);
        const char *word = scalar_text(key);
        char name[128];
        if (!word) {
            return scan_fail(s, key, "%s.%s: a key must be a word", section, group);
        }
        snprintf(name, sizeof name, "%s.%.80s", group, word);
        WELD_TRY(scan_key(s, section, name, key, yaml_document_get_node(&s->document, p->value)));
    }
    return WELD_OK;
}

static weld_status scan_member(scan *s, const char *section, const yaml_node_t *node,
                               const yaml_node_t *value) {
    const char *name = scalar_text(node);
    if (!name) {
        return scan_fail(s, node, "%s: a key must be a word", section);
    }
    size_t group = first_of_group(s, section, name);
    return group < s->keys->count ? scan_group(s, section, group, node, value)
                                  : scan_key(s, section, name, node, value);
}

static weld_status scan_section(scan *s, const yaml_node_t *node, const yaml_node_t *value) {
    const char *name = scalar_text(node);
    size_t i = 0;
    while (name && weld_recipe_sections[i] && strcmp(weld_recipe_sections[i], name) != 0) {
        i++;
    }
    if (!name || !weld_recipe_sections[i]) {
        return fail_unknown_section(s, node, name ? name : "?");
    }
    if (value->type != YAML_MAPPING_NODE) {
        return scan_fail(s, value, "%s: must hold keys, as in '%s: {%s: ...}'", name, name,
                         first_key(s, name));
    }
    for (yaml_node_pair_t *p = value->data.mapping.pairs.start; p < value->data.mapping.pairs.top;
         p++) {
        WELD_TRY(scan_member(s, name, yaml_document_get_node(&s->document, p->key),
                             yaml_document_get_node(&s->document, p->value)));
    }
    return WELD_OK;
}

static weld_status scan_document(scan *s) {
    const yaml_node_t *root = yaml_document_get_root_node(&s->document);
    if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)) {
        return WELD_OK;
    }
    if (root->type != YAML_MAPPING_NODE) {
        return scan_fail(s, root, "a recipe is a map of sections, as in 'model: {name: ...}'");
    }
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
         p++) {
        WELD_TRY(scan_section(s, yaml_document_get_node(&s->document, p->key),
                              yaml_document_get_node(&s->document, p->value)));
    }
    return WELD_OK;
}

static weld_status fail_syntax(const scan *s, const yaml_parser_t *parser) {
    char reason[256];
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem) {
        return weld_fail_memory(s->err, s->where);
    }
    snprintf(reason, sizeof reason, "not valid YAML: %s%s%s", parser->problem,
             parser->context ? " " : "", parser->context ? parser->context : "");
    return weld_recipe_fail_at(s->where, s->is_file, (int)parser->problem_mark.line + 1, s->err,
                               reason);
}

/* libyaml looks at every open bracket again for each token: a hundred thousand of them keep it busy
 * for minutes. Brackets in quotes and comments are counted too, since no recipe has as many. */
static weld_status check_brackets(const scan *s, const char *text, size_t size) {
    int open = 0, line = 1;
    for (size_t i = 0; i < size; i++) {
        line += text[i] == '\n';
        open += text[i] == '[' || text[i] == '{';
        open -= open > 0 && (text[i] == ']' || text[i] == '}');
        if (open > BRACKETS_MAX) {
            return weld_recipe_fail_at(
                s->where, s->is_file, line, s->err,
                "not valid YAML: more than 100 open brackets: that is no recipe");
        }
    }
    return WELD_OK;
}

/* Names and lines of all keys; everything wrong with names is found here. */
static weld_status scan_text(scan *s, const char *text, size_t size) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return weld_fail_memory(s->err, s->where);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    weld_status status = WELD_OK;
    if (!yaml_parser_load(&parser, &s->document)) {
        status = fail_syntax(s, &parser);
    } else {
        status = scan_document(s);
        bool more = yaml_document_get_root_node(&s->document) != NULL;
        yaml_document_delete(&s->document);
        if (!status && more) {
            if (!yaml_parser_load(&parser, &s->document)) {
                status = fail_syntax(s, &parser);
            } else {
                const yaml_node_t *root = yaml_document_get_root_node(&s->document);
                if (root) {
                    status = scan_fail(s, root, "a second document begins: a recipe is one");
                }
                yaml_document_delete(&s->document);
            }
        }
    }
    yaml_parser_delete(&parser);
    return status;
}

/* The value of a key of a map; NULL where there is none. */
static const yaml_node_t *member_of(yaml_document_t *document, const yaml_node_t *map,
                                    const char *name) {
    const yaml_node_t *found = NULL;
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *key = scalar_text(yaml_document_get_node(document, p->key));
        found = key && strcmp(key, name) == 0 ? yaml_document_get_node(document, p->value) : found;
    }
    return found;
}

bool weld_recipe_scan_model(const char *text, size_t size, char name[WELD_MODEL_NAME_SIZE]) {
    yaml_parser_t parser;
    yaml_document_t document;
    scan s = {.where = ""};
    bool found = false;
    if (check_brackets(&s, text, size) || !yaml_parser_initialize(&parser)) {
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        const yaml_node_t *model = member_of(&document, root, "model");
        const yaml_node_t *value = member_of(&document, model, "name");
        const char *word = value ? scalar_text(value) : NULL;
        found = word && strlen(word) < WELD_MODEL_NAME_SIZE;
        snprintf(name, found ? WELD_MODEL_NAME_SIZE : 0, "%s", found ? word : "");
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return found;
}

weld_status weld_recipe_scan(const weld_recipe_keys *keys, const char *where, bool is_file,
                             const char *text, size_t size, weld_recipe_lines *lines,
                             bool *group_off, weld_error *err) {
    scan s = {.keys = keys, .where = where, .is_file = is_file, .lines = lines, .err = err};
    memset(lines, 0, sizeof *lines);
    weld_status status = check_brackets(&s, text, size);
    status = status ? status : scan_text(&s, text, size);
    *group_off = s.group_off;
    return status;
}
