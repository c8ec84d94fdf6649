/* The module weld_mpi.so: messages by MPI (transport.h). It is opened by module.c and linked with
 * nothing of weld, as weld is with nothing of MPI.
 *
 * Of MPI it takes what all of them have had for ever and nobody can get wrong: Isend, Irecv,
 * Testsome. Sums are not among it, since their order would be MPI's business. One thread makes all
 * calls, MPI_Init_thread first, which is "main" to MPI then: MPI_THREAD_FUNNELED.
 */
#define _GNU_SOURCE
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "distributed/transport.h"

extern const char weld_transport_version[];
__attribute__((visibility("default"))) const char weld_transport_version[] = WELD_VERSION;

__attribute__((visibility("default"))) weld_transport_opener weld_transport_open;

typedef struct request {
    void *message;
    bool receive;
} request;

typedef struct mpi {
    int open, room;        /* requests under way, and that there is memory for */
    MPI_Request *requests; /* [room], as all of these */
    request *of;           /* what they are for */
    int *ended;            /* indices of those that ended in the latest test, and */
    MPI_Status *statuses;  /* how */
    int ended_count, told; /* of these, that were passed on */
    bool has_errors;       /* statuses say of each whether it is one */
} mpi;

static weld_status fail(weld_error *err, const char *what, int code) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, text, &length);
    err->status = WELD_ERROR_IO;
    snprintf(err->message, sizeof err->message, "%s: %s", what, text);
    return WELD_ERROR_IO;
}

static weld_status lack_memory(weld_error *err) {
    err->status = WELD_ERROR_MEMORY;
    snprintf(err->message, sizeof err->message, "cannot be sent a message: out of memory");
    return WELD_ERROR_MEMORY;
}

/* --- Messages --------------------------------------------------------------------------------- */

static bool grow_array(void **array, int room, size_t size) {
    void *grown = realloc(*array, (size_t)room * size);
    *array = grown ? grown : *array;
    return grown != NULL;
}

/* Room for one more. */
static bool make_room(mpi *m) {
    if (m->open < m->room) {
        return true;
    }
    const int room = m->room > 0 ? 2 * m->room : 64;
    if (!grow_array((void **)&m->requests, room, sizeof *m->requests) ||
        !grow_array((void **)&m->of, room, sizeof *m->of) ||
        !grow_array((void **)&m->ended, room, sizeof *m->ended) ||
        !grow_array((void **)&m->statuses, room, sizeof *m->statuses)) {
        return false;
    }
    m->room = room;
    return true;
}

static weld_status begin(mpi *m, int code, void *message, bool receive, weld_error *err) {
    if (code != MPI_SUCCESS) {
        return fail(err, "cannot be reached", code);
    }
    m->of[m->open++] = (request){message, receive};
    return WELD_OK;
}

static weld_status send_message(void *self, int to, int tag, const void *data, size_t bytes,
                                void *message, weld_error *err) {
    mpi *m = self;
    if (!make_room(m)) {
        return lack_memory(err);
    }
    return begin(
        m, MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD, &m->requests[m->open]),
        message, false, err);
}

static weld_status receive_message(void *self, int from, int tag, void *data, size_t bytes,
                                   void *message, weld_error *err) {
    mpi *m = self;
    if (!make_room(m)) {
        return lack_memory(err);
    }
    return begin(
        m, MPI_Irecv(data, (int)bytes, MPI_BYTE, from, tag, MPI_COMM_WORLD, &m->requests[m->open]),
        message, true, err);
}

/* What has become of the request that ended as number i. */
static weld_transport_done done_of(const mpi *m, int i) {
    const MPI_Status *status = &m->statuses[i];
    const request *r = &m->of[m->ended[i]];
    weld_transport_done done = {.message = r->message};
    int bytes = 0, length;
    if (m->has_errors && status->MPI_ERROR != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING] = "";
        done.failed = true;
        MPI_Error_string(status->MPI_ERROR, text, &length);
        snprintf(done.reason, sizeof done.reason, "has gone, or sends what is not due: %s", text);
    } else if (r->receive) {
        MPI_Get_count(status, MPI_BYTE, &bytes);
        done.bytes = (size_t)bytes;
    }
    return done;
}

