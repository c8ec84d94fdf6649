/* A transport (distributed/transport.h) over sockets between processes of this machine, for tests:
 * with `disorder`, messages come late and in any order that MPI would allow, drawn by that seed. */
#ifndef WELD_TESTS_SOCKET_TRANSPORT_H
#define WELD_TESTS_SOCKET_TRANSPORT_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/transport.h"

enum { RANKS_MOST = 8 };

/* What a rank opens its transport with. */
typedef struct socket_ranks {
    int rank, size;
    int fd[RANKS_MOST];           /* by peer */
    unsigned disorder;            /* 0: messages come at once, in order */
    const char *host[RANKS_MOST]; /* names of hosts by rank; NULL: one host for all */
} socket_ranks;

typedef struct socket_head {
    int32_t tag;
    uint32_t magic;
    uint64_t bytes;
} socket_head;

/* A send or receive, or a message that has come before its receive. */
typedef struct socket_item {
    int peer, tag;
    char *data; /* of what has come: of malloc */
    size_t bytes, moved;
    void *message;
    socket_head head;
    double from; /* weld_clock: not to be had before */
    struct socket_item *next;
} socket_item;

typedef struct socket_peer {
    int fd;
    char gone[80]; /* why; "": it is there */
    socket_item *sends, *coming;
    socket_head head;
    size_t head_read;
} socket_peer;

typedef struct socket_self {
    int rank, size;
    unsigned disorder;
    socket_peer peers[RANKS_MOST];
    socket_item *receives, *come, *ended; /* ended: message, bytes, and head.tag not 0: failed */
} socket_self;

static void socket_append(socket_item **list, socket_item *item) {
    item->next = NULL;
    while (*list) {
        list = &(*list)->next;
    }
    *list = item;
}

static socket_item *socket_item_of(int peer, int tag, const void *data, size_t bytes,
                                   void *message) {
    socket_item *i = calloc(1, sizeof *i);
    *i = (socket_item){.peer = peer,
                       .tag = tag,
                       .data = (char *)data,
                       .bytes = bytes,
                       .message = message,
                       .head = {tag, 0x77656c64, bytes}};
    return i;
}

static weld_status socket_send(void *self, int to, int tag, const void *data, size_t bytes,
                               void *message, weld_error *err) {
    socket_self *s = self;
    if (s->peers[to].gone[0]) {
        return weld_fail(err, WELD_ERROR_IO, "has gone: %s", s->peers[to].gone);
    }
    socket_append(&s->peers[to].sends, socket_item_of(to, tag, data, bytes, message));
    return WELD_OK;
}

static weld_status socket_receive(void *self, int from, int tag, void *data, size_t bytes,
                                  void *message, weld_error *err) {
    (void)err;
    socket_self *s = self;
    socket_append(&s->receives, socket_item_of(from, tag, data, bytes, message));
    return WELD_OK;
}

static void socket_end(socket_self *s, socket_item *item, bool failed, size_t bytes) {
    item->bytes = bytes;
    item->head.tag = failed;
    socket_append(&s->ended, item);
}

static void socket_hang_up(socket_peer *p, const char *why) {
    if (!p->gone[0]) {
        snprintf(p->gone, sizeof p->gone, "%s", why);
    }
}

