/* Kinds of file systems by the number that statfs(2) tells; see file_system.h. */
#include "formats/file_system.h"

#include <stddef.h>
#include <stdint.h>

weld_file_system weld_file_system_of(const struct statfs *info) {
    static const uint32_t local[] = {
        0xEF53,     /* ext2 to ext4 */
        0x58465342, /* XFS */
        0x9123683E, /* Btrfs */
        0xF2F52010, /* F2FS */
        0x2FC12FC1, /* ZFS */
        0xCA451A4E, /* bcachefs */
        0x01021994, /* tmpfs */
        0x794C7630  /* overlayfs, of any of these */
    };
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        if ((uint32_t)info->f_type == local[i]) {
            return WELD_FILE_SYSTEM_LOCAL;
        }
    }
    return (uint32_t)info->f_type == 0x6969 ? WELD_FILE_SYSTEM_NFS : WELD_FILE_SYSTEM_OTHER;
}
