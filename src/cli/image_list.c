/* Arguments to images; see image_list.h. */
#include "cli/image_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/folder.h"
#include "formats/file.h"

static weld_status add_path(cli_image_list *list, const char *folder, const char *name,
                            weld_error *err) {
    list->count++;
    return (!*folder || (weld_array_append(&list->texts, folder, strlen(folder)) &&
                         weld_array_append(&list->texts, "/", 1))) &&
                   weld_array_append_text(&list->texts, name)
               ? WELD_OK
               : weld_fail_memory(err, "list of images");
}

static weld_status add_listing(cli_image_list *list, const char *folder, const weld_listing *l,
                               weld_error *err) {
    weld_text passed = WELD_TEXT;
    weld_listing_tell(l, &passed);
    if (*weld_text_get(&passed)) {
        fprintf(stderr, "note: %s: %s\n", folder, weld_text_get(&passed));
    }
    weld_text_free(&passed);
    for (size_t i = 0; i < l->samples.count; i++) {
        WELD_TRY(add_path(list, folder, weld_listing_name(l, (int64_t)i), err));
    }
    return WELD_OK;
}

static weld_status add_folder(cli_image_list *list, const char *path, weld_error *err) {
    const weld_listing_options options = {.skipped = NULL};
    weld_listing listing;
    char *folder = weld_strdup(path);
    if (!folder) {
        return weld_fail_memory(err, path);
    }
    for (size_t end = strlen(folder); end > 1 && folder[end - 1] == '/';) {
        folder[--end] = '\0';
    }
    weld_status status = weld_folder_list(folder, &options, &listing, err);
    if (!status && !listing.samples.count) {
        status = weld_fail(err, WELD_ERROR_NOT_FOUND,
                           "%s: there is no JPEG, PNG or WebP image in this folder", folder);
    }
    status = status ? status : add_listing(list, folder, &listing, err);
    weld_listing_free(&listing);
    weld_free(folder);
    return status;
}

static weld_status add(cli_image_list *list, const char *path, weld_error *err) {
    struct stat info;
    return weld_file_look(path, &info) == 0 && S_ISDIR(info.st_mode)
               ? add_folder(list, path, err)
               : add_path(list, "", path, err);
}

static weld_status add_lines(cli_image_list *list, FILE *file, weld_error *err) {
    char *line = NULL;
    size_t room = 0;
    weld_status status = WELD_OK;
    while (!status && getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        status = *line ? add(list, line, err) : WELD_OK;
    }
    if (!status && ferror(file)) {
        status = weld_fail(err, WELD_ERROR_IO, "standard input: cannot be read");
    }
    free(line);
    return status;
}

weld_status cli_image_list_make(char *const *arguments, int count, cli_image_list *out,
                                weld_error *err) {
    *out = (cli_image_list){.texts.element = 1};
    for (int i = 0; i < count; i++) {
        WELD_TRY(strcmp(arguments[i], "-") == 0 ? add_lines(out, stdin, err)
                                                : add(out, arguments[i], err));
    }
    if (!out->count) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "standard input: names no image");
    }
    out->paths = weld_alloc(out->count, sizeof *out->paths);
    if (!out->paths) {
        return weld_fail_memory(err, "list of images");
    }
    const char *text = out->texts.data;
    for (size_t i = 0; i < out->count; i++, text += strlen(text) + 1) {
        out->paths[i] = text;
    }
    return WELD_OK;
}

void cli_image_list_free(cli_image_list *list) {
    weld_free(list->paths);
    weld_array_free(&list->texts);
}
