/* What `weld predict` writes of each image into folders: drawn on it, or as a file of labels. */
#ifndef WELD_CLI_PREDICT_FILES_H
#define WELD_CLI_PREDICT_FILES_H

#include "cli/image_list.h"
#include "images/decode.h"
#include "tasks/task.h"

typedef struct cli_answer_files {
    const char *draw, *labels; /* folders; NULL: none */
    bool no_conf;              /* labels without scores */
    const weld_task *task;
    weld_reading how; /* as the network gets images */
    bool made[2];     /* of `draw` and `labels`: was not there */
} cli_answer_files;

/* Make the folders. Errors: a file that is there already, which may be one of the images or
 * somebody's labels; a task that has nothing to draw or no such files; two images of one name, of
 * which one file would cover the other's. */
weld_status cli_answer_files_begin(cli_answer_files *f, const cli_image_list *images,
                                   weld_error *err);
weld_status cli_answer_files_add(const cli_answer_files *f, const char *image,
                                 const weld_tensor *outputs, const weld_question *question,
                                 weld_error *err);
/* Folders that were made and got nothing, as where no image can be read, go again. Also after
 * errors. */
void cli_answer_files_end(const cli_answer_files *f);

#endif
