/* XML files of VOC's kind; see voc_file.h. */
#include "datasets/voc_file.h"

#include <expat.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"

enum { LARGEST = 64 << 20, /* bytes */ LONGEST = 4096 /* of a text */, DEEP = 4 };

/* Elements are annotation / object / bndbox / xmin: what is deeper, and parts of objects, are
 * passed over. */
typedef struct parsing {
    XML_Parser parser;
    weld_voc_file *out;
    int depth;
    char names[DEEP + 1][16]; /* of the elements that are open; longer ones do not matter */
    weld_text text;           /* of the innermost */
    const char *problem;
    bool no_memory;
} parsing;

#define CORNER_NAMES "xmin", "ymin", "xmax", "ymax"

static void stop(parsing *p, const char *problem) {
    p->problem = p->problem ? p->problem : problem;
    XML_StopParser(p->parser, XML_FALSE);
}

static void stop_for_memory(parsing *p) {
    p->no_memory = true;
    XML_StopParser(p->parser, XML_FALSE);
}

static bool is_in(const parsing *p, int depth, const char *name) {
    return strcmp(p->names[depth], name) == 0;
}

/* Note a member of an object, of which there is one. */
static void see_member(parsing *p) {
    static const char *const members[] = {"name", "difficult", "bndbox", CORNER_NAMES};
    enum { CORNERS = 3 /* the first of them */ };
    weld_voc_object *o = (weld_voc_object *)p->out->objects.data + p->out->objects.count - 1;
    const bool is_corner = p->depth == 4 && is_in(p, 3, "bndbox");
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++) {
        if ((i < CORNERS ? p->depth == 3 : is_corner) && is_in(p, p->depth, members[i])) {
            if (o->seen & 1u << i && !*o->twice) {
                weld_snprintf(o->twice, sizeof o->twice, "%s", members[i]);
            }
            o->seen |= 1u << i;
        }
    }
}

static void XMLCALL begin(void *arg, const XML_Char *name, const XML_Char **attributes) {
    parsing *p = arg;
    (void)attributes;
    p->depth++;
    p->text.bytes.count = 0;
    if (p->depth > DEEP) {
        return;
    }
    weld_snprintf(p->names[p->depth], sizeof p->names[0], "%s", name);
    if (p->depth == 1 && !is_in(p, 1, "annotation")) {
        stop(p, "an annotation is expected (<annotation>)");
    } else if (p->depth == 2 && is_in(p, 2, "object")) {
        const weld_voc_object object = {.line = XML_GetCurrentLineNumber(p->parser)};
        if (!weld_array_append(&p->out->objects, &object, 1)) {
            stop_for_memory(p);
        }
    } else if (p->depth > 2 && is_in(p, 2, "object")) {
        see_member(p);
    } else if (p->depth == 2 && is_in(p, 2, "size")) {
        p->out->size_line = XML_GetCurrentLineNumber(p->parser);
    }
}

static void XMLCALL add_text(void *arg, const XML_Char *text, int length) {
    parsing *p = arg;
    if (p->depth > DEEP || p->text.bytes.count + (size_t)length > LONGEST) {
        return;
    }
    weld_text_add_bytes(&p->text, text, (size_t)length);
    if (p->text.failed) {
        stop_for_memory(p);
    }
}

/* The text without white space around it. */
static const char *trimmed(parsing *p) {
    weld_array *bytes = &p->text.bytes;
    char *text;
    while (bytes->count && strchr(" \t\r\n", ((const char *)bytes->data)[bytes->count - 1])) {
        bytes->count--;
    }
    text = (char *)(uintptr_t)weld_text_get(&p->text);
    return text + strspn(text, " \t\r\n");
}

static double number(const char *text) {
    char *end;
    const double value = weld_strtod(text, &end);
    return end > text && !*end && isfinite(value) ? value : NAN;
}

/* An empty text is as if it was not there. */
static void read_difficult(const char *text, weld_voc_object *o) {
    const double value = number(text);
    o->difficult = value == 1 || weld_strcasecmp(text, "true") == 0;
    o->odd_difficult = *text && !o->difficult && value != 0 && weld_strcasecmp(text, "false") != 0;
}

static void keep(parsing *p, const char *text, size_t *at, bool *has) {
    if (*has || !*text) {
        return;
    }
    *at = p->out->texts.count;
    *has = true;
    if (!weld_array_append_text(&p->out->texts, text)) {
        stop_for_memory(p);
    }
}

