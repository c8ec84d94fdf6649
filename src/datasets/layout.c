/* Kinds of data sets; see layout.h. */
#include "datasets/layout.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/text.h"
#include "datasets/listing.h"
#include "formats/file.h"

const weld_part_spelling weld_part_spellings[] = {
    {"train", WELD_NAMED_TRAIN}, {"training", WELD_NAMED_TRAIN}, {"val", WELD_NAMED_VAL},
    {"valid", WELD_NAMED_VAL},   {"validation", WELD_NAMED_VAL}, {"test", WELD_NAMED_TEST},
    {NULL, WELD_NAMED_TRAIN}};

static const char *const kind_names[] = {"any", "classes", "coco", "yolo", "voc"};
static const char *const kind_texts[] = {"", "class folders", "COCO", "YOLO", "VOC"};
enum { KINDS = sizeof kind_names / sizeof *kind_names };

const char *weld_part_text(weld_part_name part) {
    const weld_part_spelling *s = weld_part_spellings;
    while (s->part != part) {
        s++;
    }
    return s->text;
}

static bool is_folder(const char *path) {
    struct stat info;
    return weld_file_look(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_file(const char *path) {
    struct stat info;
    return weld_file_look(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool ends_in(const char *name, const char *ending) {
    const size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && weld_strcasecmp(name + length - tail, ending) == 0;
}

/* out = folder/name; false: it is too long. */
static bool join(char out[PATH_MAX], const char *folder, const char *name) {
    return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

/* --- What stands behind the path --- */

/* Take ":NAME" off the end of a path where it is a kind or a part. */
static bool take_word(weld_layout *l) {
    char *colon = strrchr(l->path, ':');
    if (!colon || colon == l->path) {
        return false;
    }
    for (const weld_part_spelling *s = weld_part_spellings; s->text; s++) {
        if (strcmp(colon + 1, s->text) == 0) {
            l->part = s->part;
            *colon = 0;
            return true;
        }
    }
    for (int i = WELD_DATA_CLASSES; i < KINDS; i++) {
        if (strcmp(colon + 1, kind_names[i]) == 0) {
            l->kind = (weld_data_kind)i;
            *colon = 0;
            return true;
        }
    }
    return false;
}

static weld_status take_path(weld_layout *l, const char *path, weld_error *err) {
    struct stat info;
    if (snprintf(l->path, sizeof l->path, "%s", path) >= (int)sizeof l->path) {
        return weld_fail(err, WELD_ERROR_IO, "%s: path is too long", path);
    }
    while (weld_file_look(l->path, &info) != 0) {
        const int reason = errno;
        if (!take_word(l)) {
            return weld_fail(err, reason == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO,
                             "%s: cannot open data set: %s", path, strerror(reason));
        }
    }
    return WELD_OK;
}

/* --- COCO --- */

/* The only "instances_PART*.json" of a folder; more than one are an error. */
static weld_status find_instances(const char *folder, const char *part, char out[PATH_MAX],
                                  weld_error *err) {
    char begin[40], found[NAME_MAX + 1] = "";
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    weld_status status = WELD_OK;
    snprintf(begin, sizeof begin, "instances_%s", part);
    const size_t length = strlen(begin);
    while (entries && !status && (entry = readdir(entries))) {
        const char *name = entry->d_name;
        const bool fits = strncmp(name, begin, length) == 0 && ends_in(name, ".json") &&
                          !(name[length] >= 'a' && name[length] <= 'z');
        if (fits && *found) {
            const bool first = strcmp(found, name) < 0;
            status =
                weld_fail(err, WELD_ERROR_ARGUMENT, "%s: holds both %s and %s: name one of them",
                          folder, first ? found : name, first ? name : found);
        } else if (fits) {
            snprintf(found, sizeof found, "%s", name);
        }
    }
    if (entries) {
        closedir(entries);
    }
    if (!status && *found && join(out, folder, found)) {
        return WELD_OK;
    }
    *out = 0;
    return status;
}

static weld_status find_part_of_coco(const char *folder, const char *part, char out[PATH_MAX],
                                     weld_error *err) {
    char annotations[PATH_MAX], name[60];
    snprintf(name, sizeof name, "%s/_annotations.coco.json", part);
    if (join(out, folder, name) && is_file(out)) {
        return WELD_OK;
    }
    *out = 0;
    return join(annotations, folder, "annotations") ? find_instances(annotations, part, out, err)
                                                    : WELD_OK;
}

/* The file of the part, "" where there is none; *any: there is one of another part. */
static weld_status find_coco(weld_layout *l, char out[PATH_MAX], bool *any, weld_error *err) {
    char other[PATH_MAX];
    *any = false;
    if (join(out, l->path, "_annotations.coco.json") && is_file(out)) {
        *any = l->is_part = true;
        return WELD_OK;
    }
    *out = 0;
    for (const weld_part_spelling *s = weld_part_spellings; s->text; s++) {
        weld_error unused;
        const bool wanted = s->part == l->part && !*out;
        weld_status status =
            find_part_of_coco(l->path, s->text, wanted ? out : other, wanted ? err : &unused);
        if (wanted && status) {
            return status;
        }
        *any |= status || (wanted ? *out : *other);
    }
    return WELD_OK;
}

/* --- YOLO and VOC --- */

/* In the folder itself, or beside it where it is one part of several. */
static bool find_yaml(const char *folder, char out[PATH_MAX]) {
    static const char *const names[] = {"data.yaml", "data.yml", "dataset.yaml", "dataset.yml"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (join(out, folder, names[i]) && is_file(out)) {
            return true;
        }
    }
    *out = 0;
    return false;
}

static bool find_yolo(weld_layout *l, char out[PATH_MAX]) {
    char images[PATH_MAX], labels[PATH_MAX], above[PATH_MAX];
    l->images[0] = 0;
    if (find_yaml(l->path, out)) {
        return true;
    }
    if (join(images, l->path, "images") && is_folder(images) && join(labels, l->path, "labels") &&
        is_folder(labels) && join(above, l->path, "..") && find_yaml(above, out)) {
        snprintf(l->images, sizeof l->images, "%s", images);
        l->is_part = true;
        return true;
    }
    return false;
}

/* Is there an image that is called as the file is, but for the ending? */
static bool has_image(const char *folder, const char *name) {
    char path[PATH_MAX];
    for (const char *ending = weld_image_endings; *ending;) {
        const int length = 1 + (int)strcspn(ending + 1, ".");
        if (snprintf(path, sizeof path, "%s/%.*s%.*s", folder, (int)strlen(name) - 4, name, length,
                     ending) < (int)sizeof path &&
            is_file(path)) {
            return true;
        }
        ending += length;
    }
    return false;
}

/* XML files in a folder of class folders mean nothing: one of an image is looked for. */
static bool has_xml_file(const char *folder) {
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool found = false;
    while (entries && !found && (entry = readdir(entries))) {
        found = ends_in(entry->d_name, ".xml") && has_image(folder, entry->d_name);
    }
    if (entries) {
        closedir(entries);
    }
    return found;
}

static bool is_voc(const char *folder) {
    char annotations[PATH_MAX], images[PATH_MAX];
    return (join(annotations, folder, "Annotations") && is_folder(annotations) &&
            join(images, folder, "JPEGImages") && is_folder(images)) ||
           has_xml_file(folder);
}

/* Of a folder of parts the one that is asked for. */
static bool find_voc(const weld_layout *l, char out[PATH_MAX]) {
    if (is_voc(l->path)) {
        snprintf(out, PATH_MAX, "%s", l->path);
        return true;
    }
    for (const weld_part_spelling *s = weld_part_spellings; s->text; s++) {
        if (s->part == l->part && join(out, l->path, s->text) && is_folder(out) && is_voc(out)) {
            return true;
        }
    }
    *out = 0;
    return false;
}

/* --- All --- */

static void note_choice(weld_layout *l, const bool there[KINDS]) {
    const char *others[KINDS];
    char list[100];
    size_t count = 0;
    for (int i = WELD_DATA_COCO; i < KINDS; i++) {
        if (there[i] && i != (int)l->kind) {
            others[count++] = kind_texts[i];
        }
    }
    if (count) {
        snprintf(l->note, sizeof l->note,
                 "taken for a data set of %s's kind, not of %s, whose files are there too (put "
                 ":%s behind the path to have it so)",
                 kind_texts[l->kind], weld_list_text(list, sizeof list, others, count, " or "),
                 kind_names[strcmp(others[0], "YOLO") == 0  ? WELD_DATA_YOLO
                            : strcmp(others[0], "VOC") == 0 ? WELD_DATA_VOC
                                                            : WELD_DATA_COCO]);
    }
}

/* `asked`: the path with what stands behind it. */
static weld_status look_into(weld_layout *l, const char *asked, weld_error *err) {
    char files[KINDS][PATH_MAX] = {"", "", "", "", ""};
    bool there[KINDS] = {false, true};
    WELD_TRY(find_coco(l, files[WELD_DATA_COCO], &there[WELD_DATA_COCO], err));
    there[WELD_DATA_YOLO] = find_yolo(l, files[WELD_DATA_YOLO]);
    there[WELD_DATA_VOC] = find_voc(l, files[WELD_DATA_VOC]);
    if (l->kind && !there[l->kind]) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: holds no data set of %s's kind", asked,
                         kind_texts[l->kind]);
    }
    if (!l->kind) {
        l->kind = there[WELD_DATA_COCO]   ? WELD_DATA_COCO
                  : there[WELD_DATA_YOLO] ? WELD_DATA_YOLO
                  : there[WELD_DATA_VOC]  ? WELD_DATA_VOC
                                          : WELD_DATA_CLASSES;
        note_choice(l, there);
    }
    snprintf(l->file, sizeof l->file, "%s", files[l->kind]);
    return l->kind != WELD_DATA_COCO || *l->file
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND,
                           "%s: has annotations of COCO's kind, but none for %s: name the file, or "
                           "put another part behind the path (:train)",
                           asked, weld_part_text(l->part));
}

weld_status weld_layout_find(const char *path, weld_part_name part, weld_layout *out,
                             weld_error *err) {
    out->kind = WELD_DATA_ANY;
    out->part = part;
    out->is_part = false;
    out->file[0] = out->images[0] = out->note[0] = 0;
    WELD_TRY(take_path(out, path, err));
    if (is_folder(out->path)) {
        return out->kind == WELD_DATA_CLASSES ? WELD_OK : look_into(out, path, err);
    }
    snprintf(out->file, sizeof out->file, "%s", out->path);
    if (ends_in(out->path, ".json")) {
        out->kind = WELD_DATA_COCO;
    } else if (ends_in(out->path, ".yaml") || ends_in(out->path, ".yml")) {
        out->kind = WELD_DATA_YOLO;
    } else {
        out->kind = WELD_DATA_ANY;
    }
    return WELD_OK;
}
