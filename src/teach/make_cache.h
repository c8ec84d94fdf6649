/* Making a cache of what a teacher says (formats/logit_cache.h) of the images of a recipe.
 *
 * Image i of view v is what training with this recipe sees of it in the epoch v, before mixing. The
 * rows go into OUT.partial, view by view; a run that was stopped or killed goes on there.
 */
#ifndef WELD_TEACH_MAKE_CACHE_H
#define WELD_TEACH_MAKE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/distributed.h"

/* What is going to be done; told before the first row. */
typedef struct weld_cache_plan {
    const char *teacher; /* one line */
    int64_t images, views;
    int top, classes;
    uint64_t bytes;      /* of the file */
    double seconds;      /* that the rest will take, from a batch that was timed */
    int64_t done, total; /* images times views */
} weld_cache_plan;

typedef struct weld_cache_settings {
    const char *recipe, *out;
    const char *teacher;    /* NULL: the recipe's loss.distillation.teacher */
    const char *const *set; /* overrides of the recipe */
    size_t set_count;
    const char *data; /* as of weld_train_settings */
    int views;        /* 0: as many as epochs, at most 10; 1 where nothing is random */
    int top;          /* 0: 10; not more than there are classes */
    int threads;      /* 0: all that the process may use */
    /* NULL: one process. Else all ranks make the same call, and share the batches out; rank 0's
     * recipe is taken, it writes, and of it alone anything but `stop` is called. */
    weld_group *group;
    void *context; /* of the callbacks, of which all must be there */
    void (*message)(void *context, const char *text); /* what people should know; one line */
    void (*planned)(void *context, const weld_cache_plan *plan);
    void (*progress)(void *context, int64_t done, int64_t total);
    void (*bad_image)(void *context, int64_t index, const char *reason);
    bool (*stop)(void *context); /* true: end soon; what is done is kept */
} weld_cache_settings;

typedef struct weld_cache_result {
    bool interrupted; /* stop said so: call again to go on */
    int64_t bad;      /* images of which the cache says nothing */
} weld_cache_result;

weld_status weld_make_cache(const weld_cache_settings *settings, weld_cache_result *result,
                            weld_error *err);

#endif
