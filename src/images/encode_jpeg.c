/* Writing JPEG, by libjpeg; see decode.h. */
#include <stdlib.h>
#include <string.h>

#include "images/decode.h"
#include "images/jpeg_errors.h"

typedef struct encoder {
    struct jpeg_compress_struct jpeg;
    weld_jpeg_errors errors;
    unsigned char *buffer; /* malloc'ed by libjpeg */
    unsigned long size;
} encoder;

/* A list of one tag (images/image_facts.c reads them), as it stands in a file. */
static void write_orientation(encoder *e, int orientation) {
    const uint8_t exif[] = {'E', 'x', 'i', 'f',  0, 0, 'M', 'M', 0, 42, 0, 0,
                            0,   8, /* */
                            0,   1,   1,   0x12, 0, 3, 0,   0,   0, 1,  0, (uint8_t)orientation,
                            0,   0,   0,   0,    0, 0};
    jpeg_write_marker(&e->jpeg, JPEG_APP0 + 1, exif, sizeof exif);
}

static void encode(encoder *e, const weld_image *image, int quality, int orientation) {
    jpeg_create_compress(&e->jpeg);
    jpeg_mem_dest(&e->jpeg, &e->buffer, &e->size);
    e->jpeg.image_width = (JDIMENSION)image->width;
    e->jpeg.image_height = (JDIMENSION)image->height;
    e->jpeg.input_components = 3;
    e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, quality, TRUE);
    for (int c = 0; c < e->jpeg.num_components; c++) {
        e->jpeg.comp_info[c].h_samp_factor = e->jpeg.comp_info[c].v_samp_factor = 1;
    }
    jpeg_start_compress(&e->jpeg, TRUE);
    if (orientation != 1) {
        write_orientation(e, orientation);
    }
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        JSAMPROW row = image->pixels + (size_t)e->jpeg.next_scanline * (size_t)image->width * 3;
        jpeg_write_scanlines(&e->jpeg, &row, 1);
    }
    jpeg_finish_compress(&e->jpeg);
}

weld_status weld_encode_jpeg(const weld_image *image, int quality, weld_bytes *out,
                             weld_error *err) {
    return weld_encode_jpeg_turned(image, quality, 1, out, err);
}

weld_status weld_encode_jpeg_turned(const weld_image *image, int quality, int orientation,
                                    weld_bytes *out, weld_error *err) {
    encoder e = {0};
    e.jpeg.err = weld_jpeg_errors_set(&e.errors, err);
    if (setjmp(e.errors.back) == 0) {
        encode(&e, image, quality, orientation);
    }
    jpeg_destroy_compress(&e.jpeg);
    weld_status status = e.errors.status;
    status = status ? status : weld_bytes_resize(out, e.size, err);
    if (!status) {
        memcpy(out->data, e.buffer, e.size);
    }
    free(e.buffer);
    return status;
}