/* As much as goes; false: it goes no further now. */
static bool socket_move(socket_peer *p, bool send_it, void *data, size_t bytes, size_t *moved) {
    while (*moved < bytes && !p->gone[0]) {
        char *at = (char *)data + *moved;
        const ssize_t n = send_it ? send(p->fd, at, bytes - *moved, MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : recv(p->fd, at, bytes - *moved, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (n <= 0) {
            socket_hang_up(p, n == 0 ? "connection closed" : strerror(errno));
            return false;
        }
        *moved += (size_t)n;
    }
    return *moved == bytes;
}

static void socket_flush(socket_self *s, socket_peer *p) {
    while (p->sends) {
        socket_item *i = p->sends;
        size_t head = i->moved < sizeof i->head ? i->moved : sizeof i->head;
        if (!socket_move(p, true, &i->head, sizeof i->head, &head)) {
            i->moved = head;
            return;
        }
        size_t body = i->moved > sizeof i->head ? i->moved - sizeof i->head : 0;
        const bool all = socket_move(p, true, i->data, i->bytes, &body);
        i->moved = sizeof i->head + body;
        if (!all) {
            return;
        }
        p->sends = i->next;
        socket_end(s, i, false, i->bytes);
    }
}

static void socket_read(socket_self *s, int peer) {
    socket_peer *p = &s->peers[peer];
    while (!p->gone[0]) {
        if (!p->coming) {
            if (!socket_move(p, false, &p->head, sizeof p->head, &p->head_read)) {
                return;
            }
            p->head_read = 0;
            if (p->head.magic != 0x77656c64 || p->head.bytes > WELD_TRANSPORT_MOST) {
                socket_hang_up(p, "it sends what is no message");
                return;
            }
            p->coming =
                socket_item_of(peer, p->head.tag, malloc(p->head.bytes + 1), p->head.bytes, NULL);
        }
        socket_item *i = p->coming;
        if (!socket_move(p, false, i->data, i->bytes, &i->moved)) {
            return;
        }
        p->coming = NULL;
        i->from = s->disorder ? weld_clock() + 1e-6 * (rand_r(&s->disorder) % 3000) : 0;
        socket_append(&s->come, i);
    }
}

/* The receive that has waited longest for what is first of its peer and tag, or a failed one. */
static bool socket_match(socket_self *s) {
    const double now = weld_clock();
    for (socket_item **r = &s->receives; *r; r = &(*r)->next) {
        socket_item **c = &s->come;
        while (*c && ((*c)->peer != (*r)->peer || (*c)->tag != (*r)->tag)) {
            c = &(*c)->next;
        }
        socket_item *receive = *r, *come = *c;
        if (come && come->from <= now) {
            *c = come->next;
            *r = receive->next;
            const bool fits = come->bytes <= receive->bytes;
            memcpy(receive->data, come->data, fits ? come->bytes : receive->bytes);
            socket_end(s, receive, !fits, come->bytes);
            free(come->data);
            free(come);
            return true;
        }
        if (!come && s->peers[receive->peer].gone[0]) {
            *r = receive->next;
            socket_end(s, receive, true, 0);
            return true;
        }
    }
    return false;
}

static weld_status socket_test(void *self, weld_transport_done *done, int room, int *count,
                               weld_error *err) {
    (void)err;
    socket_self *s = self;
    for (int r = 0; r < s->size; r++) {
        if (r != s->rank) {
            socket_flush(s, &s->peers[r]);
            socket_read(s, r);
        }
    }
    while (socket_match(s)) {
    }
    for (*count = 0; *count < room && s->ended; ++*count) {
        socket_item *i = s->ended;
        const socket_peer *p = &s->peers[i->peer];
        done[*count] = (weld_transport_done){
            .message = i->message, .bytes = i->bytes, .failed = i->head.tag != 0};
        snprintf(done[*count].reason, sizeof done[*count].reason, "%s%s",
                 p->gone[0] ? "has gone: " : "sends more than is due", p->gone);
        s->ended = i->next;
        free(i);
    }
    return WELD_OK;
}

static void socket_free_list(socket_item *list, bool with_data) {
    for (socket_item *next; list; list = next) {
        next = list->next;
        if (with_data) {
            free(list->data);
        }
        free(list);
    }
}

static void socket_close(void *self) {
    socket_self *s = self;
    for (int r = 0; r < s->size; r++) {
        if (r != s->rank) {
            close(s->peers[r].fd);
            socket_free_list(s->peers[r].sends, false);
            socket_free_list(s->peers[r].coming, true);
        }
    }
    socket_free_list(s->receives, false);
    socket_free_list(s->come, true);
    socket_free_list(s->ended, false);
    free(s);
}

/* A weld_transport_opener; argument: socket_ranks. */
static weld_status socket_open(void *argument, weld_transport *out, weld_error *err) {
    (void)err;
    const socket_ranks *ranks = argument;
    socket_self *s = calloc(1, sizeof *s);
    *s = (socket_self){.rank = ranks->rank, .size = ranks->size, .disorder = ranks->disorder};
    for (int r = 0; r < s->size; r++) {
        s->peers[r].fd = ranks->fd[r];
    }
    *out = (weld_transport){.self = s,
                            .rank = s->rank,
                            .size = s->size,
                            .send = socket_send,
                            .receive = socket_receive,
                            .test = socket_test,
                            .abort = socket_close,
                            .close = socket_close};
    const char *name = ranks->host[s->rank] ? ranks->host[s->rank] : "here";
    for (int r = s->rank; r >= 0; r--) {
        out->host = strcmp(ranks->host[r] ? ranks->host[r] : "here", name) == 0 ? r : out->host;
    }
    snprintf(out->host_name, sizeof out->host_name, "%s", name);
    snprintf(out->library, sizeof out->library, "sockets");
    return WELD_OK;
}

#endif
