/* Names of classes where they are drawn on images, by a font that has not all letters. */
#ifndef WELD_TASKS_DRAWN_NAMES_H
#define WELD_TASKS_DRAWN_NAMES_H

#include <stddef.h>

enum { WELD_DRAWN_NAME_SIZE = 128 };

/* The name, of as many letters as fit; the class's number behind it where some cannot be drawn, so
 * that classes stay apart. Returns text. */
const char *weld_drawn_name(const char *name, int index, char text[WELD_DRAWN_NAME_SIZE]);

/* Which names have such letters, in a line for people; "" where none has. Returns text. */
const char *weld_drawn_names_tell(const char *const *names, int count, char *text, size_t size);

#endif
