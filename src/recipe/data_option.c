/* The option --data of commands that take a recipe; see data_option.h. */
#include "recipe/data_option.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "datasets/layout.h"
#include "recipe/augment_check.h"
#include "formats/file.h"

/* "data.PART='PATH'" as YAML; PATH is that of FOLDER/NAME, or of FOLDER where name is "". */
static weld_status data_override(const char *part, const char *folder, const char *name, char **out,
                                 weld_error *err) {
    size_t length = strlen(folder) + strlen(name);
    char *path = weld_alloc(length + 2, 1);
    *out = weld_alloc(2 * length + strlen(part) + 16, 1);
    if (!path || !*out) {
        weld_free(path);
        return weld_fail_memory(err, folder);
    }
    sprintf(path, *name ? "%s/%s" : "%s", folder, name);
    char *to = *out + sprintf(*out, "data.%s='", part);
    for (const char *from = path; *from; from++) {
        *to++ = *from;
        if (*from == '\'') { /* doubled between single quotes */
            *to++ = '\'';
        }
    }
    *to = '\'';
    weld_free(path);
    return WELD_OK;
}

static const char *const endings[] = {".h5", ".tar", "", ".csv"};

/* Which name of the part to train on, or of what is evaluated on, with which ending an entry has,
 * in any case, and how it is to be preferred: a packed file to an archive to a folder to a list, an
 * earlier name to a later. 0: none of them. */
static int rank_of(const char *entry, bool train) {
    int rank = 1;
    for (const weld_part_spelling *s = weld_part_spellings; s->text; s++) {
        const size_t length = strlen(s->text);
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++, rank++) {
            if ((s->part == WELD_NAMED_TRAIN) == train &&
                weld_strncasecmp(entry, s->text, length) == 0 &&
                weld_strcasecmp(entry + length, endings[i]) == 0) {
                return rank;
            }
        }
    }
    return 0;
}

/* One part of a data set: the entry that is taken, "" where there is none, and another that might
 * have been meant. */
typedef struct part {
    char name[NAME_MAX + 1], other[NAME_MAX + 1];
    int rank, other_rank;
} part;

static void consider(part *p, const char *entry, int rank) {
    const bool first =
        !p->rank || rank < p->rank || (rank == p->rank && strcmp(entry, p->name) < 0);
    if (first) {
        memcpy(p->other, p->name, sizeof p->other);
        p->other_rank = p->rank;
        snprintf(p->name, sizeof p->name, "%s", entry);
        p->rank = rank;
    } else if (!p->other_rank || rank < p->other_rank) {
        snprintf(p->other, sizeof p->other, "%s", entry);
        p->other_rank = rank;
    }
}

static void find_part(DIR *folder, bool train, part *out) {
    const struct dirent *entry;
    *out = (part){.rank = 0};
    rewinddir(folder);
    while ((entry = readdir(folder))) {
        const int rank = rank_of(entry->d_name, train);
        if (rank) {
            consider(out, entry->d_name, rank);
        }
    }
}

/* Of a data set with boxes, which knows its parts. */
static weld_status box_overrides(const char *folder, char *out[2], weld_error *err) {
    bool has;
    WELD_TRY(data_override("train", folder, "", &out[0], err));
    WELD_TRY(weld_layout_has_part(folder, WELD_NAMED_VAL, &has, err));
    if (has) {
        return data_override("val", folder, "", &out[1], err);
    }
    out[1] = weld_strdup("data.val=null");
    return out[1] ? WELD_OK : weld_fail_memory(err, folder);
}

/* Overrides of data.train and data.val, to be freed with weld_free, after errors too. */
static weld_status data_overrides(const char *folder, part *train, part *val, char *out[2],
                                  weld_error *err) {
    bool has;
    *train = *val = (part){.rank = 0};
    WELD_TRY(weld_layout_has_part(folder, WELD_NAMED_TRAIN, &has, err));
    if (has) {
        return box_overrides(folder, out, err);
    }
    DIR *entries = opendir(folder);
    if (entries) {
        find_part(entries, true, train);
        find_part(entries, false, val);
        closedir(entries);
    }
    if ((!entries && access(folder, F_OK) != 0) || (!train->rank && val->rank)) {
        return weld_fail(
            err, WELD_ERROR_NOT_FOUND,
            "--data %s: holds neither train.h5 nor train.tar nor a folder train nor train.csv, "
            "nor annotations of boxes to train on",
            folder);
    }
    weld_status status = data_override("train", folder, train->name, &out[0], err);
    if (!status && val->rank) {
        return data_override("val", folder, val->name, &out[1], err);
    }
    out[1] = status ? NULL : weld_strdup("data.val=null");
    return status || out[1] ? status : weld_fail_memory(err, folder);
}

/* --- What people should know --- */

