/* Kinds of files by their first bytes; see file_kind.h. */
#define _GNU_SOURCE
#include "formats/file_kind.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "formats/file.h"
#include "formats/foreign.h"
#include "formats/store_layout.h"
#include "formats/tar.h"

enum { LOOK = 4096 };

static bool begins(const unsigned char *bytes, size_t size, const char *text, size_t length) {
    return size >= length && memcmp(bytes, text, length) == 0;
}

/* HDF5 looks for its signature at 0, 512, 1024, ... */
static bool is_hdf5(const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at < size; at = at ? 2 * at : 512) {
        if (begins(bytes + at, size - at, "\x89HDF\r\n\x1a\n", 8)) {
            return true;
        }
    }
    return false;
}

/* Eight bytes of length (below 100 MB), then a JSON object. */
static bool is_safetensors(const unsigned char *bytes, size_t size) {
    return size > 8 && bytes[8] == '{' && memcmp(bytes + 4, "\0\0\0\0", 4) == 0 && bytes[3] < 8;
}

/* A JSON object with this member among its first. */
static bool is_shard_index(const unsigned char *bytes, size_t size) {
    static const char member[] = "\"weight_map\"";
    return size > 0 && bytes[0] == '{' && memmem(bytes, size, member, sizeof member - 1);
}

/* Before PyTorch's files were archives, they began with this number of ten bytes as a pickle. */
static bool is_old_pytorch(const unsigned char *bytes, size_t size) {
    static const char number[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const size_t length = sizeof number - 1, protocol = 2, frame = 9;
    if (size < protocol + frame + length || bytes[0] != 0x80) {
        return false;
    }
    return memcmp(bytes + protocol, number, length) == 0 ||
           memcmp(bytes + protocol + frame, number, length) == 0;
}

/* A ModelProto without any mark of its own: its first field is ir_version, a small number, and then
 * comes producer_name, opset_import or graph. */
static bool is_onnx(const unsigned char *bytes, size_t size) {
    enum { IR_VERSION = 0x08, PRODUCER_NAME = 0x12, GRAPH = 0x3a, OPSET_IMPORT = 0x42 };
    return size > 16 && bytes[0] == IR_VERSION && bytes[1] > 0 && bytes[1] < 32 &&
           (bytes[2] == PRODUCER_NAME || bytes[2] == GRAPH || bytes[2] == OPSET_IMPORT);
}

/* What files of a kind begin with. */
static const struct {
    weld_file_kind kind;
    const char *text;
} marks[] = {{WELD_FILE_PACKED, "weld-pack"},
             {WELD_FILE_PTH, "PK\x03\x04"},
             {WELD_FILE_NPY, "\x93NUMPY"},
             {WELD_FILE_JPEG, "\xff\xd8\xff"},
             {WELD_FILE_PNG, "\x89PNG\r\n\x1a\n"}};

static weld_file_kind kind_of_bytes(const unsigned char *bytes, size_t size) {
    weld_store_header header;
    if (weld_store_header_decode(bytes, size, &header)) {
        return strcmp(header.kind, "checkpoint") == 0 ? WELD_FILE_CHECKPOINT
               : strcmp(header.kind, "deploy") == 0 || strcmp(header.kind, "deploy-int8") == 0
                   ? WELD_FILE_DEPLOY
                   : WELD_FILE_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (begins(bytes, size, marks[i].text, strlen(marks[i].text))) {
            return marks[i].kind;
        }
    }
    if (is_hdf5(bytes, size)) {
        return WELD_FILE_HDF5;
    }
    if (is_old_pytorch(bytes, size)) {
        return WELD_FILE_PICKLE;
    }
    if (size >= 12 && begins(bytes, size, "RIFF", 4) && begins(bytes + 8, size - 8, "WEBP", 4)) {
        return WELD_FILE_WEBP;
    }
    if (size >= WELD_TAR_BLOCK && weld_tar_is_header(bytes)) {
        return WELD_FILE_TAR;
    }
    const char *undo;
    if (weld_compression(bytes, size, &undo)) {
        return WELD_FILE_COMPRESSED;
    }
    if (is_safetensors(bytes, size)) {
        return WELD_FILE_SAFETENSORS;
    }
    if (is_shard_index(bytes, size)) {
        return WELD_FILE_SHARDS;
    }
    return is_onnx(bytes, size) ? WELD_FILE_ONNX : WELD_FILE_UNKNOWN;
}

/* The first bytes, as many as there are up to LOOK; *count is 0 where it cannot be read. */
static weld_status read_first(const char *path, unsigned char bytes[LOOK], size_t *count,
                              weld_error *err) {
    int descriptor;
    uint64_t size;
    *count = 0;
    WELD_TRY(weld_file_open(path, &descriptor, &size, err));
    const size_t look = size < LOOK ? (size_t)size : LOOK;
    const weld_status status = weld_file_read_at(descriptor, path, bytes, look, 0, err);
    close(descriptor);
    *count = status ? 0 : look;
    return status;
}

static size_t look_at(const char *path, unsigned char bytes[LOOK]) {
    size_t count;
    read_first(path, bytes, &count, NULL);
    return count;
}

weld_status weld_file_kind_read(const char *path, weld_file_kind *kind, weld_error *err) {
    unsigned char bytes[LOOK];
    size_t count;
    WELD_TRY(read_first(path, bytes, &count, err));
    *kind = kind_of_bytes(bytes, count);
    return WELD_OK;
}

weld_file_kind weld_file_kind_of(const char *path) {
    struct stat info;
    unsigned char bytes[LOOK];
    if (weld_file_look(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return WELD_FILE_FOLDER;
    }
    return kind_of_bytes(bytes, look_at(path, bytes));
}

const char *weld_file_text(const char *path) {
    unsigned char bytes[LOOK];
    const weld_file_kind kind = weld_file_kind_of(path);
    const char *text =
        kind == WELD_FILE_UNKNOWN ? weld_foreign_text(bytes, look_at(path, bytes)) : NULL;
    return text ? text : weld_file_kind_text(kind);
}

const char *weld_file_kind_text(weld_file_kind kind) {
    static const char *const texts[] = {
        [WELD_FILE_UNKNOWN] = "a file of unknown kind",
        [WELD_FILE_CHECKPOINT] = "a training checkpoint of weld",
        [WELD_FILE_DEPLOY] = "a deploy file of weld",
        [WELD_FILE_PACKED] = "a packed data set of weld",
        [WELD_FILE_HDF5] = "an HDF5 file of another program",
        [WELD_FILE_PTH] = "a ZIP archive, perhaps a PyTorch .pth file",
        [WELD_FILE_PICKLE] = "a PyTorch file of the old format",
        [WELD_FILE_SAFETENSORS] = "a safetensors file",
        [WELD_FILE_SHARDS] = "an index of files of tensors",
        [WELD_FILE_ONNX] = "an ONNX file, which weld writes but does not read",
        [WELD_FILE_NPY] = "a NumPy array",
        [WELD_FILE_JPEG] = "a JPEG image",
        [WELD_FILE_PNG] = "a PNG image",
        [WELD_FILE_WEBP] = "a WebP image",
        [WELD_FILE_TAR] = "a tar archive",
        [WELD_FILE_COMPRESSED] = "a compressed file",
        [WELD_FILE_FOLDER] = "a folder",
    };
    return texts[kind];
}
