/* The folder of a training run; see run_folder.h. */
#define _GNU_SOURCE
#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"

#define PATH_SIZE 4096

/* mkdir -p; *made: the last of them was not there before. */
static weld_status make_folders(const char *path, bool *made, weld_error *err) {
    char part[PATH_SIZE];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "out '%.80s': is not a usable path", path);
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] == '/' || path[i] == 0) {
            memcpy(part, path, i);
            part[i] = 0;
            *made = mkdir(part, 0777) == 0;
            if (!*made && errno != EEXIST) {
                return weld_fail(err, WELD_ERROR_IO, "%s: the folder cannot be made: %s", part,
                                 strerror(errno));
            }
        }
    }
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode)
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is a file: --out names the folder of a run", path)
               : WELD_OK;
}

/* `number`: 1, or more where runs of the same second have the others. */
static void default_path(const char *recipe, int number, char *path, size_t size) {
    const char *slash = strrchr(recipe, '/'), *name = slash ? slash + 1 : recipe;
    const char *dot = strrchr(name, '.');
    char when[32] = "", suffix[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    if (localtime_r(&now, &parts)) {
        strftime(when, sizeof when, "%Y%m%d-%H%M%S", &parts);
    }
    if (number > 1) {
        snprintf(suffix, sizeof suffix, "-%d", number);
    }
    snprintf(path, size, "runs/%.*s-%s%s", (int)(dot && dot > name ? dot - name : 200), name, when,
             suffix);
}

static weld_status join(const char *folder, const char *name, char **out, weld_error *err) {
    size_t size = strlen(folder) + strlen(name) + 2;
    *out = weld_alloc(size, 1);
    if (!*out) {
        return weld_fail_memory(err, folder);
    }
    snprintf(*out, size, "%s/%s", folder, name);
    return WELD_OK;
}

weld_status weld_run_folder_last(const char *path, char **out, weld_error *err) {
    return join(path, "last.h5", out, err);
}

static weld_status take_lock(weld_run_folder *f, weld_error *err) {
    char *name;
    WELD_TRY(join(f->path, ".lock", &name, err));
    weld_status status = weld_file_open_kept(name, 0666, &f->lock, err);
    weld_free(name);
    WELD_TRY(status);
    const int code = weld_file_lock(f->lock);
    if (code == EWOULDBLOCK) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: another training run is using this folder: choose another --out",
                         f->path);
    }
    return code ? weld_file_fail(err, f->path, "keep a second run out by a lock", code) : WELD_OK;
}

/* --- Checkpoints of epochs --- */

weld_status weld_run_folder_epoch(const weld_run_folder *f, int64_t epochs, char **out,
                                  weld_error *err) {
    char name[40];
    snprintf(name, sizeof name, "epoch-%lld.h5", (long long)epochs);
    return join(f->path, name, out, err);
}

/* The number in such a name; -1: it is none. */
static int64_t epochs_of(const char *name) {
    char again[40];
    long long epochs = -1;
    if (sscanf(name, "epoch-%18lld.h5", &epochs) != 1) {
        return -1;
    }
    snprintf(again, sizeof again, "epoch-%lld.h5", epochs);
    return strcmp(name, again) == 0 ? epochs : -1;
}

/* The largest of the numbers; -1: there are none. */
static weld_status find_newest(const char *path, int64_t *newest, weld_error *err) {
    DIR *folder = opendir(path);
    const struct dirent *entry;
    *newest = -1;
    if (!folder) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot be listed: %s", path, strerror(errno));
    }
    while ((entry = readdir(folder))) {
        const int64_t number = epochs_of(entry->d_name);
        *newest = number > *newest ? number : *newest;
    }
    closedir(folder);
    return WELD_OK;
}

