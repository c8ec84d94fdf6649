/* Linked with the program: it begins in the locale of the environment, where 0.5 is "0,5" and
 * small letters may be others, as a program that uses the library may. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void go_abroad(void) {
    if (!setlocale(LC_ALL, "") || *localeconv()->decimal_point != ',') {
        fputs("abroad: no locale with a decimal comma\n", stderr);
        exit(99);
    }
}
