/* Headers of image files; see image_facts.h. */
#define _GNU_SOURCE
#include "images/image_facts.h"

#include <stdint.h>
#include <string.h>

#include "base/locale.h"

/* --- EXIF: a TIFF file of tags -----------------------------------------------------------------
 */

static unsigned get(const uint8_t *at, int bytes, bool big) {
    unsigned value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | at[big ? i : bytes - 1 - i];
    }
    return value;
}

/* Bytes of a whole number of this TIFF type, or 0. BYTE is not among them: to Pillow it is no
 * number, and such an orientation none. */
static int bytes_of(unsigned type) {
    enum { SHORT = 3, LONG = 4, SBYTE = 6, SSHORT = 8, SLONG = 9, IFD = 13 };
    return type == SHORT || type == SSHORT                ? 2
           : type == LONG || type == SLONG || type == IFD ? 4
                                                          : type == SBYTE;
}

static bool begins(const uint8_t *bytes, size_t size, const char *text, size_t length) {
    return size >= length && memcmp(bytes, text, length) == 0;
}

/* The orientation in its first list of tags, or 0. JPEG puts "Exif\0\0" in front; others should
 * not, but do. */
static int read_exif(const uint8_t *tiff, size_t size) {
    enum { TAG = 12, ORIENTATION = 0x0112, PREFIX = 6 };
    while (begins(tiff, size, "Exif\0\0", PREFIX)) {
        tiff += PREFIX;
        size -= PREFIX;
    }
    if (!begins(tiff, size, "II*\0", 4) && !begins(tiff, size, "MM\0*", 4)) {
        return 0;
    }
    bool big = tiff[0] == 'M';
    size_t at = size < 8 ? size : get(tiff + 4, 4, big);
    if (at > size || size - at < 2) {
        return 0;
    }
    unsigned count = get(tiff + at, 2, big);
    for (at += 2; count > 0 && size - at >= TAG; count--, at += TAG) {
        if (get(tiff + at, 2, big) == ORIENTATION) {
            const int bytes = bytes_of(get(tiff + at + 2, 2, big));
            const unsigned values = get(tiff + at + 4, 4, big);
            const bool is_here = bytes && values >= 1 && values <= 4 / (unsigned)bytes;
            const unsigned value = is_here ? get(tiff + at + 8, bytes, big) : 0;
            return value >= 1 && value <= 8 ? (int)value : 0;
        }
    }
    return 0;
}

/* --- Formats ---------------------------------------------------------------------------------- */

/* Is the marker one of a frame's header? */
static bool is_frame(uint8_t marker) {
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* looks_for_end: through all of the file. */
static weld_image_facts read_jpeg(const uint8_t *bytes, size_t size, bool looks_for_end) {
    enum { APP1 = 0xE1, SCAN = 0xDA, END = 0xD9 };
    weld_image_facts facts = {.format = WELD_IMAGE_JPEG};
    size_t at = 2;
    bool has_exif = false;
    while (size - at >= 4 && bytes[at] == 0xFF) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0xFF) { /* padding */
            at++;
            continue;
        }
        size_t length = get(bytes + at + 2, 2, true);
        facts.no_end =
            looks_for_end && marker == SCAN && !memmem(bytes + at, size - at, "\xff\xd9", 2);
        if (marker == SCAN || marker == END || length < 2 || length > size - at - 2) {
            break;
        }
        const uint8_t *body = bytes + at + 4;
        size_t body_size = length - 2;
        if (is_frame(marker) && body_size >= 6) {
            facts.bits = body[0];
            facts.channels = body[5];
        } else if (marker == APP1 && begins(body, body_size, "Exif\0\0", 6) && !has_exif) {
            facts.orientation = read_exif(body, body_size);
            has_exif = body_size > 6; /* the first tells, whatever is in it */
        }
        at += 2 + length;
    }
    return facts;
}

