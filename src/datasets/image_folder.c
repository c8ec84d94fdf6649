/* Looking for images; see image_folder.h. */
#include "datasets/image_folder.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"

enum { TRIED = 16 /* images: some may be missing */ };

static bool is_file_in(const char *folder, const char *name) {
    char path[2 * PATH_MAX];
    struct stat info;
    const int length = *name == '/' ? snprintf(path, sizeof path, "%s", name)
                                    : snprintf(path, sizeof path, "%s/%s", folder, name);
    return length < (int)sizeof path && weld_file_look(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* One of the first images that is there; -1: none. */
static int64_t find_in(const char *folder, const weld_listing *l) {
    for (int64_t i = 0; i < (int64_t)l->samples.count && i < TRIED; i++) {
        if (is_file_in(folder, weld_listing_name(l, i))) {
            return i;
        }
    }
    return -1;
}

/* "train2017" of "instances_train2017.json". */
static void split_name(const char *file, char *out, size_t size) {
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    const char *line = strchr(name, '_');
    snprintf(out, size, "%s", line ? line + 1 : name);
    char *dot = strrchr(out, '.');
    if (dot) {
        *dot = 0;
    }
}

static weld_status give(const char *folder, char **out, weld_error *err) {
    *out = weld_strdup(folder);
    return *out ? WELD_OK : weld_fail_memory(err, folder);
}

weld_status weld_find_image_folder(const char *file, const char *asked, const weld_listing *l,
                                   char **out, weld_error *err) {
    static const struct {
        const char *before;
        bool has_split;
    } usual[] = {{"", false},    {"/images", false}, {"/../images", false}, {"/", true},
                 {"/../", true}, {"/images/", true}, {"/../images/", true}};
    char folder[PATH_MAX], split[NAME_MAX + 1], path[PATH_MAX + 300];
    const char *slash = strrchr(file, '/');
    int64_t best = -1;
    if (asked) {
        return give(asked, out, err);
    }
    if (strlen(file) >= sizeof folder) {
        return weld_fail(err, WELD_ERROR_IO, "%s: path is too long", file);
    }
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file) : 1, slash ? file : ".");
    split_name(file, split, sizeof split);
    weld_status status = WELD_OK;
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !status; i++) {
        snprintf(path, sizeof path, "%s%s%s", folder, usual[i].before,
                 usual[i].has_split ? split : "");
        const int64_t found = find_in(path, l);
        if (found >= 0 && (best < 0 || found < best)) {
            best = found;
            weld_free(*out);
            status = give(path, out, err);
        }
    }
    if (status || best >= 0) {
        return status;
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND,
                     "%s: its images were not found: %s is neither in %s nor in images, %s or "
                     "images/%s there or beside it: put them into one of these",
                     file, weld_listing_name(l, 0), folder, split, split);
}
