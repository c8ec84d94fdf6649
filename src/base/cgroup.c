/* Control groups; see cgroup.h. The formats: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu)
 * and Documentation/scheduler/sched-bwc.rst for version 1. */
#include "base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 1024, FOLDER_SIZE = 2 * PATH_SIZE };

/* Whether "a,b,c" names the controller. */
static bool names(const char *list, const char *controller) {
    const size_t length = strlen(controller);
    for (const char *at = list; (at = strstr(at, controller)); at += length) {
        if ((at == list || at[-1] == ',') && (at[length] == 0 || at[length] == ',')) {
            return true;
        }
    }
    return false;
}

/* The group's path in a hierarchy, "" at its root and where there is none: that of version 2 names
 * no controllers. */
static void find_path(const char *root, int version, char path[PATH_SIZE]) {
    char line[PATH_SIZE];
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *file = fopen(line, "r");
    *path = 0;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *list = strchr(line, ':'), *name = list ? strchr(list + 1, ':') : NULL;
        if (name) {
            *name++ = 0;
            if (version == 2 ? list[1] == 0 : names(list + 1, "cpu")) {
                snprintf(path, PATH_SIZE, "%s", strcmp(name, "/") == 0 ? "" : name);
            }
        }
    }
    if (file) {
        fclose(file);
    }
}

static FILE *open_in(const char *folder, const char *name) {
    char path[FOLDER_SIZE + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "r");
}

static double read_number(const char *folder, const char *name) {
    long long number = 0;
    FILE *file = open_in(folder, name);
    if (file) {
        number = fscanf(file, "%lld", &number) == 1 ? number : 0;
        fclose(file);
    }
    return (double)number;
}

static double quota_of(const char *folder, int version) {
    double quota = 0, period = 0;
    if (version == 1) {
        quota = read_number(folder, "cpu.cfs_quota_us");
        period = read_number(folder, "cpu.cfs_period_us");
    } else {
        long long micros, of;
        FILE *file = open_in(folder, "cpu.max");
        if (file && fscanf(file, "%lld %lld", &micros, &of) == 2) {
            quota = (double)micros;
            period = (double)of;
        }
        if (file) {
            fclose(file);
        }
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* Below 0: no such file. A group that has no quota to keep may leave the line out. */
static double throttled_in(const char *folder, int version) {
    char line[128];
    long long value;
    double seconds = 0;
    FILE *file = open_in(folder, "cpu.stat");
    if (!file) {
        return -1;
    }
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, version == 1 ? "throttled_time %lld" : "throttled_usec %lld", &value) ==
            1) {
            seconds = (double)value * (version == 1 ? 1e-9 : 1e-6);
        }
    }
    fclose(file);
    return seconds;
}

static void add(weld_cgroup *group, const char *folder, int version) {
    double cpus = quota_of(folder, version), throttled = throttled_in(folder, version);
    if (cpus > 0 && (group->cpus <= 0 || cpus < group->cpus)) {
        group->cpus = cpus;
    }
    if (throttled >= 0) {
        group->throttled = group->throttled < 0 ? throttled : group->throttled + throttled;
    }
}

weld_cgroup weld_cgroup_read(const char *root) {
    weld_cgroup group = {.throttled = -1};
    for (int version = 2; version >= 1; version--) {
        char path[PATH_SIZE], folder[FOLDER_SIZE];
        find_path(root, version, path);
        for (char *end = path + strlen(path); end; end = strrchr(path, '/')) {
            *end = 0;
            snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root,
                     version == 1 ? "/cpu" : "", path);
            add(&group, folder, version);
        }
    }
    return group;
}
