/* Opening the group of the ranks that a launcher has started; see weld/distributed.h.
 *
 * That this process is one of several is told by the environment alone, before there is any MPI. So
 * several ranks never run as if each were alone: where the environment says that there are others
 * and the module, or the MPI that it was built for, does not find them, it is an error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "distributed/group.h"
#include "distributed/launch.h"
#include "distributed/module_path.h"

#define MODULE "weld_mpi.so"

/* --- The module ------------------------------------------------------------------------------- */

/* The file `name` as seen from the folder of `file`, if it is there. */
static bool is_beside(const char *file, const char *name, char *path, size_t size) {
    const char *slash = strrchr(file, '/');
    const int written =
        snprintf(path, size, "%.*s%s", slash ? (int)(slash + 1 - file) : 0, file, name);
    return slash && written > 0 && (size_t)written < size && access(path, R_OK) == 0;
}

/* In a build folder (the program is in src/cli, libweld in src), else where it was installed. */
static bool find_module(char *path, size_t size) {
    Dl_info here;
    char program[4096];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    if (is_beside(program, "../distributed/" MODULE, path, size)) {
        return true;
    }
    if (dladdr((const void *)&weld_group_defaults, &here) && here.dli_fname &&
        is_beside(here.dli_fname, "distributed/" MODULE, path, size)) {
        return true;
    }
    return is_beside(WELD_MODULE_DIR "/", MODULE, path, size);
}

static weld_status fail_without_module(int ranks, weld_error *err) {
    char who[80] = "started by a launcher of several ranks";
    if (ranks > 0) {
        snprintf(who, sizeof who, "started as one of %d ranks", ranks);
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND,
                     "%s, but this weld has no MPI module: MPI=1 scripts/setup builds it (or name "
                     "one: WELD_MPI=PATH); it is neither in the program's build folder nor %s",
                     who, WELD_MODULE_DIR "/" MODULE);
}

/* It stays open: MPI does not like to be taken away. */
static weld_status load(const char *path, weld_transport_opener **opener, weld_error *err) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        return weld_fail(err, WELD_ERROR_IO, "cannot load the MPI module: %s", dlerror());
    }
    const char *version = dlsym(module, "weld_transport_version");
    void *open = dlsym(module, "weld_transport_open");
    if (!version || !open) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is no MPI module of weld", path);
    }
    if (strcmp(version, WELD_VERSION) != 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is of weld %s, this is weld %s", path,
                         version, WELD_VERSION);
    }
    memcpy(opener, &open, sizeof *opener);
    return WELD_OK;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* One rank alone: no group is needed, unless others were started. */
static weld_status end_alone(weld_group *g, int ranks, const char *path, weld_error *err) {
    weld_status status = WELD_OK;
    if (ranks > 1) {
        status = weld_fail(err, WELD_ERROR_IO,
                           "started as one of %d ranks, but MPI knows of one: the launcher is of "
                           "another MPI than %s (%s); under srun add --mpi=pmix",
                           ranks, path, weld_group_library(g));
    }
    weld_group_free(g);
    return status;
}

weld_status weld_group_open(const weld_group_options *options, weld_group **out, weld_error *err) {
    const int ranks = weld_launch_find().size;
    *out = NULL;
    if (ranks == 1) {
        return WELD_OK;
    }
    char found[4096];
    const char *path = getenv("WELD_MPI");
    if (!path && find_module(found, sizeof found)) {
        path = found;
    }
    if (!path) {
        return fail_without_module(ranks, err);
    }
    weld_transport_opener *opener = NULL;
    weld_group *g = NULL;
    WELD_TRY(load(path, &opener, err));
    WELD_TRY(weld_group_open_over(options, 60, opener, NULL, &g, err));
    if (weld_group_size(g) == 1) {
        return end_alone(g, ranks, path, err);
    }
    *out = g;
    return WELD_OK;
}
