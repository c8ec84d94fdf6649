/* Lists of names for messages; see name_list.h. */
#include "serialization/name_list.h"

#include <stdio.h>
#include <string.h>

void weld_name_list_add(weld_name_list *list, const char *name) {
    static const char more[] = ", ...";
    size_t needed = strlen(name) + 2, room = sizeof list->text - sizeof more;
    list->count++;
    if (list->used == sizeof list->text) {
        return; /* it has ended */
    }
    if (list->count > 1 && list->used + needed >= room) {
        memcpy(list->text + list->used, more, sizeof more);
        list->used = sizeof list->text;
        return;
    }
    snprintf(list->text + list->used, room - list->used, "%s%s", list->used ? ", " : "", name);
    list->used += strlen(list->text + list->used);
}

void weld_name_list_add_quoted(weld_name_list *list, const char *name, const char *behind) {
    char text[96];
    snprintf(text, sizeof text, "'%.48s'%.44s", name, behind);
    for (char *at = text; *at; at++) {
        *at = *at > 0 && *at < ' ' ? '?' : *at;
    }
    weld_name_list_add(list, text);
}
