/* The load generator of the benchmark: many FastAGI calls at once, as Asterisk makes them.
 *
 * One thread, epoll, non-blocking sockets, a closed loop: so many calls at once, the next one
 * starts when one ends. A call: connect, send the environment in Asterisk's order and in so many
 * writes, answer each command line with "200 result=1", on the server's end of file send "HANGUP"
 * and close. The latency runs from connect() to the line that carries the commit.
 * With --per-second an open loop: a call starts when it is due, however slow the answers are, if
 * fewer than --at-once are open, and its latency runs from when it was due.
 *
 * It prints one JSON object. Times are microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_AT_ONCE = 4096, MAX_NUMBERS = 200000, LINE = 9000, ENVIRONMENT = 4096 };

struct call {
    int fd, connected, committed;
    double since;
    char uniqueid[40];
    char number[40];
    size_t have;
    char line[LINE];
};

static struct {
    struct sockaddr_in to;
    const char *host, *url;
    int port, at_once, segments, any_commit;
    long calls;
    double timeout_us, per_second;
} option = {.url = "route?n={n}&g=1000", .at_once = 50, .segments = 2, .calls = 1000,
            .timeout_us = 5e6};

static char *numbers[MAX_NUMBERS];
static long number_count, started, ended, commits, errors, due;
static double begun_us;
static double *latencies;
static struct call *calls;
static int epoll, timer = -1;

static void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(2);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void read_numbers(const char *path)
{
    char line[64];
    FILE *file = fopen(path, "r");
    if (!file)
        die("cannot open %s: %s", path, strerror(errno));
    while (number_count < MAX_NUMBERS && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line && strlen(line) < 40)
            numbers[number_count++] = strdup(line);
    }
    fclose(file);
}

/* Put the number where the template has {n}. */
static void script_of(const struct call *call, char *out, size_t size)
{
    const char *hole = strstr(option.url, "{n}");
    if (hole)
        snprintf(out, size, "%.*s%s%s", (int)(hole - option.url), option.url, call->number,
                 hole + 3);
    else
        snprintf(out, size, "%s", option.url);
}

/* The 22 lines of Asterisk's res_agi.c, in its order, then the blank line. */
static size_t environment(const struct call *call, char *out)
{
    char script[512];
    script_of(call, script, sizeof script);
    return (size_t)snprintf(
        out, ENVIRONMENT,
        "agi_network: yes\nagi_network_script: %s\nagi_request: agi://%s:%d/%s\n"
        "agi_channel: PJSIP/caller-%08lx\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: %s\n"
        "agi_version: 22.10.1\nagi_callerid: 442079460000\nagi_calleridname: Alice Example\n"
        "agi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\n"
        "agi_dnid: %s\nagi_rdnis: unknown\nagi_context: carrier-route\nagi_extension: s\n"
        "agi_priority: 12\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 139872663590592\n\n",
        script, option.host, option.port, script, started, call->uniqueid, call->number);
}

/* Where the next write ends: the two URL lines first, the rest in equal parts at line ends. */
static size_t segment_end(const char *text, size_t from, size_t size, int left)
{
    const char *end;
    if (left <= 1)
        return size;
    if (from == 0) {
        end = strchr(strchr(text, '\n') + 1, '\n');
        return (size_t)(end - text) + 1;
    }
    end = strchr(text + from + (size - from) / (size_t)left, '\n');
    return end ? (size_t)(end - text) + 1 : size;
}

static int send_environment(const struct call *call)
{
    char text[ENVIRONMENT];
    size_t size = environment(call, text), from = 0;
    for (int left = option.segments; from < size; left--) {
        size_t end = segment_end(text, from, size, left);
        if (send(call->fd, text + from, end - from, MSG_NOSIGNAL) != (ssize_t)(end - from))
            return -1;
        from = end;
    }
    return 0;
}

