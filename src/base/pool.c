/* The pool of threads behind weld_parallel; see threads.h.
 *
 * A loop is a `call` in a slot that is never freed. Its ticket (ticket.h) says in one word whether
 * it is open, how many have joined it and how many items were taken, so an item is taken with one
 * atomic addition, and nobody waits for a member but for the items that it has taken. A member
 * counts itself in before it looks at a slot, and a slot is not used again while somebody is in: so
 * a member that was put aside between looking and taking can hold nothing up, and finds the call
 * closed.
 *
 * The caller takes items from the beginning and the first member from the end: of two loops over
 * the same rows, one after the other, each finds in its own cache most of what it reads. From one
 * end alone they would take items in turn, and every row would lie in the other's cache.
 *
 * What adapts is a member's `share`, the part of the time that it may work; on a quiet machine 1.
 * When the caller has waited for a member's last item for much longer than its own items take, the
 * member was put aside with it (for another process, by a cgroup's quota, by the host of a virtual
 * machine). If that lost more than half of what the call gained by its members, the share falls by
 * a fifth; it grows by a percent for each millisecond of work. With a share below 1 a member rests
 * after a fraction of a millisecond, in proportion, and so stays below the part of the cpu that the
 * scheduler owes it: which is why it then gets the cpu at once when it wants it, and keeps it for
 * its item. Where a member is of no use at all it rests nearly all of the time. A member that finds
 * itself on the caller's cpu goes to another. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/ticket.h"

enum { MEMBERS = WELD_THREADS_MAX - 1, CALLS = 256 };

/* Of a member, in bytes: kernels want some 200 KB, and a program's own default may be less. */
#define STACK ((size_t)2 << 20)

#define HIRE_AGAIN 1.0 /* seconds after a thread could not be had */

/* Seconds, measured on two cpus of a virtual machine, where waking a thread takes some 20 us. */
#define SPIN 200e-6      /* what a member waits for the next call before it sleeps */
#define CALLER_SPIN 1e-3 /* what the caller waits for others' items: asleep it may lose its cpu */
#define BURST 200e-6     /* what a member with a share below 1 works before it rests */
#define LATE 500e-6      /* more than the caller's items take: the member was put aside */
#define LONGEST_REST 0.05

/* Shares: the change for an item that came late, and for a second of work. */
#define LOSS 0.8F
#define GAIN 10.0
#define LEAST 0.03F

typedef struct call {
    _Alignas(128) _Atomic uint64_t ticket;
    atomic_int inside; /* members that look at it */
    atomic_bool used;
    weld_parallel_body run;
    void *arg;
    int64_t first, count; /* items */
    int threads;
    int cpu; /* where the caller was */
    pid_t caller;
    _Alignas(128) _Atomic int64_t done; /* items, by members */
    atomic_int last;                    /* the member that was done last */
    atomic_bool waiting;                /* the caller, for `finished` */
    sem_t finished;
} call;

typedef struct member {
    _Alignas(128) atomic_bool asleep; /* until somebody clears it and posts `wake` */
    sem_t wake;
    _Atomic float share;
    int next; /* call to look at */
} member;

