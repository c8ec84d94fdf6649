/* JPEG, by libjpeg; see decode.h. */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/decode.h"
#include "images/decode_format.h"
#include "images/jpeg_errors.h"

#include <jerror.h>

/* A small file can name thousands of scans, each of which costs a pass over all pixels, for a few
 * bytes. Of large images no more are taken than come to so many pixels (less than a second);
 * encoders make 10 or so. */
enum { MOST_SCANS = 500, ALWAYS_TAKEN_SCANS = 24 };
#define MOST_SCANNED_PIXELS (INT64_C(1) << 30)

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    weld_jpeg_errors errors;
    size_t size; /* of the file; for messages */
    uint8_t *cmyk_row;
    bool past_end; /* the data have ended, and the mark of an image's end stands in for more */
} decoder;

static void fail_cut(j_decompress_ptr jpeg) {
    const decoder *d = jpeg->client_data;
    weld_jpeg_fail((j_common_ptr)jpeg, "truncated JPEG: the data ends at byte %zu, in row %u of %u",
                   d->size, jpeg->output_scanline, jpeg->image_height);
}

/* What goes wrong behind the end of the data goes wrong for that. */
static bool is_past_end(j_common_ptr jpeg) {
    const decoder *d = jpeg->client_data;
    return d && d->past_end;
}

static void stop(j_common_ptr jpeg) {
    if (is_past_end(jpeg) && jpeg->err->msg_code != JERR_OUT_OF_MEMORY) {
        fail_cut((j_decompress_ptr)jpeg);
    }
    weld_jpeg_stop(jpeg);
}

/* Warnings (level -1) of damage that loses pixels are errors. The others stand in many files that
 * every program shows: stray bytes between segments, unknown versions. */
static void report(j_common_ptr jpeg, int level) {
    if (level >= 0) {
        return;
    }
    if (jpeg->err->msg_code == JWRN_EXTRANEOUS_DATA && is_past_end(jpeg)) {
        stop(jpeg);
    }
    switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
#if JPEG_LIB_VERSION >= 70 || defined(D_ARITH_CODING_SUPPORTED)
    case JWRN_ARITH_BAD_CODE:
#endif
    case JWRN_MUST_RESYNC:
    case JWRN_JPEG_EOF:
        stop(jpeg);
    }
}

/* --- Source: the whole file is in memory. ------------------------------------------------------
 *
 * Asking for more means that it was cut, or that only the mark of its end is missing, as in files
 * of cameras that lost power and of programs that forget it. Then it gets the mark: libjpeg warns
 * (JWRN_HIT_MARKER) as soon as a pixel needs a bit more than there is, and what it cannot warn of
 * is looked at in finish.
 */

static void source_nothing(j_decompress_ptr jpeg) {
    (void)jpeg;
}

static boolean source_ends(j_decompress_ptr jpeg) {
    static const uint8_t end[] = {0xFF, JPEG_EOI};
    decoder *d = jpeg->client_data;
    if (d->past_end || jpeg->input_scan_number == 0) {
        fail_cut(jpeg);
    }
    d->past_end = true;
    d->source.next_input_byte = end;
    d->source.bytes_in_buffer = sizeof end;
    return TRUE;
}

static void source_skip(j_decompress_ptr jpeg, long count) {
    if (count > 0) {
        if ((size_t)count > jpeg->src->bytes_in_buffer) {
            fail_cut(jpeg);
        }
        jpeg->src->next_input_byte += count;
        jpeg->src->bytes_in_buffer -= (size_t)count;
    }
}

/* Zeros at the end are what a disk had in the place of the rest: no data, but for one behind 0xFF,
 * which belongs to it. */
static size_t without_zeros(const uint8_t *bytes, size_t size) {
    size_t end = size;
    while (end > 0 && bytes[end - 1] == 0) {
        end--;
    }
    return end > 0 && end < size && bytes[end - 1] == 0xFF ? end + 1 : end;
}

static void set_source(decoder *d, const uint8_t *bytes, size_t size) {
    d->source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                         .bytes_in_buffer = without_zeros(bytes, size),
                                         .init_source = source_nothing,
                                         .fill_input_buffer = source_ends,
                                         .skip_input_data = source_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = source_nothing};
    d->jpeg.src = &d->source;
    d->jpeg.client_data = d;
    d->size = size;
}

/* Are all scans there, of a file that does not say where it ends? Of a progressive one every
 * coefficient must have had its last bit; of others with several scans, and of arithmetic coding,
 * which takes missing bits for zeros, libjpeg does not tell. */
static bool has_all_scans(decoder *d) {
    if (d->jpeg.arith_code || (!d->jpeg.coef_bits && jpeg_has_multiple_scans(&d->jpeg))) {
        return false;
    }
    for (int c = 0; d->jpeg.coef_bits && c < d->jpeg.num_components; c++) {
        for (int k = 0; k < DCTSIZE2; k++) {
            if (d->jpeg.coef_bits[c][k] != 0) {
                return false;
            }
        }
    }
    return true;
}