static void end_call(struct call *call, int failed)
{
    close(call->fd);
    call->fd = -1;
    ended++;
    if (failed || !call->committed)
        errors++;
}

static void watch(struct call *call, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = call};
    if (epoll_ctl(epoll, operation, call->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void start_call(struct call *call)
{
    int one = 1;
    call->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (call->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    snprintf(call->uniqueid, sizeof call->uniqueid, "1795231889.%ld", 100000 + started);
    snprintf(call->number, sizeof call->number, "%s", numbers[started % number_count]);
    call->have = 0;
    call->committed = call->connected = 0;
    started++;
    call->since = option.per_second > 0 ? begun_us + (double)started * 1e6 / option.per_second
                                        : now_us();
    /* On loopback the handshake is over when connect() returns EINPROGRESS: try before waiting. */
    if (connect(call->fd, (struct sockaddr *)&option.to, sizeof option.to) && errno != EINPROGRESS) {
        end_call(call, 1);
    } else if (send_environment(call) == 0) {
        call->connected = 1;
        watch(call, EPOLLIN, EPOLL_CTL_ADD);
    } else if (errno == EAGAIN) {
        watch(call, EPOLLOUT, EPOLL_CTL_ADD);
    } else {
        end_call(call, 1);
    }
}

static void connected(struct call *call)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    call->connected = 1;
    if (error || send_environment(call))
        end_call(call, 1);
    else
        watch(call, EPOLLIN, EPOLL_CTL_MOD);
}

static void command(struct call *call, char *line)
{
    static const char reply[] = "200 result=1\n";
    if (!call->committed && strstr(line, "CARRIER_COMMIT") &&
        (option.any_commit || strstr(line, call->uniqueid))) {
        call->committed = 1;
        latencies[commits++] = now_us() - call->since;
    }
    if (send(call->fd, reply, sizeof reply - 1, MSG_NOSIGNAL) < 0 && !call->committed)
        end_call(call, 1);
}

static void take_lines(struct call *call)
{
    char *from = call->line, *end;
    call->line[call->have] = 0;
    while (call->fd >= 0 && (end = strchr(from, '\n'))) {
        *end = 0;
        command(call, from);
        from = end + 1;
    }
    call->have -= (size_t)(from - call->line);
    memmove(call->line, from, call->have);
}

static void readable(struct call *call)
{
    while (call->fd >= 0) {
        size_t room = LINE - 1 - call->have;
        ssize_t got = room ? recv(call->fd, call->line + call->have, room, 0) : -1;
        if (got > 0) {
            call->have += (size_t)got;
            take_lines(call);
        } else if (got == 0) {
            /* Asterisk sets no TCP_NODELAY (res_agi.c, launch_netscript): its last line waits for
             * an acknowledgement and leaves with the end of file, in one segment. */
            if (send(call->fd, "HANGUP\n", 7, MSG_NOSIGNAL | MSG_MORE) < 0 && errno != EPIPE &&
                errno != ECONNRESET)
                die("send: %s", strerror(errno));
            end_call(call, call->have != 0);
        } else if (room && errno == EAGAIN) {
            return;
        } else {
            end_call(call, 1);
        }
    }
}

static void give_up_on_the_late(double now)
{
    for (int i = 0; i < option.at_once; i++)
        if (calls[i].fd >= 0 && now - calls[i].since > option.timeout_us)
            end_call(&calls[i], 1);
}

static int may_start(void)
{
    return started < option.calls && (option.per_second <= 0 || started < due);
}

static void refill(void)
{
    for (int i = 0; i < option.at_once && may_start(); i++)
        while (calls[i].fd < 0 && may_start())
            start_call(&calls[i]);
}

static void start_timer(void)
{
    long every_ns = (long)(1e9 / option.per_second);
    struct timespec every = {.tv_sec = every_ns / 1000000000, .tv_nsec = every_ns % 1000000000};
    struct itimerspec times = {.it_interval = every, .it_value = every};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (timer < 0 || timerfd_settime(timer, 0, &times, NULL) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event))
        die("timer: %s", strerror(errno));
}

static void calls_are_due(double now)
{
    uint64_t ticks;
    if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN)
        die("timer: %s", strerror(errno));
    due = (long)((now - begun_us) * option.per_second / 1e6);
    refill();
}