/* A folder that cannot be listed has nothing to name. */
void weld_run_folder_tell_rest(const char *path, weld_error *err) {
    int64_t newest;
    bool is_there = false;
    char *best = NULL, word[4 * PATH_SIZE];
    if (!err || find_newest(path, &newest, NULL)) {
        return;
    }
    if (newest >= 0) {
        weld_append(err->message, sizeof err->message,
                    "; to go on, put a copy of epoch-%lld.h5 in its place", (long long)newest);
    } else if (!join(path, "best.h5", &best, NULL) && !weld_file_is_there(best, &is_there, NULL) &&
               is_there) {
        weld_append(err->message, sizeof err->message,
                    "; without it another run can begin from the best weights, with --init %s and "
                    "another --out",
                    weld_shell_word(best, word, sizeof word));
    } else {
        weld_append(err->message, sizeof err->message,
                    "; the folder has no other checkpoint: without it, choose another --out");
    }
    weld_free(best);
}

/* --- Opening --- */

/* Checkpoints without the one that a run goes on from: it would begin anew and overwrite them. */
static weld_status check_left(const weld_run_folder *f, int64_t newest, weld_error *err) {
    char best[4 * PATH_SIZE];
    if (f->holds_checkpoint || (newest < 0 && !f->holds_best)) {
        return WELD_OK;
    }
    return newest >= 0
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: has no last.h5 to go on from, but checkpoints of epochs: copy "
                           "epoch-%lld.h5 to last.h5 to go on from there, or choose another --out",
                           f->path, (long long)newest)
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: has no last.h5 to go on from, but a best.h5, which is without the "
                           "optimizer's state: begin another run from its weights, with --init %s "
                           "and another --out",
                           f->path, weld_shell_word(f->best, best, sizeof best));
}

/* Before a run notes its first epoch it writes last.h5: that of one that did is lost. */
static weld_status check_record(const weld_run_folder *f, weld_error *err) {
    static const char epoch[] = "{\"kind\":\"epoch\"";
    char row[4096];
    FILE *file = fopen(f->metrics, "re");
    bool found = false;
    if (!file) {
        return weld_file_fail(err, f->metrics, "open", errno);
    }
    while (!found && fgets(row, sizeof row, file)) {
        found = strncmp(row, epoch, sizeof epoch - 1) == 0;
    }
    const int code = ferror(file) ? errno : 0;
    fclose(file);
    return code ? weld_file_fail(err, f->metrics, "read", code)
           : found
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: has no checkpoint to go on from, but metrics.jsonl of a run that "
                           "had one: put its last.h5 back, or choose another --out",
                           f->path)
               : WELD_OK;
}

/* What a run writes is its own: behind a link it would be written over somewhere else. */
static weld_status check_kind(const char *path, weld_error *err) {
    struct stat info;
    if (weld_file_look_link(path, &info) != 0) {
        return errno == ENOENT ? WELD_OK
                               : weld_file_fail(err, path, "tell whether it is there", errno);
    }
    return S_ISREG(info.st_mode) ? WELD_OK
           : S_ISLNK(info.st_mode)
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is a link, which is not followed: put the file itself there", path)
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: exists and is not a file: remove it",
                           path);
}

/* Of all that the run reads or writes in time, so that it is told before hours of training. */
static weld_status check_kinds(const weld_run_folder *f, weld_error *err) {
    const char *const files[] = {f->recipe, f->metrics, f->last, f->best, f->evaluation};
    DIR *folder;
    const struct dirent *entry;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        WELD_TRY(check_kind(files[i], err));
    }
    if (!(folder = opendir(f->path))) {
        return weld_file_fail(err, f->path, "list", errno);
    }
    while (!status && (entry = readdir(folder))) {
        char *path = NULL;
        if (epochs_of(entry->d_name) >= 0) {
            status = join(f->path, entry->d_name, &path, err);
            status = status ? status : check_kind(path, err);
        }
        weld_free(path);
    }
    closedir(folder);
    return status;
}

