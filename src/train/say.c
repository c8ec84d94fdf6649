/* Messages to the caller of a run; see say.h. */
#include "train/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/locale.h"
#include "base/text.h"

void weld_train_say(const weld_train_settings *s, const char *format, ...) {
    const weld_train_callbacks *c = &s->callbacks;
    if (c->message) {
        char text[WELD_ERROR_MESSAGE_SIZE];
        va_list args;
        va_start(args, format);
        weld_vsnprintf(text, sizeof text, format, args);
        va_end(args);
        c->message(c->context, text);
    }
}

void weld_train_say_lines(const weld_train_settings *s, const char *text) {
    while (*text) {
        char line[WELD_ERROR_MESSAGE_SIZE];
        text = weld_take_line(text, line, sizeof line);
        weld_train_say(s, "%s", line);
    }
}

bool weld_train_stop_asked(const weld_train_settings *s) {
    const weld_train_callbacks *c = &s->callbacks;
    return c->stop && c->stop(c->context);
}