static void end_of_object_member(parsing *p, const char *text) {
    static const char *const corners[] = {CORNER_NAMES};
    weld_voc_object *o = (weld_voc_object *)p->out->objects.data + p->out->objects.count - 1;
    if (p->depth == 3 && is_in(p, 3, "name")) {
        keep(p, text, &o->name, &o->has_name);
    } else if (p->depth == 3 && is_in(p, 3, "difficult")) {
        read_difficult(text, o);
    }
    for (int i = 0; p->depth == 4 && is_in(p, 3, "bndbox") && i < 4; i++) {
        if (is_in(p, 4, corners[i])) {
            o->corners[i] = number(text);
            o->has_corner[i] = true;
        }
    }
}

static void XMLCALL end(void *arg, const XML_Char *name) {
    parsing *p = arg;
    (void)name;
    if (p->problem || p->no_memory) { /* the parser may tell a little more before it stops */
        return;
    }
    if (p->depth >= 2 && p->depth <= DEEP) {
        const char *text = trimmed(p);
        if (is_in(p, 2, "object")) {
            end_of_object_member(p, text);
        } else if (p->depth == 2 && is_in(p, 2, "filename")) {
            keep(p, text, &p->out->image, &p->out->has_image);
        } else if (p->depth == 3 && is_in(p, 2, "size") && is_in(p, 3, "width")) {
            p->out->width = *text ? number(text) : 0;
        } else if (p->depth == 3 && is_in(p, 2, "size") && is_in(p, 3, "height")) {
            p->out->height = *text ? number(text) : 0;
        }
    }
    p->depth--;
    p->text.bytes.count = 0;
}

static void XMLCALL refuse_entity(void *arg, const XML_Char *name, int is_parameter,
                                  const XML_Char *value, int length, const XML_Char *base,
                                  const XML_Char *system, const XML_Char *public_id,
                                  const XML_Char *notation) {
    (void)name, (void)is_parameter, (void)value, (void)length, (void)base, (void)system;
    (void)public_id, (void)notation;
    stop(arg, "entities are declared, which no annotation needs");
}

/* Is it what a file that was cut off ends with? */
static bool is_early_end(enum XML_Error error) {
    return error == XML_ERROR_NO_ELEMENTS || error == XML_ERROR_UNCLOSED_TOKEN ||
           error == XML_ERROR_PARTIAL_CHAR || error == XML_ERROR_UNCLOSED_CDATA_SECTION;
}

static weld_status fail_early_end(const parsing *p, const char *path, size_t size,
                                  weld_error *err) {
    const int depth = p->depth < DEEP ? p->depth : DEEP;
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s:%llu: the file ends early, after %zu bytes, %s%s%s: was it cut off?", path,
                     (unsigned long long)XML_GetCurrentLineNumber(p->parser), size,
                     depth ? "within <" : "before an annotation", depth ? p->names[depth] : "",
                     depth ? ">" : "");
}

static weld_status parse(parsing *p, const char *path, const char *text, size_t size,
                         weld_error *err) {
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, begin, end);
    XML_SetCharacterDataHandler(p->parser, add_text);
    XML_SetEntityDeclHandler(p->parser, refuse_entity);
    if (XML_Parse(p->parser, text, (int)size, 1) == XML_STATUS_OK && !p->no_memory) {
        return WELD_OK;
    }
    const enum XML_Error error = XML_GetErrorCode(p->parser);
    if (p->no_memory || error == XML_ERROR_NO_MEMORY) {
        return weld_fail_memory(err, path);
    }
    if (!p->problem && is_early_end(error)) {
        return fail_early_end(p, path, size, err);
    }
    return weld_fail(
        err, WELD_ERROR_FORMAT, "%s:%llu: %s%s", path,
        (unsigned long long)XML_GetCurrentLineNumber(p->parser),
        p->problem ? "" : "not XML: ", p->problem ? p->problem : XML_ErrorString(error));
}

weld_status weld_voc_file_read(const char *path, weld_voc_file *out, weld_error *err) {
    void *text;
    size_t size;
    out->texts.count = out->objects.count = 0;
    out->has_image = false;
    out->width = out->height = 0;
    out->size_line = 0;
    weld_status status = weld_file_read(path, LARGEST, &text, &size, err);
    if (status) {
        return status;
    }
    parsing p = {.out = out, .text = WELD_TEXT, .parser = XML_ParserCreate(NULL)};
    status = p.parser ? parse(&p, path, text, size, err) : weld_fail_memory(err, path);
    if (p.parser) {
        XML_ParserFree(p.parser);
    }
    weld_text_free(&p.text);
    weld_free(text);
    return status;
}

void weld_voc_file_free(weld_voc_file *f) {
    weld_array_free(&f->texts);
    weld_array_free(&f->objects);
}