static bool is_newer(const struct stat *a, const struct stat *b) {
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* Has a folder, or one in it, got or lost entries since the file was written? */
static bool changed_since(const char *folder, const struct stat *file) {
    struct stat info;
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool changed = entries && weld_file_look(folder, &info) == 0 && is_newer(&info, file);
    while (entries && !changed && (entry = readdir(entries))) {
        char path[PATH_MAX];
        changed = entry->d_name[0] != '.' &&
                  snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path &&
                  weld_file_look(path, &info) == 0 && S_ISDIR(info.st_mode) &&
                  is_newer(&info, file);
    }
    if (entries) {
        closedir(entries);
    }
    return changed;
}

/* Of two that might be meant, which is taken. */
static void tell_choice(const char *folder, const char *key, const part *p, weld_text *notes) {
    char taken[PATH_MAX], other[PATH_MAX];
    struct stat file, info;
    if (snprintf(taken, sizeof taken, "%s/%s", folder, p->name) >= (int)sizeof taken ||
        snprintf(other, sizeof other, "%s/%s", folder, p->other) >= (int)sizeof other ||
        weld_file_look(taken, &file) != 0 || weld_file_look(other, &info) != 0) {
        return;
    }
    weld_text_add(notes, "--data ");
    weld_text_add_printable(notes, folder);
    weld_text_format(notes, ": %.100s is taken, not %.100s beside it", p->name, p->other);
    if (S_ISREG(file.st_mode) && S_ISDIR(info.st_mode) && changed_since(other, &file)) {
        weld_text_format(notes, ", which has changed since: pack it again, or name it (%s)", key);
    }
    weld_text_add(notes, "\n");
}

static bool is_named(const char *path, const char *folder, const char *name) {
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/' &&
           strcmp(path + length + 1, name) == 0;
}

static bool is_test(const char *name) {
    return weld_strncasecmp(name, "test", 4) == 0;
}

static void tell(const char *folder, const part *train, const part *val, const weld_recipe *r,
                 weld_text *notes) {
    bool has;
    if (!train->rank && strcmp(r->data.train, folder) == 0 && !weld_recipe_evaluates(r) &&
        weld_layout_has_part(folder, WELD_NAMED_TRAIN, &has, NULL) == WELD_OK && !has) {
        weld_text_add(notes, "--data ");
        weld_text_add_printable(notes, folder);
        weld_text_add(notes, ": its folders are the classes and all images are trained on; to "
                             "evaluate too, make folders train and val in it, or set data.split\n");
    }
    if (train->other_rank && is_named(r->data.train, folder, train->name)) {
        tell_choice(folder, "--set data.train=...", train, notes);
    }
    if (!val->rank || !is_named(r->data.val, folder, val->name)) {
        return;
    }
    if (is_test(val->name)) {
        weld_text_add(notes, "--data ");
        weld_text_add_printable(notes, folder);
        weld_text_format(notes,
                         ": there is no val: %.100s is evaluated on while training, and chooses "
                         "best.h5, so that its scores will be too good for a last test\n",
                         val->name);
    }
    if (val->other_rank && is_test(val->other) == is_test(val->name)) {
        tell_choice(folder, "--set data.val=...", val, notes);
    }
}

/* A data set that has a part to evaluate on, of which only that to train on is taken. */
static void tell_left_out(const weld_recipe *r, weld_text *notes) {
    bool has;
    if (weld_recipe_evaluates(r) || r->data.split > 0 ||
        weld_layout_has_part(r->data.train, WELD_NAMED_VAL, &has, NULL) || !has) {
        return;
    }
    weld_text_add(notes, "data.val is not set, so that nothing is evaluated and there will be no "
                         "best.h5: ");
    weld_text_add_printable(notes, r->data.train);
    weld_text_add(notes, " has images to evaluate on too: --data takes both\n");
}

weld_status weld_recipe_open(const weld_recipe_source *from, weld_recipe *out, weld_text *notes,
                             weld_error *err) {
    char *data[2] = {NULL, NULL};
    size_t count = 0;
    part train, val;
    const char **set = weld_alloc(from->set_count + 2, sizeof *set);
    weld_status status = set ? WELD_OK : weld_fail_memory(err, from->path);
    if (!status && from->data) {
        status = data_overrides(from->data, &train, &val, data, err);
    }
    for (size_t i = 0; !status && i < 2 && data[i]; i++) {
        set[count++] = data[i];
    }
    for (size_t i = 0; !status && i < from->set_count; i++) {
        set[count++] = from->set[i];
    }
    status = status ? status : weld_recipe_read(from->path, set, count, from->start, out, err);
    if (!status && from->data && notes) {
        tell(from->data, &train, &val, out, notes);
    }
    if (!status && from->trains && notes) {
        tell_left_out(out, notes);
        weld_recipe_tell_augment(out, notes);
    }
    weld_free(set);
    weld_free(data[0]);
    weld_free(data[1]);
    return status;
}