static void finish(decoder *d) {
    const bool whole = has_all_scans(d);
    jpeg_finish_decompress(&d->jpeg);
    if (d->past_end && !whole) {
        fail_cut(&d->jpeg);
    }
}

static int most_scans(int64_t pixels) {
    const int64_t scans = MOST_SCANNED_PIXELS / pixels;
    return scans > MOST_SCANS           ? MOST_SCANS
           : scans < ALWAYS_TAKEN_SCANS ? ALWAYS_TAKEN_SCANS
                                        : (int)scans;
}

/* Called between rows of a scan: none is gone through to its end that is too many. */
static void limit_scans(j_common_ptr jpeg) {
    j_decompress_ptr d = (j_decompress_ptr)jpeg;
    const int most = most_scans((int64_t)d->image_width * d->image_height);
    if (d->input_scan_number > most) {
        weld_jpeg_fail(jpeg,
                       "bad JPEG: more than %d scans of %u x %u pixels, which no encoder makes",
                       most, d->image_width, d->image_height);
    }
}

/* a * b / 255, rounded, for a and b in 0..255. */
static unsigned mul_div_255(unsigned a, unsigned b) {
    unsigned t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

/* libjpeg hands over CMYK as stored, and files in use store it inverted: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, int width) {
    for (int x = 0; x < width; x++, in += 4, out += 3) {
        for (int c = 0; c < 3; c++) {
            unsigned light = in[3], ink = mul_div_255(255u - in[c], light);
            out[c] = (uint8_t)(light - ink);
        }
    }
}

/* The next rows, as many as out has. */
static void read_rows(decoder *d, weld_image *out) {
    const JDIMENSION begin = d->jpeg.output_scanline, end = begin + (JDIMENSION)out->height;
    const size_t stride = (size_t)out->width * 3;
    while (d->jpeg.output_scanline < end) {
        uint8_t *to = out->pixels + stride * (d->jpeg.output_scanline - begin);
        if (d->cmyk_row) {
            jpeg_read_scanlines(&d->jpeg, &d->cmyk_row, 1);
            cmyk_to_rgb(d->cmyk_row, to, out->width);
        } else {
            JSAMPROW rows[8];
            JDIMENSION count = 0;
            for (; count < 8 && d->jpeg.output_scanline + count < end; count++, to += stride) {
                rows[count] = to;
            }
            jpeg_read_scanlines(&d->jpeg, rows, count);
        }
    }
}

static weld_status start(decoder *d, int reduction, weld_error *err) {
    int components = d->jpeg.num_components;
    if (components != 1 && components != 3 && components != 4) {
        return weld_fail(err, WELD_ERROR_FORMAT, "JPEG with %d channels: 1, 3 or 4 are supported",
                         components);
    }
    weld_status status =
        weld_image_check_size((int)d->jpeg.image_width, (int)d->jpeg.image_height, err);
    if (!status && components == 4) {
        d->cmyk_row = weld_alloc_raw(d->jpeg.image_width, 4);
        status = d->cmyk_row ? WELD_OK : weld_fail_memory(err, "image row");
    }
    if (!status) {
        d->progress.progress_monitor = limit_scans;
        d->jpeg.progress = &d->progress;
        d->jpeg.out_color_space = components == 4 ? JCS_CMYK : JCS_RGB;
        d->jpeg.scale_num = 1;
        d->jpeg.scale_denom = (unsigned)reduction;
        jpeg_start_decompress(&d->jpeg);
    }
    return status;
}

static weld_status read_whole(decoder *d, weld_image *out, weld_error *err) {
    weld_status status = start(d, 1, err);
    status = status ? status
                    : weld_image_resize_buffer(out, (int)d->jpeg.output_width,
                                               (int)d->jpeg.output_height, err);
    if (!status) {
        read_rows(d, out);
        finish(d);
    }
    return status;
}

/* Columns to decode on each side of those that are wanted: at an edge, libjpeg makes up the colours
 * that its interpolation of a coarser grid of them lacks.
 *
 * valgrind takes the last column of parts at an image's right edge for uninitialised: it does not
 * follow the vector code of libjpeg-turbo. The pixels are those of its plain code, whatever was in
 * memory before; with JSIMD_FORCENONE=1 in the environment valgrind has nothing to say. */
enum { MARGIN = 2 };

/* Have rows hold columns x..x+width-1, and what the decoder must have left of them; returns how
 * many these are. */
static JDIMENSION crop_columns(decoder *d, JDIMENSION x, JDIMENSION width) {
    JDIMENSION left = x < MARGIN ? 0 : x - MARGIN, right = x + width + MARGIN;
    right = right > d->jpeg.output_width ? d->jpeg.output_width : right;
    JDIMENSION count = right - left;
    if (count < d->jpeg.output_width) {
        jpeg_crop_scanline(&d->jpeg, &left, &count);
    }
    return x - left;
}

/* The rest of the file holds rows that nobody wants. They are not decoded, but they must be there:
 * look for the marker of the image's end, or else go through them. */
static void find_end(decoder *d) {
    const uint8_t *at = d->source.next_input_byte, *end = at + d->source.bytes_in_buffer;
    if (!d->past_end && (jpeg_input_complete(&d->jpeg) || d->jpeg.unread_marker == JPEG_EOI)) {
        return;
    }
    while (!d->past_end && (at = memchr(at, 0xFF, (size_t)(end - at))) && ++at < end) {
        if (*at == JPEG_EOI) {
            return;
        }
    }
    const JDIMENSION bytes = d->jpeg.output_width * (JDIMENSION)d->jpeg.out_color_components;
    JSAMPARRAY row =
        d->jpeg.mem->alloc_sarray((j_common_ptr)&d->jpeg, JPOOL_IMAGE, bytes, 1); /* its own */
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        jpeg_read_scanlines(&d->jpeg, row, 1);
    }
    finish(d);
}

