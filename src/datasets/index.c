/* Kept listings; see index.h. */
#define _GNU_SOURCE
#include "datasets/index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/file_system.h"

/* A change of version: the tables, or how entries are chosen and sorted, became others. */
static const char magic[16] = "weld-index3\r\n\x1a\n";

enum { TABLES = 10 };

/* In this order; each is `count` elements. */
static void list_tables(weld_listing *l, weld_array *path, weld_array *to[TABLES]) {
    weld_array *const tables[TABLES] = {
        path,        &l->sources, &l->source_names, &l->classes, &l->class_names,
        &l->samples, &l->names,   &l->places,       &l->groups,  &l->group_texts};
    memcpy(to, tables, sizeof tables);
}

typedef struct header {
    char magic[16];
    uint64_t counts[TABLES];
    uint64_t endings;     /* XXH3 of the endings that images have */
    uint64_t reserved[2]; /* zero */
    uint64_t checksum;    /* XXH3 of the header with zero here, and of all tables */
} header;

_Static_assert(sizeof(header) == 128, "the header is the same everywhere");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tables are used as they are in files");

static void say(weld_index_note *note, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(weld_index_note *note, const char *format, ...) {
    va_list args;
    va_start(args, format);
    weld_vsnprintf(note->text, sizeof note->text, format, args);
    va_end(args);
}

int64_t weld_index_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- Where ------------------------------------------------------------------------------------ */

/* The folder of all indices; false: there is none. */
static bool find_folder(char *out, size_t size) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (cache && *cache == '/') { /* a relative one is to be ignored, says its specification */
        length = snprintf(out, size, "%s/weld", cache);
    } else if (home && *home == '/') {
        length = snprintf(out, size, "%s/.cache/weld", home);
    }
    return length > 0 && (size_t)length < size;
}

/* The file of a data set, whose real path goes to `real`. */
static bool find_file(const char *path, char real[PATH_MAX], char *out, size_t size) {
    char folder[PATH_MAX];
    if (!find_folder(folder, sizeof folder) || !realpath(path, real)) {
        return false;
    }
    const char *name = strrchr(real, '/') + 1;
    int length = snprintf(out, size, "%s/%.100s-%016llx.index", folder, name,
                          (unsigned long long)XXH3_64bits(real, strlen(real)));
    return length > 0 && (size_t)length < size;
}

/* The folder of `path`, with those above it. */
static bool make_folder_of(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
            return false;
        }
        *slash = '/';
    }
    return true;
}

static uint64_t hash_endings(void) {
    return XXH3_64bits(weld_image_endings, strlen(weld_image_endings));
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* One table, which is inside the file. */
static bool read_table(int fd, const char *path, weld_array *a, uint64_t count, uint64_t *at,
                       XXH3_state_t *state) {
    size_t bytes = (size_t)count * a->element;
    a->data = weld_alloc_raw(bytes, 1);
    if (!a->data || weld_file_read_at(fd, path, a->data, bytes, *at, NULL) != WELD_OK) {
        return false;
    }
    a->count = a->capacity = (size_t)count;
    *at += bytes;
    XXH3_64bits_update(state, a->data, bytes);
    return true;
}

static bool read_tables(int fd, const char *path, uint64_t size, weld_array *tables[TABLES]) {
    header h;
    if (size < sizeof h || weld_file_read_at(fd, path, &h, sizeof h, 0, NULL) != WELD_OK ||
        memcmp(h.magic, magic, sizeof magic) != 0 || h.endings != hash_endings()) {
        return false;
    }
    uint64_t left = size - sizeof h, at = sizeof h, checksum = h.checksum;
    for (int i = 0; i < TABLES; i++) {
        if (h.counts[i] > left / tables[i]->element) {
            return false;
        }
        left -= h.counts[i] * tables[i]->element;
    }
    XXH3_state_t *state = XXH3_createState();
    if (left || !state) {
        XXH3_freeState(state);
        return false;
    }
    h.checksum = 0;
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &h, sizeof h);
    bool sound = true;
    for (int i = 0; i < TABLES && sound; i++) {
        sound = read_table(fd, path, tables[i], h.counts[i], &at, state);
    }
    sound = sound && XXH3_64bits_digest(state) == checksum;
    XXH3_freeState(state);
    return sound;
}

