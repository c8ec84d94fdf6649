/* A line of VOC's lists (ImageSets/Main): the name of an image without its ending, and maybe a
 * mark: lists of one class say by -1, 0 or 1 whether the image has it. Names may have blanks in
 * them, so that "photo 1" is a name, or one with a mark: who knows the images must tell. */
#ifndef WELD_DATASETS_VOC_LINE_H
#define WELD_DATASETS_VOC_LINE_H

#include <stddef.h>

typedef struct weld_voc_line {
    const char *name;
    size_t length; /* as if there were no mark; 0: the line is empty */
    size_t before; /* a mark; 0: there is none */
} weld_voc_line;

weld_voc_line weld_voc_read_line(const char *line);

#endif
