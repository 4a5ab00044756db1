/* http_client_events.c - the sockets that libcurl waits for, and until when.
 *
 * curl_multi_poll and curl_multi_perform go through all transfers whenever one of them
 * gets on, which is the square of those that wait.  Here the kernel holds all sockets,
 * and libcurl is told of those with news alone.
 */
#include "net/http_client_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    READY_MAX = 64,
    TURN_MS = 1000, /* for nothing but to be sure: what happens wakes the thread */
};

/* --- what libcurl says while it works -------------------------------------------------
 */

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct http_client_events *e = user;
    struct epoll_event event = { .data.fd = fd };

    (void)easy, (void)known;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(e->epoll, EPOLL_CTL_DEL, fd, NULL); /* one closed has gone by itself */
        return 0;
    }
    if ((what & CURL_POLL_IN) != 0)
        event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0)
        event.events |= EPOLLOUT;
    if (epoll_ctl(e->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        CHECK(errno == ENOENT && epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    return 0;
}

static int on_timer(CURLM *multi, long in_ms, void *user)
{
    struct http_client_events *e = user;

    (void)multi;
    e->is_timed = in_ms >= 0;
    e->due = deadline_in_ms(in_ms);
    return 0;
}

/* --- the client's ---------------------------------------------------------------------
 */

void http_client_events_init(struct http_client_events *e, CURLM *multi)
{
    struct epoll_event event = { .events = EPOLLIN };

    e->multi = multi;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    e->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(e->epoll >= 0 && e->bell >= 0);
    event.data.fd = e->bell;
    CHECK(epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->bell, &event) == 0);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, e);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, e);
}

void http_client_events_fini(struct http_client_events *e)
{
    close(e->epoll);
    close(e->bell);
}

void http_client_events_wake(struct http_client_events *e)
{
    CHECK(eventfd_write(e->bell, 1) == 0);
}

static int wait_ms(const struct http_client_events *e)
{
    int64_t left_ms = e->is_timed ? deadline_left_ms(e->due) : TURN_MS;

    return left_ms < TURN_MS ? (int)left_ms : TURN_MS;
}

/* Also of a socket that libcurl has closed since: that is no harm to it. */
static void tell(struct http_client_events *e, const struct epoll_event *news)
{
    int what = 0, count;

    if ((news->events & EPOLLIN) != 0)
        what |= CURL_CSELECT_IN;
    if ((news->events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((news->events & (EPOLLERR | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_ERR;
    CHECK(curl_multi_socket_action(e->multi, news->data.fd, what, &count) == CURLM_OK);
}

void http_client_events_turn(struct http_client_events *e)
{
    struct epoll_event ready[READY_MAX];
    int n = epoll_wait(e->epoll, ready, READY_MAX, wait_ms(e)), count;
    eventfd_t ignored;

    CHECK(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++)
        if (ready[i].data.fd != e->bell)
            tell(e, &ready[i]);
        else if (eventfd_read(e->bell, &ignored) != 0)
            CHECK(errno == EAGAIN);
    if (!e->is_timed || !deadline_passed(e->due))
        return;
    e->is_timed = false; /* unless libcurl names another time meanwhile */
    CHECK(curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &count) == CURLM_OK);
}
