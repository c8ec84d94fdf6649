/* The text file that YOLO's programs read for an image: a row for each thing on it. */
#ifndef WELD_DATASETS_YOLO_LABEL_H
#define WELD_DATASETS_YOLO_LABEL_H

#include <stdbool.h>
#include <stddef.h>

/* Of a row: the class, and the box in shares of the image. */
typedef struct weld_yolo_row {
    int class_index;
    double left, top, width, height;
} weld_yolo_row;

typedef enum weld_yolo_problem {
    WELD_YOLO_FINE,
    WELD_YOLO_EMPTY,         /* an empty line */
    WELD_YOLO_MALFORMED,     /* neither five numbers nor a polygon */
    WELD_YOLO_NOT_NORMALISED /* not in 0..1, give or take a hundredth */
} weld_yolo_problem;

/* Of a text of `size` bytes those before the first end of a line: LF, CR or CR LF. */
size_t weld_yolo_row_size(const char *text, size_t size);
/* The row of `size` bytes, without the end of its line: a class, then centre, width and height, or
 * three points and more, of whose polygon it is the box. What is wrong goes to what[200]. */
weld_yolo_problem weld_yolo_row_read(const char *line, size_t size, weld_yolo_row *out,
                                     char what[200]);

#endif
