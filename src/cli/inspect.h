/* What the parts of weld inspect, a file for each sort of file, share.
 *
 * Whatever is found out about a file is a fact: a line for people, or a member of one JSON object.
 */
#ifndef WELD_CLI_INSPECT_H
#define WELD_CLI_INSPECT_H

#include <jansson.h>

#include "cli/model_options.h"
#include "formats/file_kind.h"
#include "formats/state_dict.h"
#include "weld/model.h"

typedef struct inspection {
    const char *path;
    weld_file_kind kind;
    cli_model_options model;
    /* Asked for: each tensor; whether all that is in the file can be read; the network's graph, as
     * text or for Graphviz. */
    bool tensors, check, graph, dot;
    json_t *json;   /* the object, where that is asked for; else NULL: facts are printed */
    bool of_float;  /* texts that are told are of the network that an int8 one was made of */
    int max_pixels; /* of images; 0: the usual limit */
    int64_t checked, unreadable; /* images, or rows of a cache */
} inspection;

/* What the file is: "FILE: TEXT", or members "file" and "kind". */
void inspect_title(inspection *in, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* pth, safetensors; `unchecked` as in weld_model_origin. */
void inspect_foreign_title(inspection *in, weld_file_kind kind, bool unchecked);
/* A line "title    TEXT" (format NULL: none), or the member `title`, with underscores for its
 * spaces. Takes over `value` (NULL: null). */
void inspect_fact(inspection *in, const char *title, json_t *value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Of a file that may have none. */
void inspect_checksum(inspection *in, bool checked);
/* What a check that found no damage has made sure of: that the file is as it was written, by its
 * checksum, or that what is named could be read. */
void inspect_checked(inspection *in, bool by_checksum, const char *read, ...)
    __attribute__((format(printf, 3, 4)));
/* A JSON text, each member a line under `title`; any other text as it is. NULL: no fact. */
void inspect_text(inspection *in, const char *title, const char *text);
/* Of a file's text that may be JSON; NULL: it is none. */
json_t *inspect_read_json(const char *text);
json_t *inspect_shape(const weld_shape *shape);
/* Print a text from outside, without characters that would move a terminal's cursor. */
void inspect_print(const char *text);
/* The name of a class and how many there are of it, a row of a list. */
void inspect_print_class(const char *name, int64_t count);

/* --- Sorts of files. On an error nothing of use has been said. --- */

void inspect_model(inspection *in, const weld_model *m);
/* Each of a model's tensors. */
void inspect_weights(inspection *in, const weld_weights *w);
/* Each tensor of a file of another program, in its own names and types; what they are like only if
 * in->tensors. */
weld_status inspect_state_dict(inspection *in, const weld_state_dict *s, weld_error *err);
/* Whether each of them can be read. */
weld_status inspect_check_state_dict(inspection *in, const weld_state_dict *s, weld_error *err);
/* A folder of class folders, an archive of them, or a packed file. */
weld_status inspect_dataset(inspection *in, weld_error *err);
/* What a teacher said of images (weld distill-cache). */
weld_status inspect_is_cache(const char *path, bool *is_one, weld_error *err);
weld_status inspect_cache(inspection *in, weld_error *err);
/* One that is not finished yet. */
weld_status inspect_partial_cache(inspection *in, weld_error *err);
weld_status inspect_array(inspection *in, weld_error *err);
weld_status inspect_image(inspection *in, weld_error *err);
weld_status inspect_recipe(inspection *in, weld_error *err);

#endif