static void run(void)
{
    struct epoll_event events[256];
    double swept = now_us();
    while (ended < option.calls) {
        int count = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct call *call = events[i].data.ptr;
            if (!call) {
                calls_are_due(now_us());
                continue;
            }
            if (call->fd >= 0 && !call->connected)
                connected(call);
            else if (call->fd >= 0)
                readable(call);
            while (call->fd < 0 && may_start())
                start_call(call);
        }
        double now = now_us();
        if (now - swept > 1e5) {
            give_up_on_the_late(now);
            refill();
            swept = now;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double q)
{
    return commits ? latencies[(long)(q * (double)(commits - 1) + 0.5)] : 0;
}

static void report(double seconds)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    double cpu_us = (own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1e6 +
                    own.ru_utime.tv_usec + own.ru_stime.tv_usec;
    qsort(latencies, (size_t)commits, sizeof *latencies, by_size);
    printf("{\"calls\": %ld, \"commits\": %ld, \"errors\": %ld, \"seconds\": %.6f, "
           "\"calls_per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
           "\"own_cpu_us\": %.2f}\n",
           ended, commits, errors, seconds, (double)ended / seconds, quantile(0.5),
           quantile(0.99), quantile(1), cpu_us / (double)ended);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static void usage(void)
{
    die("usage: load HOST PORT --numbers FILE [--calls N] [--at-once N] [--url TEMPLATE]\n"
        "            [--segments N] [--cpu N] [--timeout-ms N] [--any-commit]\n"
        "            [--per-second N]\n"
        "HOST is an IPv4 address; {n} in TEMPLATE becomes the number.");
}

static void read_options(int count, char **word)
{
    if (count < 3)
        usage();
    option.host = word[1];
    option.port = atoi(word[2]);
    for (int i = 3; i < count; i++) {
        if (!strcmp(word[i], "--any-commit")) {
            option.any_commit = 1;
            continue;
        }
        if (i + 1 == count)
            usage();
        const char *name = word[i], *value = word[++i];
        if (!strcmp(name, "--numbers")) read_numbers(value);
        else if (!strcmp(name, "--calls")) option.calls = atol(value);
        else if (!strcmp(name, "--at-once")) option.at_once = atoi(value);
        else if (!strcmp(name, "--url")) option.url = value;
        else if (!strcmp(name, "--segments")) option.segments = atoi(value);
        else if (!strcmp(name, "--per-second")) option.per_second = atof(value);
        else if (!strcmp(name, "--cpu")) pin(atoi(value));
        else if (!strcmp(name, "--timeout-ms")) option.timeout_us = atof(value) * 1e3;
        else usage();
    }
}

int main(int count, char **word)
{
    read_options(count, word);
    option.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    if (inet_pton(AF_INET, option.host, &option.to.sin_addr) != 1 || !number_count ||
        option.calls < 1 || option.at_once < 1 || option.at_once > MAX_AT_ONCE ||
        option.segments < 1 || option.per_second < 0 || strlen(option.url) > 400)
        usage();
    latencies = calloc((size_t)option.calls, sizeof *latencies);
    calls = calloc((size_t)option.at_once, sizeof *calls);
    epoll = epoll_create1(0);
    if (!latencies || !calls || epoll < 0)
        die("no memory");
    for (int i = 0; i < option.at_once; i++)
        calls[i].fd = -1;
    begun_us = now_us();
    if (option.per_second > 0)
        start_timer();
    refill();
    run();
    report((now_us() - begun_us) / 1e6);
    return 0;
}
