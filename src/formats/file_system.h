/* Kinds of file systems, by what may be relied on. */
#ifndef WELD_FORMATS_FILE_SYSTEM_H
#define WELD_FORMATS_FILE_SYSTEM_H

#include <sys/vfs.h>

typedef enum weld_file_system {
    WELD_FILE_SYSTEM_OTHER, /* nothing is known */
    WELD_FILE_SYSTEM_LOCAL, /* of this machine: a lock holds for all its processes (not for those of
                               others that it lends the folder to, by NFS or the like); and the
                               time of a folder changes with each change of its entries */
    WELD_FILE_SYSTEM_NFS    /* the latter alone */
} weld_file_system;

/* By what statfs(2) or fstatfs(2) said. */
weld_file_system weld_file_system_of(const struct statfs *info);

#endif
