/* Kinds of files that people have where others are meant; see foreign.h. */
#include "formats/foreign.h"

#include <string.h>

#define MARK(at, text) at, text, sizeof text - 1

/* The first row that fits counts. */
static const struct {
    size_t at;
    const char *mark;
    size_t length;
    const char *text;
} known[] = {
    {MARK(4, "ftypavif"), "an AVIF image"},
    {MARK(4, "ftypavis"), "an AVIF image"},
    {MARK(4, "ftyphei"), "a HEIC image"},
    {MARK(4, "ftyphev"), "a HEIC image"},
    {MARK(4, "ftypmif1"), "a HEIC or AVIF image"},
    {MARK(4, "ftypmsf1"), "a HEIC or AVIF image"},
    {MARK(4, "ftyp"), "a film (MP4, QuickTime)"},
    {MARK(0, "GIF8"), "a GIF image"},
    {MARK(0, "BM"), "a BMP image"},
    {MARK(0, "II*\0"), "a TIFF image"},
    {MARK(0, "MM\0*"), "a TIFF image"},
    {MARK(0, "II+\0"), "a TIFF image"},
    {MARK(0, "\0\0\0\x0cjP  "), "a JPEG 2000 image"},
    {MARK(0, "\xff\x4f\xff\x51"), "a JPEG 2000 image"},
    {MARK(0, "\0\0\0\x0cJXL "), "a JPEG XL image"},
    {MARK(0, "\xff\x0a"), "a JPEG XL image"},
    {MARK(0, "8BPS"), "a Photoshop image"},
    {MARK(0, "\0\0\1\0"), "an icon (ICO)"},
    {MARK(0, "P5"), "a PGM image"},
    {MARK(0, "P6"), "a PPM image"},
    {MARK(0, "<svg"), "an SVG drawing"},
    {MARK(0, "<?xml"), "an XML file"},
    {MARK(0, "<!DOCTYPE"), "an HTML page (of an error, perhaps, in the place of a download)"},
    {MARK(0, "<!doctype"), "an HTML page (of an error, perhaps, in the place of a download)"},
    {MARK(0, "<html"), "an HTML page (of an error, perhaps, in the place of a download)"},
    {MARK(0, "<HTML"), "an HTML page (of an error, perhaps, in the place of a download)"},
    {MARK(0, "version https://git-lfs"),
     "a Git LFS pointer in the place of the file (git lfs pull fetches it)"},
    {MARK(0, "%PDF"), "a PDF document"},
    {MARK(0, "PK\x03\x04"), "a ZIP archive"},
};

const char *weld_foreign_text(const void *bytes, size_t size) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (size >= known[i].at + known[i].length &&
            memcmp((const char *)bytes + known[i].at, known[i].mark, known[i].length) == 0) {
            return known[i].text;
        }
    }
    return NULL;
}
