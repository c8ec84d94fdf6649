/* Contact sheets; see contact_sheet.h. */
#include "images/contact_sheet.h"

#include <string.h>

#include "base/error.h"
#include "images/font.h"

enum {
    LEAST_SIDE = 112, /* of an image on the sheet */
    GAP = 6,          /* around images */
    MAX_LINES = 8,
    CHARACTER_STEP = WELD_FONT_WIDTH + 1,
    LINE_STEP = WELD_FONT_HEIGHT + 2,
    PAPER = 255,
    INK = 32
};

static int line_count(const char *caption) {
    int lines = caption && *caption ? 1 : 0;
    for (const char *c = caption; c && *c && lines < MAX_LINES; c++) {
        lines += *c == '\n';
    }
    return lines;
}

weld_status weld_sheet_layout_make(weld_sheet_size size, int64_t n, int columns,
                                   const char *const *captions, weld_sheet_layout *out,
                                   weld_error *err) {
    if (size.height < 1 || size.width < 1 || n < 1 || n > WELD_MAX_PIXELS || columns < 1) {
        return weld_fail(
            err, WELD_ERROR_ARGUMENT,
            "contact sheet of %lld images of %d x %d pixels in %d columns: all must be at "
            "least 1",
            (long long)n, size.height, size.width, columns);
    }
    int lines = 0;
    for (int64_t i = 0; captions && i < n; i++) {
        int of_this = line_count(captions[i]);
        lines = of_this > lines ? of_this : lines;
    }
    int64_t across = columns < n ? columns : n, down = (n + across - 1) / across;
    int64_t scale = (LEAST_SIDE + size.width - 1) / size.width;
    int64_t step_x = size.width * scale + GAP;
    int64_t step_y = size.height * scale + GAP + lines * LINE_STEP + (lines ? 2 : 0);
    int64_t width = across * step_x + GAP, height = down * step_y + GAP;
    /* The first two bound the product. */
    if (width > WELD_MAX_PIXELS || height > WELD_MAX_PIXELS || width * height > WELD_MAX_PIXELS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "contact sheet of %lld images of %d x %d: more than %d pixels: take fewer",
                         (long long)n, size.height, size.width, WELD_MAX_PIXELS);
    }
    *out = (weld_sheet_layout){.columns = (int)across,
                               .rows = (int)down,
                               .scale = (int)scale,
                               .x0 = GAP,
                               .y0 = GAP,
                               .step_x = (int)step_x,
                               .step_y = (int)step_y,
                               .width = (int)width,
                               .height = (int)height};
    return WELD_OK;
}

static uint8_t to_byte(float value, float mean, float std) {
    float v = (value * std + mean) * 255.0f;
    return v >= 255.0f ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

/* image [height, width, 3] to the sheet's (x, y), enlarged. */
static void draw_image(const weld_preprocessing *p, weld_sheet_size size, int scale,
                       const float *image, int x, int y, weld_image *sheet) {
    size_t stride = (size_t)sheet->width * 3;
    for (int row = 0; row < size.height * scale; row++) {
        const float *from = image + (size_t)(row / scale) * (size_t)size.width * 3;
        uint8_t *to = sheet->pixels + (size_t)(y + row) * stride + (size_t)x * 3;
        for (int column = 0; column < size.width * scale; column++, to += 3) {
            for (int c = 0; c < 3; c++) {
                to[c] = to_byte(from[column / scale * 3 + c], p->mean[c], p->std[c]);
            }
        }
    }
}

static void draw_letter(const weld_letter *letter, int x, int y, weld_image *sheet) {
    for (int row = 0; row < WELD_FONT_HEIGHT; row++) {
        size_t at = (size_t)(y + row) * (size_t)sheet->width + (size_t)x;
        for (int column = 0; column < WELD_FONT_WIDTH; column++) {
            if (weld_letter_ink(letter, column, row)) {
                memset(sheet->pixels + (at + (size_t)column) * 3, INK, 3);
            }
        }
    }
}

static void draw_caption(const char *caption, int x, int y, int width, weld_image *sheet) {
    int line = 0, column = 0, columns = width / CHARACTER_STEP;
    while (*caption && line < MAX_LINES) {
        weld_letter letter;
        const bool is_end = *caption == '\n';
        caption = weld_font_next(caption, &letter);
        if (is_end) {
            line++;
            column = 0;
        } else if (column < columns) {
            draw_letter(&letter, x + column++ * CHARACTER_STEP, y + line * LINE_STEP, sheet);
        }
    }
}

weld_status weld_contact_sheet(const weld_preprocessing *preprocessing, const float *images,
                               const weld_sheet_size *sizes, const char *const *captions, int64_t n,
                               int columns, weld_image *out, weld_error *err) {
    const weld_sheet_size own = {preprocessing->height, preprocessing->width};
    weld_sheet_size largest = sizes ? (weld_sheet_size){0, 0} : own;
    for (int64_t i = 0; sizes && i < n; i++) {
        largest.height = sizes[i].height > largest.height ? sizes[i].height : largest.height;
        largest.width = sizes[i].width > largest.width ? sizes[i].width : largest.width;
    }
    weld_sheet_layout l;
    WELD_TRY(weld_sheet_layout_make(largest, n, columns, captions, &l, err));
    WELD_TRY(weld_image_resize_buffer(out, l.width, l.height, err));
    memset(out->pixels, PAPER, (size_t)l.width * (size_t)l.height * 3);
    for (int64_t i = 0; i < n; i++) {
        int x = l.x0 + (int)(i % l.columns) * l.step_x, y = l.y0 + (int)(i / l.columns) * l.step_y;
        const weld_sheet_size size = sizes ? sizes[i] : own;
        const int below = y + largest.height * l.scale + 4;
        draw_image(preprocessing, size, l.scale, images, x, y, out);
        images += (size_t)size.height * (size_t)size.width * 3;
        if (captions && captions[i]) {
            draw_caption(captions[i], x, below, largest.width * l.scale, out);
        }
    }
    return WELD_OK;
}