static struct pool {
    pthread_mutex_t lock;                  /* of hiring */
    _Alignas(128) _Atomic uint32_t posted; /* calls so far */
    atomic_int asleep;                     /* members */
    atomic_int cpu;                        /* that the last caller was on */
    _Alignas(128) atomic_int working;      /* callers and members that have joined them */
    _Alignas(128) atomic_int members;
    _Atomic double hire_from; /* the time */
    atomic_int calls;         /* the slots that were ever used are the first ones */
    call call[CALLS];
    member member[MEMBERS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool within; /* an item of some call */
static _Thread_local int slot;    /* that the thread used last */
static _Thread_local pid_t self;
static _Thread_local weld_threads_use use;
static _Thread_local const weld_parallel_recorder *recorder;

/* --- Members ---------------------------------------------------------------------------------- */

static void relax(void) {
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

static void wait_for(sem_t *s) {
    while (sem_wait(s)) { /* a signal */
    }
}

/* Items of c until there are none, the first of which has been taken with such a ticket; their
 * number. */
static int64_t take_items(call *c, uint64_t ticket, int thread) {
    int64_t did = 0;
    within = true;
    for (; weld_ticket_taken(ticket) < c->count; did++) {
        c->run(c->arg, c->first + weld_ticket_item(ticket, c->count, thread), thread);
        ticket = atomic_fetch_add(&c->ticket, weld_ticket_one(thread));
    }
    within = false;
    return did;
}

/* What joining a call came to. */
typedef enum joining {
    JOINED_NONE, /* it is closed, or needs nobody */
    JOINED_WORKED,
    JOINED_COLLIDED /* the caller had to stop for this member: it runs on the same cpu */
} joining;

/* Let another thread in only while there are cpus for it. */
static bool begin_working(void) {
    if (atomic_fetch_add(&pool.working, 1) <=
        atomic_load_explicit(&pool.members, memory_order_relaxed)) {
        return true;
    }
    atomic_fetch_sub(&pool.working, 1);
    return false;
}

/* What m has taken of c counts as done, and c is told if it waits for that. */
static void hand_in(const member *m, call *c, int64_t items) {
    atomic_store_explicit(&c->last, (int)(m - pool.member), memory_order_relaxed);
    atomic_fetch_add(&c->done, items);
    if (atomic_load(&c->waiting) && atomic_exchange(&c->waiting, false)) {
        sem_post(&c->finished);
    }
}

static joining work_on(const member *m, call *c, uint64_t ticket) {
    if (c->cpu == sched_getcpu()) {
        return JOINED_COLLIDED;
    }
    if (!begin_working()) {
        return JOINED_NONE;
    }
    bool is_in = false;
    while (!is_in && weld_ticket_wants(ticket, c->count, c->threads)) {
        const uint64_t one = weld_ticket_one(weld_ticket_joined(ticket));
        is_in =
            atomic_compare_exchange_weak(&c->ticket, &ticket, ticket + WELD_TICKET_JOINED + one);
    }
    if (is_in) {
        hand_in(m, c, take_items(c, ticket, weld_ticket_joined(ticket)));
    }
    atomic_fetch_sub(&pool.working, 1);
    return is_in ? JOINED_WORKED : JOINED_NONE;
}

static joining join(const member *m, call *c, pid_t *caller) {
    atomic_fetch_add(&c->inside, 1);
    joining result = JOINED_NONE;
    const uint64_t ticket = atomic_load(&c->ticket);
    if (ticket & WELD_TICKET_OPEN && /* what is not open may be changing */
        weld_ticket_wants(ticket, c->count, c->threads)) {
        *caller = c->caller;
        result = work_on(m, c, ticket);
    }
    atomic_fetch_sub(&c->inside, 1);
    return result;
}

/* The calls in turn, beginning with the one after the last that it helped. */
static joining join_any(member *m, pid_t *caller) {
    const int calls = atomic_load(&pool.calls);
    joining result = JOINED_NONE;
    for (int i = 0; i < calls && !result; i++) {
        call *c = &pool.call[(m->next + i) % calls];
        if (atomic_load_explicit(&c->ticket, memory_order_relaxed) & WELD_TICKET_OPEN) {
            result = join(m, c, caller);
            m->next = result ? (m->next + i + 1) % calls : m->next;
        }
    }
    return result;
}

static void rest(double seconds) {
    seconds = seconds < LONGEST_REST ? seconds : LONGEST_REST;
    const struct timespec t = {0, (long)(1e9 * seconds)};
    nanosleep(&t, NULL);
}

/* Go to another cpu than the caller's, if there is one that it may use. */
static void make_way(pid_t caller) {
    cpu_set_t cpus;
    if (sched_getaffinity(caller, sizeof cpus, &cpus) == 0) {
        CPU_CLR(sched_getcpu(), &cpus);
        if (CPU_COUNT(&cpus) > 0 && sched_setaffinity(0, sizeof cpus, &cpus) == 0) {
            rest(BURST);
            return;
        }
    }
    rest(LONGEST_REST);
}

/* Whether the last caller, who has no work to share now, cannot run for it. */
static bool is_in_the_way(void) {
    return atomic_load_explicit(&pool.cpu, memory_order_relaxed) == sched_getcpu();
}

static void sleep_until_called(member *m, uint32_t seen) {
    atomic_store(&m->asleep, true);
    atomic_fetch_add(&pool.asleep, 1);
    if (atomic_load(&pool.posted) == seen || !atomic_exchange(&m->asleep, false)) {
        wait_for(&m->wake);
    }
    atomic_fetch_sub(&pool.asleep, 1);
}

static void *be_member(void *arg) {
    member *m = arg;
    uint32_t seen = atomic_load(&pool.posted) - 1; /* it was hired for a call */
    double awake = weld_clock(), busy = awake;     /* since when; until when there was work */
    for (;;) {
        const uint32_t posted = atomic_load(&pool.posted);
        joining joined = JOINED_NONE;
        pid_t caller = 0;
        const double before = weld_clock();
        if (posted != seen) {
            joined = join_any(m, &caller);
            seen = joined ? seen : posted; /* after work, look for more */
        } else {
            relax();
        }
        double now = weld_clock();
        float share = m->share;
        if (joined == JOINED_COLLIDED) {
            make_way(caller);
            awake = busy = now = weld_clock();
        } else if (joined == JOINED_WORKED) {
            busy = now;
            share += share * (float)(GAIN * (now - before));
            m->share = share < 1 ? share : 1;
        }
        if (share < 1 && busy > awake && now - awake > BURST) {
            rest((now - awake) * (1 - share) / share);
            seen = posted - 1;
            awake = busy = weld_clock();
        } else if (now - busy > SPIN || (posted == seen && is_in_the_way())) {
            sleep_until_called(m, seen);
            awake = busy = weld_clock();
        }
    }
    return NULL;
}

/* --- Hiring ----------------------------------------------------------------------------------- */

/* The members are not in a child that was forked, nor are the callers of other threads. */
static void begin_in_child(void) {
    pthread_mutex_init(&pool.lock, NULL);
    pool.members = pool.asleep = pool.working = 0;
    for (int i = 0; i < pool.calls; i++) {
        call *c = &pool.call[i];
        c->ticket = 0;
        c->inside = 0;
        c->used = c->waiting = false;
        sem_init(&c->finished, 0, 0); /* another thread's wake-up may have been on its way */
    }
    self = 0;
}

/* For tests, and for whoever doubts: with WELD_THREADS_RANDOM=SEED every call is open to a number
 * of threads of its own, drawn anew. */
static uint64_t seed;
static bool is_random;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void) {
    const char *text = getenv("WELD_THREADS_RANDOM");
    is_random = text != NULL;
    seed = text ? strtoull(text, NULL, 10) : 0;
    pthread_atfork(NULL, NULL, begin_in_child);
    for (int i = 0; i < CALLS; i++) {
        sem_init(&pool.call[i].finished, 0, 0);
    }
}

/* Signals are the business of the program's own threads, but for faults: who makes one gets it, and
 * where that is blocked the program ends without its handler. */
static sigset_t signals_of_others(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&set, faults[i]);
    }
    return set;
}

