/* Opening data sets, and saying on stderr what a person should know of them. */
#ifndef WELD_CLI_DATA_OPTIONS_H
#define WELD_CLI_DATA_OPTIONS_H

#include "base/text.h"
#include "cli/cli.h"
#include "infer/model_data.h"

/* Entries of commands' tables: a data set to judge by, and those of a recipe. */
#define CLI_DATA_OPTION(path)                                                                      \
    {                                                                                              \
        "data", 0, CLI_NEEDED, &(path), "DIR",                                                     \
            "class folders, a .tar of them, .csv, packed; of boxes: COCO, YOLO, VOC, packed"       \
    }
#define CLI_DATA_FOR_RECIPE(path)                                                                  \
    {                                                                                              \
        "data", 0, CLI_TEXT, &(path), "DIR",                                                       \
            "folder of train and val, of classes, or with boxes (COCO, YOLO, VOC)"                 \
    }
#define CLI_DATA_SPLIT(flag)                                                                       \
    { "split", 0, CLI_FLAG, &(flag), NULL, "only what data.split of the file's run set aside" }

/* What is so of the data alone. */
void cli_tell_data(const weld_dataset *ds, int scale16);
/* What of its classes training would refuse, as where they are train and val. */
void cli_tell_classes(const weld_dataset *ds);

/* An error where one of the call's outputs is a file of the data set. */
weld_status cli_spare_data(const cli_call *call, const weld_dataset *ds, weld_error *err);

typedef struct cli_data_request {
    const cli_call *call;    /* whose outputs must not be files of it; NULL: it has none */
    const char *path;        /* NULL: none is wanted */
    const weld_model *split; /* NULL; or take what data.split of this model's run set aside */
    int threads;
    const char *letter; /* of the model in notes, where there are several; NULL: it is the one */
    bool again;         /* what is so of the data alone was said before */
    weld_text *notes;   /* gets what is so of the model's classes, in lines; NULL: it is printed */
} cli_data_request;

/* What to judge m by, with its classes; notes on what is passed over, how the classes were matched,
 * and where there are images that m was trained on. */
weld_status cli_open_data(const cli_data_request *r, const weld_model *m, weld_model_data *out,
                          weld_error *err);
/* "note: A: ..." of each line; of "": just what it says. */
void cli_print_notes(const char *of, weld_text *notes);

#endif
