/* Monotonic time. */
#ifndef WELD_BASE_CLOCK_H
#define WELD_BASE_CLOCK_H

/* Seconds since some fixed point, never going back. */
double weld_clock(void);

#endif
