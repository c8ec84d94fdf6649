/* What kind of file is this? Told by content, never by name, for good error messages and for
 * commands that take files of several kinds. */
#ifndef WELD_FORMATS_FILE_KIND_H
#define WELD_FORMATS_FILE_KIND_H

#include "weld/status.h"

typedef enum weld_file_kind {
    WELD_FILE_UNKNOWN, /* also: cannot be read */
    WELD_FILE_CHECKPOINT,
    WELD_FILE_DEPLOY,
    WELD_FILE_PACKED,
    WELD_FILE_HDF5, /* not written by weld */
    WELD_FILE_PTH,  /* a ZIP archive, which is what PyTorch saves */
    WELD_FILE_PICKLE,
    WELD_FILE_SAFETENSORS,
    WELD_FILE_SHARDS, /* the index of several */
    WELD_FILE_ONNX,
    WELD_FILE_NPY,
    WELD_FILE_JPEG,
    WELD_FILE_PNG,
    WELD_FILE_WEBP,
    WELD_FILE_TAR,
    WELD_FILE_COMPRESSED, /* by gzip, xz and the like */
    WELD_FILE_FOLDER
} weld_file_kind;

/* Looks at the first 4096 bytes; says nothing about whether the rest is in order. */
weld_file_kind weld_file_kind_of(const char *path);
/* The same of a regular file; one that cannot be read is an error. */
weld_status weld_file_kind_read(const char *path, weld_file_kind *kind, weld_error *err);
/* For messages, of a file that may be no kind of these: "a JPEG image", "a GIF image". */
const char *weld_file_text(const char *path);
/* "a training checkpoint of weld", "a JPEG image", "a file of unknown kind". */
const char *weld_file_kind_text(weld_file_kind kind);

#endif
