/* The main function of a fuzz target where there is no fuzzer: runs it on every file named, and on
 * every file of every folder named. A target that finds something wrong aborts, so that what is
 * left to check here is that there was an input and that memory stayed within bounds. */
#define _GNU_SOURCE
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { PEAK_MEGABYTES = 1024 }; /* of the whole program, what sanitizers take included */

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file);
    FUZZ_CHECK(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    FUZZ_CHECK(size >= 0);
    rewind(file);
    uint8_t *bytes = malloc(size ? (size_t)size : 1); /* so that reading behind it is seen */
    FUZZ_CHECK(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one named is the one that aborted */
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    return 1;
}

static int replay(const char *path) {
    struct stat info;
    FUZZ_CHECK(stat(path, &info) == 0);
    if (!S_ISDIR(info.st_mode)) {
        return replay_file(path);
    }
    struct dirent **entries;
    int listed = scandir(path, &entries, NULL, alphasort), count = 0;
    FUZZ_CHECK(listed >= 0);
    for (int i = 0; i < listed; i++) {
        char name[PATH_MAX];
        if (entries[i]->d_name[0] != '.') {
            FUZZ_CHECK(snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name) < PATH_MAX);
            count += replay(name);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay(argv[i]);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%d inputs, %ld MB at most\n", count, usage.ru_maxrss >> 10);
    FUZZ_CHECK(count > 0);
    FUZZ_CHECK(usage.ru_maxrss >> 10 <= PEAK_MEGABYTES);
    return 0;
}
