/* The moving average of a checkpoint in the place of its weights, and what its summary says then.
 */
#ifndef WELD_SERIALIZATION_TAKE_AVERAGE_H
#define WELD_SERIALIZATION_TAKE_AVERAGE_H

#include "serialization/model_file.h"

/* `key` is what was asked for by name. Without an average of that name it is WELD_ERROR_ARGUMENT.
 * What the file says of its weights alone goes with them; what its summary says of the average
 * ("ema_top1") is said of the weights from now on. */
weld_status weld_model_take_average(const char *path, const char *key, weld_model_file *mf,
                                    weld_error *err);

/* Of weights that are evaluated otherwise from now on: at another temperature or size. `path` is
 * for messages. */
weld_status weld_model_drop_scores(const char *path, weld_model_file *mf, weld_error *err);

#endif
