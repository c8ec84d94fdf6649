/* Files that are not for weld, told by their first bytes, so that messages can name them. */
#ifndef WELD_FORMATS_FOREIGN_H
#define WELD_FORMATS_FOREIGN_H

#include <stddef.h>

/* "a GIF image", "a Git LFS pointer in the place of the file (git lfs pull fetches it)"; NULL: not
 * known. */
const char *weld_foreign_text(const void *bytes, size_t size);

#endif
