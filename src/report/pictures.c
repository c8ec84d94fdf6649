/* Pictures in a report; see parts.h. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/decode.h"
#include "images/resize.h"
#include "report/parts.h"

enum { QUALITY = 85 /* of JPEG */ };

/* The image with no side longer than `most`, as it is where it is small. */
static weld_status shrink(const weld_image *in, int most, weld_image *out, weld_error *err) {
    const int longer = in->width > in->height ? in->width : in->height;
    const double scale = longer > most ? (double)most / longer : 1;
    const int width = (int)(in->width * scale + 0.5), height = (int)(in->height * scale + 0.5);
    const weld_pixels pixels = weld_image_pixels(in);
    weld_resize_scratch scratch = {0};
    weld_resize_request request = {
        .filter = WELD_BICUBIC, .width = width > 0 ? width : 1, .height = height > 0 ? height : 1};
    request.full_width = request.width;
    request.full_height = request.height;
    weld_status status = weld_image_resize_buffer(out, request.width, request.height, err);
    status = status ? status : weld_resize_pixels(&pixels, &request, &scratch, out->pixels, err);
    weld_resize_scratch_free(&scratch);
    return status;
}

static char *base64(const char *prefix, const weld_bytes *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t start = strlen(prefix);
    char *text = weld_alloc(start + (bytes->size + 2) / 3 * 4 + 1, 1), *at = text;
    if (!text) {
        return NULL;
    }
    memcpy(at, prefix, start);
    at += start;
    for (size_t i = 0; i < bytes->size; i += 3) {
        const size_t left = bytes->size - i;
        const uint32_t word = (uint32_t)bytes->data[i] << 16 |
                              (left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0) |
                              (left > 2 ? bytes->data[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            *at++ = k <= left ? digits[word >> (18 - 6 * k) & 63] : '=';
        }
    }
    return text;
}

weld_status weld_report_add_picture(const weld_image *image, int most, const char *key, json_t *to,
                                    weld_error *err) {
    weld_image small = {0};
    weld_bytes bytes = {0};
    char *url = NULL;
    weld_status status = shrink(image, most, &small, err);
    status = status ? status : weld_encode_jpeg(&small, QUALITY, &bytes, err);
    if (!status) {
        url = base64("data:image/jpeg;base64,", &bytes);
        status = json_object_set_new(to, key, url ? json_string(url) : NULL) == 0
                     ? WELD_OK
                     : weld_fail_memory(err, "thumbnail");
    }
    weld_free(url);
    weld_bytes_free(&bytes);
    weld_image_free(&small);
    return status;
}

weld_status weld_report_open_images(const char *named, const weld_recipe *recipe, json_t **run,
                                    weld_dataset **out, weld_error *err) {
    /* The recipe says which part is meant. */
    const char *const paths[] = {recipe ? recipe->data.val : "", named};
    const bool whole = recipe && recipe->data.split > 0;
    weld_status status = WELD_ERROR_NOT_FOUND;
    *out = NULL;
    for (int i = 0; i < 2 && status; i++) {
        status = !*paths[i] ? WELD_ERROR_NOT_FOUND
                 : whole    ? weld_dataset_open(paths[i], out, NULL)
                            : weld_dataset_open_to_judge(paths[i], out, NULL);
    }
    if (!status && recipe) {
        weld_text told = WELD_TEXT; /* by the run */
        status = weld_dataset_choose_alike(*out, &recipe->data.classes, NULL, &told, NULL);
        weld_text_free(&told);
    }
    if (status) {
        weld_dataset_free(*out);
        *out = NULL;
    }
    if (status == WELD_ERROR_MEMORY) {
        return weld_fail_memory(err, named);
    }
    if (status) {
        weld_report_note(run, "the images of %s cannot be read any more: they are told by name",
                         *named ? named : "the evaluation");
    }
    return WELD_OK;
}
