/* The images that a command's arguments come to: files as they are, folders as the images at and
 * below them, in order, and "-" as the lines of standard input, each of which is one or the other.
 */
#ifndef WELD_CLI_IMAGE_LIST_H
#define WELD_CLI_IMAGE_LIST_H

#include "base/array.h"
#include "weld/status.h"

typedef struct cli_image_list {
    const char **paths;
    size_t count;
    weld_array texts; /* of them */
} cli_image_list;

/* Says on stderr what is passed over in folders. Errors: no image at all, a folder that cannot be
 * read, memory. To be freed after errors too. */
weld_status cli_image_list_make(char *const *arguments, int count, cli_image_list *out,
                                weld_error *err);
void cli_image_list_free(cli_image_list *list);

#endif
