/* Configurations, preprocessing and class names as JSON text, and back: they stand in model files.
 */
#ifndef WELD_SERIALIZATION_MODEL_TEXT_H
#define WELD_SERIALIZATION_MODEL_TEXT_H

#include <jansson.h>

#include "base/keys.h"
#include "weld/model.h"

/* The value of a key as it stands in a configuration; NULL where memory is short. */
json_t *weld_key_json(const weld_key *key, const void *values);

/* Texts are released with weld_free; `where` stands in front of messages. What is read has values
 * in their ranges, but whether a family can build a configuration only weld_model_build knows. */
weld_status weld_model_config_to_text(const weld_model_config *config, char **text,
                                      weld_error *err);
weld_status weld_model_config_from_text(const char *text, const char *where, weld_model_config *out,
                                        weld_error *err);
weld_status weld_preprocessing_to_text(const weld_preprocessing *p, char **text, weld_error *err);
weld_status weld_preprocessing_from_text(const char *text, const char *where,
                                         weld_preprocessing *out, weld_error *err);

/* A list of texts; a name that is not UTF-8 (a folder's may be any bytes) is a list of its bytes
 * as numbers instead, so that it comes back as it was. */
weld_status weld_class_names_to_text(char *const *names, int count, char **text, weld_error *err);
/* The text must hold exactly `count` names. *out is released with weld_class_names_free. */
weld_status weld_class_names_from_text(const char *text, const char *where, int count, char ***out,
                                       weld_error *err);
void weld_class_names_free(char **names, int count); /* NULL allowed */

#endif
