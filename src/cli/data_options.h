/* Opening the data set that a model is judged by. */
#ifndef WELD_CLI_DATA_OPTIONS_H
#define WELD_CLI_DATA_OPTIONS_H

#include "data/dataset.h"
#include "weld/model.h"

/* Entry of a command's table. */
#define CLI_DATA_SPLIT(flag)                                                                       \
    { "split", 0, CLI_FLAG, &(flag), NULL, "only what data.split of the file's run set aside" }

/* `path`, and of it what the recipe in the file of m set aside to evaluate on, where `split` says
 * so. A note on stderr where it holds images that m was trained on. */
weld_status cli_open_data(const char *path, const weld_model *m, bool split, int threads,
                          weld_dataset **out, weld_error *err);

#endif