static bool ends_in_zero(const weld_array *texts) {
    return texts->count > 0 && ((const char *)texts->data)[texts->count - 1] == 0;
}

static bool is_sound_group(const weld_listing *l, const weld_listing_group *group) {
    bool sound = ends_in_zero(&l->group_texts) && group->reason < l->group_texts.count;
    for (int i = 0; i < WELD_NAMED; i++) {
        sound = sound && group->names[i] < l->group_texts.count;
    }
    return sound;
}

/* A checksum does not keep out numbers that were made up; they must not lead out of the tables. */
static bool is_sound(const weld_listing *l, bool archive) {
    const weld_listing_sample *samples = l->samples.data;
    const weld_listing_source *sources = l->sources.data;
    const weld_listing_place *places = l->places.data;
    const uint64_t *classes = l->classes.data;
    if (!ends_in_zero(&l->names) || !ends_in_zero(&l->source_names) ||
        !ends_in_zero(&l->class_names) || l->samples.count < 1 || l->classes.count < 1 ||
        l->classes.count > INT32_MAX || l->sources.count < 1 ||
        l->places.count != (archive ? l->samples.count : 0) || (archive && l->sources.count != 1)) {
        return false;
    }
    for (size_t i = 0; i < l->classes.count; i++) {
        if (classes[i] >= l->class_names.count) {
            return false;
        }
    }
    for (size_t i = 0; i < l->sources.count; i++) {
        if (sources[i].name >= l->source_names.count) {
            return false;
        }
    }
    for (size_t i = 0; i < l->groups.count; i++) {
        if (!is_sound_group(l, &((const weld_listing_group *)l->groups.data)[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < l->samples.count; i++) {
        const weld_listing_sample *s = &samples[i];
        if (s->name >= l->names.count || s->label < 0 || (size_t)s->label >= l->classes.count ||
            s->folder_size >= l->names.count - s->name ||
            (archive && (places[i].offset > sources[0].size ||
                         places[i].size > sources[0].size - places[i].offset))) {
            return false;
        }
    }
    return true;
}

static bool is_same(const weld_listing_source *a, const struct stat *info) {
    weld_listing_source now;
    weld_listing_source_set(&now, info);
    return a->inode == now.inode && a->size == now.size && a->modified == now.modified &&
           a->changed == now.changed;
}

/* Is every folder, or the archive, as it was? */
static bool is_fresh(const weld_listing *l, const char *path, int descriptor) {
    const weld_listing_source *sources = l->sources.data;
    struct stat info;
    if (descriptor >= 0) {
        return weld_file_look_at(descriptor, &info) == 0 && is_same(&sources[0], &info);
    }
    for (size_t i = 0; i < l->sources.count; i++) {
        char folder[PATH_MAX];
        const char *name = (const char *)l->source_names.data + sources[i].name;
        if (snprintf(folder, sizeof folder, "%s/%s", path, name) >= (int)sizeof folder ||
            weld_file_look(folder, &info) != 0 || !S_ISDIR(info.st_mode) ||
            !is_same(&sources[i], &info)) {
            return false;
        }
    }
    return true;
}

/* What somebody else wrote, or could have, might say anything about our images. */
static bool is_own(int fd, uint64_t *size) {
    struct stat info;
    bool own = fd >= 0 && weld_file_look_at(fd, &info) == 0 && S_ISREG(info.st_mode) &&
               info.st_uid == geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    *size = own ? (uint64_t)info.st_size : 0;
    return own;
}

bool weld_index_read(const char *path, int descriptor, weld_listing *out, weld_index_note *note) {
    char real[PATH_MAX], file[PATH_MAX];
    uint64_t size;
    weld_array own_path = {.element = 1}, *tables[TABLES];
    *out = weld_listing_make();
    *note = (weld_index_note){0};
    if (!find_file(path, real, file, sizeof file)) {
        return false;
    }
    int fd = weld_file_open_flags(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0 && errno != ELOOP) {
        return false;
    }
    list_tables(out, &own_path, tables);
    bool sound = is_own(fd, &size) && read_tables(fd, file, size, tables) &&
                 is_sound(out, descriptor >= 0) && ends_in_zero(&own_path) &&
                 strcmp(own_path.data, real) == 0;
    if (fd >= 0) {
        close(fd);
    }
    weld_array_free(&own_path);
    bool used = sound && is_fresh(out, path, descriptor);
    if (!used) {
        say(note, "the index in %s is %s", file,
            sound ? "out of date"
                  : "not one that can be used: damaged, of another version or user, a link, or "
                    "a file that others may write to");
        weld_listing_free(out);
        return false;
    }
    say(note, "listed by the index in %s", file);
    return true;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Does a folder's time change with each change of its entries? */
static bool keeps_folder_times(const char *path) {
    struct statfs info;
    return statfs(path, &info) == 0 && weld_file_system_of(&info) != WELD_FILE_SYSTEM_OTHER;
}

/* Would a later change show? NULL, or why it might not. */
static const char *find_doubt(const char *path, const weld_listing *l, int64_t started) {
    const int64_t tick = 3000000000; /* longer than that of any file system's clock */
    const weld_listing_source *sources = l->sources.data;
    if (l->has_links) {
        return "it has links to files, which can change elsewhere";
    }
    for (size_t i = 0; i < l->sources.count; i++) {
        char folder[PATH_MAX];
        const char *name = (const char *)l->source_names.data + sources[i].name;
        if (sources[i].changed > started - tick) {
            return "it changed a moment ago";
        }
        if (snprintf(folder, sizeof folder, "%s%s%s", path, *name ? "/" : "", name) >=
                (int)sizeof folder ||
            !keeps_folder_times(folder)) {
            return "its file system is not known to keep the times of folders";
        }
    }
    return NULL;
}

static bool write_tables(weld_replacement *r, weld_array *tables[TABLES]) {
    header h = {.endings = hash_endings()};
    memcpy(h.magic, magic, sizeof magic);
    for (int i = 0; i < TABLES; i++) {
        h.counts[i] = tables[i]->count;
    }
    XXH3_state_t *state = XXH3_createState();
    if (!state) {
        return false;
    }
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &h, sizeof h);
    bool written = weld_replacement_write(r, &h, sizeof h, NULL) == WELD_OK;
    for (int i = 0; i < TABLES && written; i++) {
        size_t bytes = tables[i]->count * tables[i]->element;
        if (bytes) {
            XXH3_64bits_update(state, tables[i]->data, bytes);
            written = weld_replacement_write(r, tables[i]->data, bytes, NULL) == WELD_OK;
        }
    }
    h.checksum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return written && weld_replacement_write_at(r, &h, sizeof h, 0, NULL) == WELD_OK;
}

void weld_index_write(const char *path, const weld_listing *l, int64_t started,
                      weld_index_note *note) {
    char real[PATH_MAX], file[PATH_MAX];
    weld_listing copy = *l; /* only to have its tables listed */
    weld_array own_path = {.data = real, .element = 1}, *tables[TABLES];
    weld_replacement *r = NULL;
    const char *doubt = find_doubt(path, l, started);
    if (doubt) {
        say(note, "listed; no index was kept: %s", doubt);
        return;
    }
    if (!find_file(path, real, file, sizeof file)) {
        say(note,
            "listed; no index was kept: neither XDG_CACHE_HOME nor HOME names a folder for it");
        return;
    }
    own_path.count = strlen(real) + 1;
    list_tables(&copy, &own_path, tables);
    weld_error err = {0};
    if (!make_folder_of(file) || weld_replacement_open_private(file, &r, &err) != WELD_OK) {
        say(note, "listed; no index was kept: %s cannot be written", file);
        return;
    }
    if (!write_tables(r, tables)) {
        weld_replacement_discard(r);
        say(note, "listed; no index was kept: %s cannot be written", file);
        return;
    }
    if (weld_replacement_commit(r, &err) != WELD_OK) {
        say(note, "listed; no index was kept: %.400s", err.message);
        return;
    }
    say(note, "listed, and the index kept in %s", file);
}
