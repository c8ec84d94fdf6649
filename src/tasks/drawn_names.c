/* Names of classes on images; see drawn_names.h. */
#include "tasks/drawn_names.h"

#include <stdio.h>

#include "base/text.h"
#include "images/font.h"
#include "serialization/name_list.h"

enum { NUMBER_SIZE = 16 /* " (2147483647)" */ };

const char *weld_drawn_name(const char *name, int index, char text[WELD_DRAWN_NAME_SIZE]) {
    const char *end = name, *next;
    weld_letter letter;
    while (*end &&
           (next = weld_font_next(end, &letter)) - name < WELD_DRAWN_NAME_SIZE - NUMBER_SIZE) {
        end = next;
    }
    snprintf(text, WELD_DRAWN_NAME_SIZE, "%.*s", (int)(end - name), name);
    return weld_font_has(text) ? text : weld_append(text, WELD_DRAWN_NAME_SIZE, " (%d)", index);
}

const char *weld_drawn_names_tell(const char *const *names, int count, char *text, size_t size) {
    weld_name_list list = {.count = 0};
    for (int i = 0; i < count; i++) {
        if (!weld_font_has(names[i])) {
            weld_name_list_add_quoted(&list, names[i], "");
        }
    }
    *text = 0;
    if (list.count) {
        snprintf(
            text, size,
            "letters of %zu %s cannot be drawn, so that frames stand for them and the number of "
            "the class behind: %s",
            list.count, weld_plural((int64_t)list.count, "class", "classes"), list.text);
    }
    return text;
}
