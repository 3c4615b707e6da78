/* The floor of the benchmark: a FastAGI server in C that parses nothing.
 *
 * One thread, epoll. It waits for the blank line, writes one fixed line, half-closes, reads until
 * the client closes. What the load generator reaches with it is the generator's own ceiling.
 *
 * usage: floor LINE_FILE    prints "ready 127.0.0.1:PORT"
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 4096 };

static char line[16384], tail[DESCRIPTORS];
static size_t line_size;
static int answered[DESCRIPTORS], epoll, listener;

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= DESCRIPTORS) {
            close(fd);
            continue;
        }
        answered[fd] = 0;
        tail[fd] = 0;
        watch(fd);
    }
}

static int ends_environment(int fd, const char *data, ssize_t size)
{
    int split = tail[fd] == '\n' && data[0] == '\n';
    tail[fd] = data[size - 1];
    return split || memmem(data, (size_t)size, "\n\n", 2) != NULL;
}

static void serve(int fd)
{
    char data[8192];
    ssize_t got = recv(fd, data, sizeof data, 0);
    if (got <= 0) {
        close(fd);
    } else if (!answered[fd] && ends_environment(fd, data, got)) {
        answered[fd] = 1;
        if (send(fd, line, line_size, MSG_NOSIGNAL) < 0 || shutdown(fd, SHUT_WR))
            close(fd);
    }
}

static void listen_on_loopback(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, size) || listen(listener, 1024))
        exit(2);
    getsockname(listener, (struct sockaddr *)&own, &size);
    printf("ready 127.0.0.1:%d\n", ntohs(own.sin_port));
    fflush(stdout);
}

int main(int count, char **word)
{
    FILE *file = count == 2 ? fopen(word[1], "r") : NULL;
    if (!file)
        return 2;
    line_size = fread(line, 1, sizeof line, file);
    fclose(file);
    epoll = epoll_create1(0);
    listen_on_loopback();
    watch(listener);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all();
            else
                serve(events[i].data.fd);
        }
    }
}
