/* The locale "C" for the length of a call; see locale.h. */
#define _GNU_SOURCE
#include "base/locale.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t plain;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* glibc and musl have this one ready, and cannot fail. */
static void make_plain(void) {
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Of this thread; returns what it had. */
static locale_t enter(void) {
    pthread_once(&once, make_plain);
    return uselocale(plain);
}

int weld_vsnprintf(char *text, size_t size, const char *format, va_list args) {
    const locale_t host = enter();
    const int length = vsnprintf(text, size, format, args);
    uselocale(host);
    return length;
}

int weld_snprintf(char *text, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = weld_vsnprintf(text, size, format, args);
    va_end(args);
    return length;
}

double weld_strtod(const char *text, char **end) {
    const locale_t host = enter();
    const double value = strtod(text, end);
    uselocale(host);
    return value;
}

float weld_strtof(const char *text, char **end) {
    const locale_t host = enter();
    const float value = strtof(text, end);
    uselocale(host);
    return value;
}

static int small(char letter) {
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : (unsigned char)letter;
}

int weld_strncasecmp(const char *a, const char *b, size_t size) {
    for (; size > 0; a++, b++, size--) {
        if (small(*a) != small(*b) || !*a) {
            return small(*a) - small(*b);
        }
    }
    return 0;
}

int weld_strcasecmp(const char *a, const char *b) {
    return weld_strncasecmp(a, b, SIZE_MAX);
}