/* Whether libjpeg gets the pixels of a part right. Of a progressive file whose last scans are
 * missing it smooths blocks, and takes wrong neighbours where columns were left out. Of a reduced
 * one it mistakes the width of colours that are reduced less than the rest and yet have to be
 * widened. */
static bool can_leave_out(const decoder *d, int reduction) {
    return !d->jpeg.progressive_mode && (reduction == 1 || d->jpeg.max_h_samp_factor <= 2);
}

static weld_status read_part(decoder *d, const weld_rectangle *part, int reduction,
                             weld_image *memory, weld_decoded_part *out, weld_error *err) {
    WELD_TRY(weld_rectangle_check(part, (int)d->jpeg.image_width, (int)d->jpeg.image_height, err));
    WELD_TRY(start(d, reduction, err));
    int x = part->x / reduction, right = (part->x + part->width - 1) / reduction + 1;
    int y = part->y / reduction, bottom = (part->y + part->height - 1) / reduction + 1;
    int extra_columns = x, extra_rows = y, rows = (int)d->jpeg.output_height;
    if (can_leave_out(d, reduction)) {
        extra_columns = (int)crop_columns(d, (JDIMENSION)x, (JDIMENSION)(right - x));
        extra_rows = 0;
        rows = bottom - y;
        jpeg_skip_scanlines(&d->jpeg, (JDIMENSION)y);
    }
    WELD_TRY(weld_image_resize_buffer(memory, (int)d->jpeg.output_width, rows, err));
    read_rows(d, memory);
    if (d->jpeg.output_scanline == d->jpeg.output_height) {
        finish(d);
    } else {
        find_end(d);
    }
    const weld_pixels all = weld_image_pixels(memory);
    const float scale = 1.0f / (float)reduction;
    out->pixels = weld_pixels_crop(&all, extra_columns, extra_rows, right - x, bottom - y);
    out->box[0] = (float)part->x * scale - (float)x;
    out->box[1] = (float)part->y * scale - (float)y;
    out->box[2] = (float)(part->x + part->width) * scale - (float)x;
    out->box[3] = (float)(part->y + part->height) * scale - (float)y;
    return WELD_OK;
}

/* What to do with a JPEG once its header is read. */
typedef struct task {
    weld_image *memory; /* NULL: nothing */
    int *width, *height;
    const weld_rectangle *part; /* NULL: decode the whole image */
    int reduction;
    weld_decoded_part *out; /* of part */
} task;

static weld_status decode(const uint8_t *bytes, size_t size, const task *t, weld_error *err) {
    decoder d = {0};
    d.jpeg.err = weld_jpeg_errors_set(&d.errors, err);
    d.errors.base.error_exit = stop;
    d.errors.base.emit_message = report;
    if (setjmp(d.errors.back) == 0) {
        jpeg_create_decompress(&d.jpeg);
        set_source(&d, bytes, size);
        jpeg_read_header(&d.jpeg, TRUE);
        *t->width = (int)d.jpeg.image_width;
        *t->height = (int)d.jpeg.image_height;
        if (t->part) {
            d.errors.status = read_part(&d, t->part, t->reduction, t->memory, t->out, err);
        } else if (t->memory) {
            d.errors.status = read_whole(&d, t->memory, err);
        }
    }
    jpeg_destroy_decompress(&d.jpeg);
    weld_free(d.cmyk_row);
    return d.errors.status;
}

weld_status weld_decode_jpeg(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                             int *height, weld_error *err) {
    const task t = {.memory = out, .width = width, .height = height};
    return decode(bytes, size, &t, err);
}

weld_status weld_decode_jpeg_part(const uint8_t *bytes, size_t size, const weld_rectangle *part,
                                  int reduction, weld_image *memory, weld_decoded_part *out,
                                  weld_error *err) {
    int width, height;
    const task t = {memory, &width, &height, part, reduction, out};
    return decode(bytes, size, &t, err);
}
