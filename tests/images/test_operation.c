#include "base/memory.h"
#include "images/operation.h"
#include "files.h"
#include "suite.h"

static const char *const kinds[] = {
    "auto_contrast", "equalize",    "invert",      "rotate",     "posterize",    "solarize",
    "solarize_add",  "color",       "contrast",    "brightness", "sharpness",    "shear_x",
    "shear_y",       "translate_x", "translate_y", "grey",       "gaussian_blur"};
enum { KINDS = sizeof kinds / sizeof *kinds, IMAGES = 8 };
static const uint8_t fill[3] = {124, 116, 104};

typedef struct named_image {
    char name[32];
    int width, height;
    const unsigned char *pixels;
} named_image;

static size_t bytes_of(const named_image *image) {
    return (size_t)image->width * (size_t)image->height * 3;
}

/* "KIND:ARGUMENT:FILTER" */
static weld_operation parse_operation(const char *text) {
    weld_operation o = {.filter = strstr(text, ":bicubic") ? WELD_BICUBIC : WELD_BILINEAR};
    size_t length = strcspn(text, ":");
    int kind = 0;
    while (kind < KINDS &&
           (strlen(kinds[kind]) != length || strncmp(kinds[kind], text, length) != 0)) {
        kind++;
    }
    ck_assert_msg(kind < KINDS, "%s", text);
    o.kind = (weld_operation_kind)kind;
    o.argument = strtod(text + length + 1, NULL);
    return o;
}

/* Do all operations of a line to its image and compare with what follows in the file. */
static void check_case(const char *line, char *operations, const named_image *image,
                       const unsigned char *expected, weld_bytes *scratch) {
    weld_image out = {0};
    char *rest = operations, *word;
    ck_assert_int_eq(weld_image_resize_buffer(&out, image->width, image->height, NULL), WELD_OK);
    memcpy(out.pixels, image->pixels, bytes_of(image));
    while ((word = strsep(&rest, " "))) {
        weld_operation o = parse_operation(word);
        ck_assert_int_eq(weld_operation_apply(&o, fill, &out, scratch, NULL), WELD_OK);
    }
    for (size_t i = 0; i < bytes_of(image); i++) {
        ck_assert_msg(out.pixels[i] == expected[i], "%s: byte %zu is %d, Pillow has %d", line, i,
                      out.pixels[i], expected[i]);
    }
    weld_image_free(&out);
}

START_TEST(operations_equal_pillow_to_the_bit) {
    size_t text_size, size, at = 0;
    char *text = (char *)test_read_fixture("augment/operations.txt", &text_size);
    unsigned char *pixels = test_read_fixture("augment/operations.bin", &size);
    named_image images[IMAGES];
    int image_count = 0, cases[KINDS] = {0};
    weld_bytes scratch = {0};
    text[text_size] = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;) {
        named_image *image = &images[image_count];
        if (image_count < IMAGES &&
            sscanf(line, "image %31s %d %d", image->name, &image->width, &image->height) == 3) {
            image->pixels = pixels + at;
            image_count++;
        } else {
            char *operations = strchr(line, ' ');
            char whole[256];
            snprintf(whole, sizeof whole, "%s", line);
            *operations++ = 0;
            for (image = images; strcmp(image->name, line) != 0; image++) {
                ck_assert(image < images + image_count - 1);
            }
            cases[parse_operation(operations).kind]++;
            check_case(whole, operations, image, pixels + at, &scratch);
        }
        at += bytes_of(image);
        ck_assert_uint_le(at, size);
    }
    ck_assert_uint_eq(at, size);
    for (int i = 0; i < KINDS; i++) {
        ck_assert_msg(cases[i] >= 7, "%d cases of %s", cases[i], kinds[i]);
    }
    weld_bytes_free(&scratch);
    free(text);
    free(pixels);
}
END_TEST

START_TEST(lack_of_memory_is_an_error) {
    const weld_operation_kind hungry[] = {WELD_OPERATION_ROTATE, WELD_OPERATION_SHARPNESS,
                                          WELD_OPERATION_GAUSSIAN_BLUR};
    weld_image image = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, 9, 9, NULL), WELD_OK);
    memset(image.pixels, 1, 9 * 9 * 3);
    for (int i = 0; i < 3; i++) {
        weld_operation o = {.kind = hungry[i], .argument = 1};
        weld_bytes scratch = {0};
        weld_memory_fail_after(0);
        ck_assert_int_eq(weld_operation_apply(&o, fill, &image, &scratch, NULL), WELD_ERROR_MEMORY);
        weld_memory_fail_after(-1);
        weld_bytes_free(&scratch);
    }
    weld_image_free(&image);
}
END_TEST

RUN_SUITE("images/operation", operations_equal_pillow_to_the_bit, lack_of_memory_is_an_error)
