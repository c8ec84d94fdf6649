/* Time. */
#ifndef WELD_BASE_CLOCK_H
#define WELD_BASE_CLOCK_H

/* Seconds since some fixed point, never going back. */
double weld_clock(void);
/* Seconds that the calling thread has had of cpus: those in which others ran do not count. */
double weld_thread_clock(void);

#endif