/* Where no thread can be had, fewer do. */
static void hire(int wanted) {
    const sigset_t others = signals_of_others();
    sigset_t old;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, STACK);
    pthread_mutex_lock(&pool.lock);
    pthread_sigmask(SIG_SETMASK, &others, &old);
    for (int i = pool.members; i < wanted && i < MEMBERS; i++) {
        member *m = &pool.member[i];
        pthread_t thread;
        sem_init(&m->wake, 0, 0);
        m->asleep = false;
        m->share = 1;
        if (pthread_create(&thread, &detached, be_member, m)) {
            pool.hire_from = weld_clock() + HIRE_AGAIN;
            break;
        }
        atomic_store(&pool.members, i + 1);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_mutex_unlock(&pool.lock);
    pthread_attr_destroy(&detached);
}

/* --- Calling ---------------------------------------------------------------------------------- */

/* A slot that nobody uses or looks at; NULL if there is none. */
static call *claim_call(void) {
    for (int i = 0; i < CALLS; i++) {
        const int at = (slot + i) % CALLS;
        call *c = &pool.call[at];
        if (atomic_load_explicit(&c->used, memory_order_relaxed) ||
            atomic_exchange(&c->used, true)) {
            continue;
        }
        if (atomic_load(&c->inside) == 0) {
            int calls = atomic_load(&pool.calls);
            while (calls <= at && !atomic_compare_exchange_weak(&pool.calls, &calls, at + 1)) {
            }
            slot = at;
            return c;
        }
        atomic_store(&c->used, false);
    }
    return NULL;
}

static void wake(int wanted) {
    const int members = atomic_load(&pool.members);
    wanted -= members - atomic_load(&pool.asleep); /* who is awake looks by himself */
    for (int i = 0; i < members && wanted > 0; i++) {
        member *m = &pool.member[i];
        if (atomic_load(&m->asleep) && atomic_exchange(&m->asleep, false)) {
            sem_post(&m->wake);
            wanted--;
        }
    }
}

