/* The files that are being written beside their final place and are not there yet, for a program
 * that a signal ends and that wants none of them left. The list needs no lock and no memory, and
 * this library installs no handler: without one it is read by nobody. */
#ifndef WELD_FORMATS_UNFINISHED_H
#define WELD_FORMATS_UNFINISHED_H

#include <signal.h>

/* Signals to this thread wait between the two: for while a file is made and listed, so that a
 * handler finds both or neither. */
void weld_unfinished_hold(sigset_t *before);
void weld_unfinished_release(const sigset_t *before);

/* Its place in the list; negative: there was none (many files at once), and it is not listed. */
int weld_unfinished_add(const char *path);

/* What takes a file off the list: rename(2), when it succeeds, and unlink(2). */
int weld_unfinished_rename(int place, const char *path, const char *to);
void weld_unfinished_discard(int place, const char *path);

/* Unlink all that are listed. For handlers of signals, in a program that ends afterwards. */
void weld_unfinished_unlink(void);

#endif