/* When those that have ended are told of, nothing of them remains. */
static void drop_ended(mpi *m) {
    int kept = 0;
    for (int i = 0; i < m->open; i++) {
        if (m->requests[i] != MPI_REQUEST_NULL) {
            m->requests[kept] = m->requests[i];
            m->of[kept++] = m->of[i];
        }
    }
    m->open = kept;
    m->ended_count = m->told = 0;
}

static weld_status look(mpi *m, weld_error *err) {
    int ended = 0;
    const int code = MPI_Testsome(m->open, m->requests, &ended, m->ended, m->statuses);
    if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) {
        return fail(err, "MPI_Testsome", code);
    }
    m->has_errors = code == MPI_ERR_IN_STATUS;
    m->ended_count = ended == MPI_UNDEFINED ? 0 : ended;
    return WELD_OK;
}

static weld_status test(void *self, weld_transport_done *done, int room, int *count,
                        weld_error *err) {
    mpi *m = self;
    *count = 0;
    if (m->told == m->ended_count && m->open > 0) {
        const weld_status status = look(m, err);
        if (status) {
            return status;
        }
    }
    while (*count < room && m->told < m->ended_count) {
        done[(*count)++] = done_of(m, m->told++);
    }
    if (m->ended_count > 0 && m->told == m->ended_count) {
        drop_ended(m);
    }
    return WELD_OK;
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static void abort_all(void *self) {
    (void)self;
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void close_all(void *self) {
    mpi *m = self;
    MPI_Finalize();
    free(m->requests);
    free(m->of);
    free(m->ended);
    free(m->statuses);
    free(m);
}

/* "Open MPI v4.1.4", "MPICH Version: 4.0.2": what comes before the first comma or line's end. */
static void name_library(char *name, size_t size) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    for (char *tab = text; (tab = strchr(tab, '\t'));) {
        *tab = ' ';
    }
    snprintf(name, size, "%.*s", (int)size - 1, text);
}

/* The lowest rank of those that share memory with this one. */
static int find_host(int rank) {
    MPI_Comm here;
    MPI_Group those, all;
    int first = 0, host = rank;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here)) {
        return rank;
    }
    MPI_Comm_group(here, &those);
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    MPI_Group_translate_ranks(those, 1, &first, all, &host);
    MPI_Group_free(&those);
    MPI_Group_free(&all);
    MPI_Comm_free(&here);
    return host;
}

weld_status weld_transport_open(void *argument, weld_transport *out, weld_error *err) {
    (void)argument;
    int is_running = 0, level;
    MPI_Initialized(&is_running);
    if (is_running) {
        err->status = WELD_ERROR_ARGUMENT;
        snprintf(err->message, sizeof err->message, "the program has begun to use MPI itself");
        return err->status;
    }
    mpi *m = calloc(1, sizeof *m);
    if (!m) {
        return lack_memory(err);
    }
    /* Open MPI has one connection for both directions between two hosts, and blocks that go both
     * ways at once hold each other up on it: two carry half as much again. What the user says
     * on the command line or in the environment stands. */
    setenv("OMPI_MCA_btl_tcp_links", "2", 0);
    const int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (code != MPI_SUCCESS) {
        free(m);
        return fail(err, "MPI cannot be started", code);
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    *out = (weld_transport){.self = m,
                            .send = send_message,
                            .receive = receive_message,
                            .test = test,
                            .abort = abort_all,
                            .close = close_all};
    MPI_Comm_rank(MPI_COMM_WORLD, &out->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &out->size);
    out->host = find_host(out->rank);
    gethostname(out->host_name, sizeof out->host_name - 1);
    name_library(out->library, sizeof out->library);
    return WELD_OK;
}