/* Until members have done `items`; the time then. */
static double wait_for_items(call *c, int64_t items, double since) {
    double now = since;
    while (atomic_load(&c->done) < items) {
        relax();
        now = weld_clock();
        if (now - since > CALLER_SPIN) {
            atomic_store(&c->waiting, true);
            /* Whoever clears it posts. */
            if (atomic_load(&c->done) < items || !atomic_exchange(&c->waiting, false)) {
                wait_for(&c->finished);
            }
            now = weld_clock();
        }
    }
    return now;
}

static void blame(const call *c) {
    member *m = &pool.member[atomic_load_explicit(&c->last, memory_order_relaxed)];
    const float share = LOSS * m->share;
    m->share = share > LEAST ? share : LEAST;
}

static void run_together(call *c) {
    const double begin = weld_clock();
    atomic_store_explicit(&c->done, 0, memory_order_relaxed);
    atomic_fetch_add(&pool.working, 1);
    atomic_store(&c->ticket, WELD_TICKET_BEGIN + weld_ticket_one(0));
    atomic_store_explicit(&pool.cpu, c->cpu, memory_order_relaxed);
    atomic_fetch_add(&pool.posted, 1);
    if (atomic_load(&pool.asleep)) {
        wake(c->threads - 1);
    }
    const int64_t did = take_items(c, WELD_TICKET_BEGIN, 0);
    const double own = weld_clock();
    const double end = did < c->count ? wait_for_items(c, c->count - did, own) : own;
    const double item = (own - begin) / (double)did;
    const double lost = end - own - item, saved = item * (double)(c->count - did);
    if (lost > LATE && lost > saved / 2) {
        blame(c);
    }
    atomic_store(&c->ticket, 0);
    atomic_fetch_sub(&pool.working, 1);
    const double work = item * (double)c->count, most = c->threads * (end - begin);
    use.seconds += end - begin;
    use.work += work < most ? work : most; /* the caller may have been put aside itself */
}

static int draw(int threads) {
    static _Atomic uint64_t draws;
    weld_random random = weld_random_start(seed, 0, atomic_fetch_add(&draws, 1), WELD_RANDOM_TEST);
    return 1 + (int)weld_random_below(&random, (uint64_t)threads);
}

void weld_parallel_record(const weld_parallel_recorder *r) {
    recorder = r;
}

static void run_recorded(int threads, int64_t count, weld_parallel_body run, void *arg) {
    within = true;
    double begin = weld_thread_clock();
    for (int64_t i = 0; i < count; i++) {
        run(arg, i, 0);
        const double end = weld_thread_clock();
        recorder->note(recorder->context, threads, count, i, end - begin);
        begin = end;
    }
    within = false;
}

/* A call for items of a loop; NULL where there is nobody to share them with. */
static call *open_call(int threads) {
    pthread_once(&once, begin);
    threads = is_random ? draw(threads) : threads;
    if (atomic_load_explicit(&pool.members, memory_order_relaxed) < threads - 1 &&
        weld_clock() >= pool.hire_from) {
        hire(threads - 1);
    }
    call *c = threads > 1 ? claim_call() : NULL;
    if (c) {
        self = self ? self : (pid_t)syscall(SYS_gettid);
        c->threads = threads;
        c->cpu = sched_getcpu();
        c->caller = self;
    }
    return c;
}

static void run_items(int threads, int64_t first, int64_t count, weld_parallel_body run,
                      void *arg) {
    call *c = threads > 1 && !within ? open_call(threads) : NULL;
    if (!c) {
        for (int64_t i = 0; i < count; i++) {
            run(arg, first + i, 0);
        }
        return;
    }
    int cancel; /* whoever ends within a call would leave members at work on its stack */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    c->run = run;
    c->arg = arg;
    c->first = first;
    c->count = count;
    run_together(c);
    atomic_store(&c->used, false);
    pthread_setcancelstate(cancel, NULL);
}

void weld_parallel(int threads, int64_t count, weld_parallel_body run, void *arg) {
    threads = weld_threads_count(threads);
    threads = threads < count ? threads : (int)count;
    if (recorder && !within) {
        run_recorded(threads, count, run, arg);
        return;
    }
    for (int64_t first = 0, end; first < count; first = end) {
        end = count - first > WELD_TICKET_MOST ? first + WELD_TICKET_MOST : count;
        run_items(threads, first, end - first, run, arg);
    }
}

weld_threads_use weld_threads_used(void) {
    return use;
}

double weld_threads_between(weld_threads_use before, weld_threads_use after) {
    const double seconds = after.seconds - before.seconds, work = after.work - before.work;
    return seconds > 0 && work > seconds ? fmin(work / seconds, weld_threads_cpus()) : 1;
}