static weld_status check_contents(weld_run_folder *f, bool resume, weld_error *err) {
    int64_t newest;
    WELD_TRY(check_kinds(f, err));
    WELD_TRY(find_newest(f->path, &newest, err));
    WELD_TRY(weld_file_is_there(f->last, &f->holds_checkpoint, err));
    WELD_TRY(weld_file_is_there(f->best, &f->holds_best, err));
    WELD_TRY(weld_file_is_there(f->recipe, &f->holds_recipe, err));
    WELD_TRY(weld_file_is_there(f->metrics, &f->holds_metrics, err));
    const bool holds_run = f->holds_checkpoint || f->holds_best || newest >= 0 || f->holds_metrics;
    if (holds_run && !resume) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: holds a run already: continue it with --resume or choose another "
                         "--out",
                         f->path);
    }
    WELD_TRY(check_left(f, newest, err));
    return f->holds_metrics && !f->holds_checkpoint ? check_record(f, err) : WELD_OK;
}

weld_status weld_run_folder_open(const char *path, const char *recipe, bool resume,
                                 weld_run_folder *out, weld_error *err) {
    char made[PATH_SIZE];
    *out = (weld_run_folder){.lock = -1};
    if (!path && resume) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--resume: does not say which run: name its folder with --out");
    }
    weld_status status = WELD_OK;
    if (path) {
        status = make_folders(path, &out->made, err);
    }
    for (int number = 1; !path && !status && !out->made; number++) {
        default_path(recipe, number, made, sizeof made);
        status = make_folders(made, &out->made, err);
    }
    path = path ? path : made;
    if (!status && !(out->path = weld_strdup(path))) {
        status = weld_fail_memory(err, path);
    }
    status = status ? status : join(path, "recipe.yaml", &out->recipe, err);
    status = status ? status : join(path, "metrics.jsonl", &out->metrics, err);
    status = status ? status : weld_run_folder_last(path, &out->last, err);
    status = status ? status : join(path, "best.h5", &out->best, err);
    status = status ? status : join(path, "evaluation.json", &out->evaluation, err);
    status = status ? status : take_lock(out, err);
    status = status ? status : check_contents(out, resume, err);
    if (status) {
        weld_run_folder_close(out);
    }
    return status;
}

/* --- Checkpoints of epochs: removing --- */

weld_status weld_run_folder_prune(const weld_run_folder *f, int64_t epochs, int64_t keep,
                                  weld_error *err) {
    DIR *folder = keep > 0 ? opendir(f->path) : NULL;
    if (!folder) {
        return keep == 0 ? WELD_OK
                         : weld_fail(err, WELD_ERROR_IO, "%s: cannot be listed: %s", f->path,
                                     strerror(errno));
    }
    weld_status status = WELD_OK;
    const struct dirent *entry;
    while (!status && (entry = readdir(folder))) {
        int64_t number = epochs_of(entry->d_name);
        if (number >= 0 && number <= epochs - keep &&
            unlinkat(dirfd(folder), entry->d_name, 0) < 0) {
            status = weld_fail(err, WELD_ERROR_IO, "%s/%s: cannot be removed: %s", f->path,
                               entry->d_name, strerror(errno));
        }
    }
    closedir(folder);
    return status;
}

/* A run that failed before it wrote anything leaves no folder behind that it made. */
static void remove_unused(const weld_run_folder *f) {
    DIR *folder = opendir(f->path);
    const struct dirent *entry;
    bool used = !folder;
    while (!used && (entry = readdir(folder))) {
        used = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
               strcmp(entry->d_name, ".lock") != 0;
    }
    if (!used && unlinkat(dirfd(folder), ".lock", 0) == 0) {
        rmdir(f->path);
    }
    if (folder) {
        closedir(folder);
    }
}

void weld_run_folder_close(weld_run_folder *f) {
    if (f->lock >= 0 && f->made) {
        remove_unused(f);
    }
    if (f->lock >= 0) {
        close(f->lock);
    }
    weld_free(f->path);
    weld_free(f->recipe);
    weld_free(f->metrics);
    weld_free(f->last);
    weld_free(f->best);
    weld_free(f->evaluation);
    *f = (weld_run_folder){.lock = -1};
}
