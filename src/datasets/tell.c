/* Notes about a data set; see tell.h. */
#include "datasets/tell.h"

#include "base/text.h"
#include "datasets/deep_grey.h"

typedef struct listener {
    void (*say)(void *context, const char *line);
    void *context;
} listener;

static void tell(const listener *l, const weld_dataset *ds, const char *what) {
    weld_text line = WELD_TEXT;
    weld_text_add(&line, weld_dataset_title(ds));
    weld_text_add(&line, ": ");
    weld_text_add(&line, what);
    l->say(l->context, line.failed ? what : weld_text_get(&line));
    weld_text_free(&line);
}

void weld_dataset_tell(const weld_dataset *ds, int scale16,
                       void (*say)(void *context, const char *line), void *context) {
    const listener l = {say, context};
    char grey[256];
    const int64_t count = weld_dataset_count(ds);
    if (*weld_dataset_note(ds)) {
        weld_text note = WELD_TEXT;
        weld_text_format(&note, "%lld %s: ", (long long)count,
                         weld_plural(count, "image", "images"));
        weld_text_add(&note, weld_dataset_note(ds));
        tell(&l, ds, note.failed ? weld_dataset_note(ds) : weld_text_get(&note));
        weld_text_free(&note);
    }
    if (*weld_dataset_passed(ds)) {
        tell(&l, ds, weld_dataset_passed(ds));
    }
    if (*weld_deep_grey_text(ds, scale16, grey, sizeof grey)) {
        tell(&l, ds, grey);
    }
}
