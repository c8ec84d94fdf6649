/* Telling the caller of a run something that a person should know. */
#ifndef WELD_TRAIN_SAY_H
#define WELD_TRAIN_SAY_H

#include "weld/train.h"

/* Call callbacks.message, if there is one, with one line. */
void weld_train_say(const weld_train_settings *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each line of a text. */
void weld_train_say_lines(const weld_train_settings *s, const char *text);

/* Whether callbacks.stop says so. */
bool weld_train_stop_asked(const weld_train_settings *s);

#endif
