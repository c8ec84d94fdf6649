/* What is asked for where a model file is read (weld_import_options): taken where the file does not
 * say it, and an error that says what differs where the file says otherwise. `path` is the file,
 * for messages.
 */
#ifndef WELD_SERIALIZATION_IMPORT_OPTIONS_H
#define WELD_SERIALIZATION_IMPORT_OPTIONS_H

#include "serialization/model_file.h"

/* A number that the file states; wanted 0: none is asked for. */
weld_status weld_import_check_number(const char *path, const char *what, int stated, int wanted,
                                     weld_error *err);
/* name NULL: none is asked for. */
weld_status weld_import_check_variant(const char *path, const weld_model_config *config,
                                      const char *name, weld_error *err);
/* Set what tensors do not tell as it is asked for; where it is stated it must be the same. */
weld_status weld_import_take_untold(const char *path, const weld_import_options *o, bool stated,
                                    weld_model_config *config, weld_error *err);
/* Names that are given must be the file's, or it has none and takes them. */
weld_status weld_import_take_class_names(const char *path, const weld_import_options *o,
                                         weld_model_file *mf, weld_error *err);

weld_status weld_import_check_preprocessing(const char *path, const weld_import_options *o,
                                            const weld_preprocessing *stated, weld_error *err);
/* What options say of it, in the place of what is assumed. */
weld_status weld_import_take_preprocessing(const char *path, const weld_import_options *o,
                                           const weld_model_config *config, weld_preprocessing *p,
                                           weld_error *err);
/* Do they say all of it, so that nothing is assumed? */
bool weld_import_states_preprocessing(const weld_import_options *o);

#endif
