/* What has become of a loop that several threads share, in one word that they change by one atomic
 * addition (pool.c): from the highest bit, whether it is open; how many threads have joined it, the
 * caller, number 0, among them; how many items were taken from its end; how many from its
 * beginning. Threads of even number take from the beginning and those of odd number from the end.
 * Who adds an item where all are taken has none: so each thread may count one too many. */
#ifndef WELD_BASE_TICKET_H
#define WELD_BASE_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/threads.h"

#define WELD_TICKET_OPEN ((uint64_t)1 << 63)
#define WELD_TICKET_JOINED ((uint64_t)1 << 48)   /* a thread more */
#define WELD_TICKET_FROM_END ((uint64_t)1 << 24) /* an item from the end; else 1 */
#define WELD_TICKET_COUNT (WELD_TICKET_FROM_END - 1)
/* Items that a loop may have. */
#define WELD_TICKET_MOST ((int64_t)WELD_TICKET_COUNT - WELD_THREADS_MAX)

/* Open, with the caller. */
#define WELD_TICKET_BEGIN (WELD_TICKET_OPEN + WELD_TICKET_JOINED)

/* What a thread adds for an item. */
static inline uint64_t weld_ticket_one(int thread) {
    return thread % 2 ? WELD_TICKET_FROM_END : 1;
}

static inline int64_t weld_ticket_taken(uint64_t ticket) {
    return (int64_t)((ticket & WELD_TICKET_COUNT) +
                     (ticket / WELD_TICKET_FROM_END & WELD_TICKET_COUNT));
}

/* The item, of count, that the thread has who added it to such a ticket, if not all were taken. */
static inline int64_t weld_ticket_item(uint64_t ticket, int64_t count, int thread) {
    return thread % 2 ? count - 1 - (int64_t)(ticket / WELD_TICKET_FROM_END & WELD_TICKET_COUNT)
                      : (int64_t)(ticket & WELD_TICKET_COUNT);
}

/* Threads that have joined: the number of the next. */
static inline int weld_ticket_joined(uint64_t ticket) {
    return (int)((ticket & ~WELD_TICKET_OPEN) / WELD_TICKET_JOINED);
}

static inline bool weld_ticket_wants(uint64_t ticket, int64_t count, int threads) {
    return ticket & WELD_TICKET_OPEN && weld_ticket_taken(ticket) < count &&
           weld_ticket_joined(ticket) < threads;
}

#endif
