/* A folder of its own for a test, and files in it. */
#ifndef WELD_TESTS_FILES_H
#define WELD_TESTS_FILES_H

#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct test_folder {
    char path[96];
} test_folder;

static inline test_folder test_folder_create(void) {
    test_folder f;
    const char *base = getenv("TMPDIR");
    int length = snprintf(f.path, sizeof f.path, "%s/weld-test-XXXXXX", base ? base : "/tmp");
    ck_assert_int_lt(length, (int)sizeof f.path);
    ck_assert_ptr_nonnull(mkdtemp(f.path));
    return f;
}

/* Number of entries, recursively; removes them and the folder where `remove_all` is set. */
static inline int test_folder_walk(const char *path, int remove_all) {
    int count = 0;
    DIR *dir = opendir(path);
    if (dir) {
        for (struct dirent *e; (e = readdir(dir));) {
            char name[PATH_MAX];
            struct stat info;
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
                continue;
            }
            ck_assert_int_lt(snprintf(name, sizeof name, "%s/%s", path, e->d_name), PATH_MAX);
            count++;
            if (lstat(name, &info) == 0 && S_ISDIR(info.st_mode)) {
                count += test_folder_walk(name, remove_all);
            } else if (remove_all) {
                unlink(name);
            }
        }
        closedir(dir);
    }
    if (remove_all) {
        rmdir(path);
    }
    return count;
}

static inline void test_folder_remove(test_folder f) {
    test_folder_walk(f.path, 1);
}

/* "folder/name", which stays until the process ends. */
static inline const char *test_path(const test_folder *f, const char *name) {
    typedef struct kept {
        struct kept *before;
        char path[];
    } kept;
    static kept *last;
    const size_t size = strlen(f->path) + strlen(name) + 2;
    kept *k = malloc(sizeof *k + size);
    ck_assert_ptr_nonnull(k);
    k->before = last;
    last = k;
    snprintf(k->path, size, "%s/%s", f->path, name);
    return k->path;
}

static inline void test_write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* "folder/name" of a text, with the folders on the way. */
static inline void test_put_file(const test_folder *f, const char *name, const char *text) {
    char path[PATH_MAX];
    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", f->path, name), PATH_MAX);
    for (char *at = path + strlen(f->path) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0700);
        *at = '/';
    }
    test_write_file(path, text, strlen(text));
}

/* The whole file in malloc'ed memory, and a zero behind it. */
static inline unsigned char *test_read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

/* tests/fixtures/NAME */
static inline unsigned char *test_read_fixture(const char *name, size_t *size) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", getenv("WELD_FIXTURES"), name);
    return test_read_file(path, size);
}

#endif
