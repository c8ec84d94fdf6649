/* What C's library does by the locale of the host, done as the locale "C" has it: files, recipes
 * and messages have points in their numbers wherever weld runs, and reading them takes points. The
 * host's locale is as it was after each call, also for other threads. scripts/check_locale keeps
 * the library from using C's own. */
#ifndef WELD_BASE_LOCALE_H
#define WELD_BASE_LOCALE_H

#include <stdarg.h>
#include <stddef.h>

int weld_vsnprintf(char *text, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
int weld_snprintf(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
double weld_strtod(const char *text, char **end);
float weld_strtof(const char *text, char **end);

/* Letters are those of ASCII. */
int weld_strcasecmp(const char *a, const char *b);
int weld_strncasecmp(const char *a, const char *b, size_t size);

#endif