static weld_image_facts read_png(const uint8_t *bytes, size_t size) {
    enum { BITS_AT = 24, COLOUR_AT = 25, PALETTE = 3, COLOUR = 2, ALPHA = 4 };
    weld_image_facts facts = {.format = WELD_IMAGE_PNG, .no_end = true};
    if (size > COLOUR_AT && memcmp(bytes + 12, "IHDR", 4) == 0) {
        uint8_t colour = bytes[COLOUR_AT];
        facts.bits = bytes[BITS_AT];
        facts.channels = colour & COLOUR ? 3 : 1;
        facts.alpha = colour & ALPHA;
        if (colour == PALETTE) { /* the bits are those of its indices */
            facts.bits = 8;
        }
    }
    for (size_t at = 8; size - at >= 12;) {
        size_t length = get(bytes + at, 4, true);
        if (length > size - at - 12) {
            break;
        }
        facts.no_end = facts.no_end && memcmp(bytes + at + 4, "IEND", 4) != 0;
        facts.animated = facts.animated || memcmp(bytes + at + 4, "acTL", 4) == 0;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0) {
            facts.orientation = read_exif(bytes + at + 8, length);
        }
        at += 12 + length;
    }
    return facts;
}

static weld_image_facts read_webp(const uint8_t *bytes, size_t size) {
    enum { ANIMATION = 0x02, ALPHA = 0x10 };
    weld_image_facts facts = {.format = WELD_IMAGE_WEBP, .channels = 3, .bits = 8};
    for (size_t at = 12; size - at >= 8;) {
        size_t length = get(bytes + at + 4, 4, false);
        if (length > size - at - 8) {
            break;
        }
        const uint8_t *body = bytes + at + 8;
        if (memcmp(bytes + at, "VP8X", 4) == 0 && length > 0) {
            facts.alpha = body[0] & ALPHA;
            facts.animated = body[0] & ANIMATION;
        } else if (memcmp(bytes + at, "EXIF", 4) == 0) {
            facts.orientation = read_exif(body, length);
        }
        length += length % 2;
        at += length > size - at - 8 ? size - at : 8 + length;
    }
    return facts;
}

weld_image_facts weld_image_facts_of(const void *data, size_t size) {
    const uint8_t *bytes = data;
    if (begins(bytes, size, "\xff\xd8\xff", 3)) {
        return read_jpeg(bytes, size, true);
    }
    if (begins(bytes, size, "\x89PNG\r\n\x1a\n", 8)) {
        return read_png(bytes, size);
    }
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        return read_webp(bytes, size);
    }
    return (weld_image_facts){0};
}

int weld_image_orientation_of(const void *data, size_t size) {
    const bool is_jpeg = begins(data, size, "\xff\xd8\xff", 3);
    const weld_image_facts facts =
        is_jpeg ? read_jpeg(data, size, false) : weld_image_facts_of(data, size);
    return facts.orientation;
}

bool weld_image_is_deep_grey(const void *bytes, size_t size) {
    const weld_image_facts facts = weld_image_facts_of(bytes, size);
    return facts.format == WELD_IMAGE_PNG && facts.bits == 16 && facts.channels == 1 &&
           !facts.alpha;
}

weld_image_format weld_image_format_of_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return !dot ? WELD_IMAGE_UNKNOWN
           : weld_strcasecmp(dot, ".jpg") == 0 || weld_strcasecmp(dot, ".jpeg") == 0
               ? WELD_IMAGE_JPEG
           : weld_strcasecmp(dot, ".png") == 0  ? WELD_IMAGE_PNG
           : weld_strcasecmp(dot, ".webp") == 0 ? WELD_IMAGE_WEBP
                                                : WELD_IMAGE_UNKNOWN;
}

const char *weld_image_format_text(weld_image_format format) {
    static const char *const texts[] = {"an unknown format", "JPEG", "PNG", "WebP"};
    return texts[format];
}
