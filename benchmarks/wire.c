/* A network of given bandwidth and delay between network namespaces, where the kernel has no tc netem.

   wire NAMESPACE...   makes an interface "wire" in each, and passes frames on: the interface with the address
   02:00:00:00:00:NN is in the NNth namespace, from 1. Standard input has lines "BITS_PER_SECOND NANOSECONDS", for all of them
   from then on; it ends with it.

   Each namespace has a cable to one switch, which sends and receives at once. A frame takes its bytes on the cable over the
   bandwidth, on the sender's and on the receiver's cable at the same time where both are free; it waits where they are not,
   and arrives the delay later. Queues are as long as it takes, and nothing is lost. Frames are up to 64 kB, as with the segmentation of a real
   adapter, and count as the packets that they would be cut into. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, LONGEST = 1 << 17, AT_ONCE = 32, PACKET_END = 24, SHORTEST = 60 };

struct frame {
    struct frame *next;
    long long due, takes; /* when it leaves, then when it arrives; and how long it is on a cable */
    int to, length;
    char bytes[];
};
struct line {
    long long free; /* when its cable is */
    struct frame *first, *last;
};
static struct end {
    int file;
    struct line out, in;
} ends[MOST];
static int count;
static long long delay = 0;
static double rate = 1e9;

static void failed(const char *what) {
    perror(what);
    exit(1);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void open_end(int place, const char *name) {
    char path[256];
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    int home = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || setns(home, CLONE_NEWNET)) {
        failed(path);
    }
    close(home);
    struct ifreq wanted = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(wanted.ifr_name, "wire");
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || ioctl(file, TUNSETIFF, &wanted) || ioctl(file, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)) {
        failed("/dev/net/tun");
    }
    ends[place].file = file;
}

/* Bytes on the cable: a frame is cut into packets, each with the headers, which end behind those of TCP. */
static double size_of(const struct virtio_net_hdr *head, const unsigned char *frame, int length) {
    if (head->gso_type != VIRTIO_NET_HDR_GSO_NONE && head->gso_size && head->csum_start + 20 < length) {
        int headers = head->csum_start + 4 * (frame[head->csum_start + 12] >> 4), rest = length - headers;
        int packets = (rest + head->gso_size - 1) / head->gso_size;
        return rest + (double)packets * (headers + PACKET_END);
    }
    return (length < SHORTEST ? SHORTEST : length) + PACKET_END;
}

static void append(struct line *line, struct frame *frame) {
    if (line->first) {
        line->last->next = frame;
    } else {
        line->first = frame;
    }
    line->last = frame;
}

static struct frame *taken(struct line *line) {
    struct frame *frame = line->first;
    line->first = frame->next;
    frame->next = NULL;
    return frame;
}

/* When a frame begins on a cable that it reaches then, and is on it for so long. */
static long long begun(struct line *line, long long then, long long takes) {
    long long start = line->free > then ? line->free : then;
    line->free = start + takes;
    return start;
}

static void send_on(int from, int to, const char *bytes, int length, double size) {
    struct frame *frame = malloc(sizeof(*frame) + length);
    if (!frame) {
        failed("memory");
    }
    *frame = (struct frame){.takes = (long long)(size * 8e9 / rate), .to = to, .length = length};
    frame->due = begun(&ends[from].out, now(), frame->takes);
    memcpy(frame->bytes, bytes, length);
    append(&ends[from].out, frame);
}

static void take_in(int from) {
    static char bytes[LONGEST];
    for (int n = 0; n < AT_ONCE; n++) {
        int length = read(ends[from].file, bytes, sizeof(bytes)), head = sizeof(struct virtio_net_hdr);
        if (length < head + 14) {
            return;
        }
        const unsigned char *address = (const unsigned char *)bytes + head;
        double size = size_of((struct virtio_net_hdr *)bytes, address, length - head);
        for (int to = 0; to < count; to++) {
            if (to != from && (address[0] & 1 || address[5] == to + 1)) {
                send_on(from, to, bytes, length, size);
            }
        }
    }
}

/* The cable, from (out) or to (in) a namespace, whose next frame is due first; none where nothing is on its way. */
static struct line *first_of(int out) {
    struct line *found = NULL;
    for (int n = 0; n < count; n++) {
        struct line *line = out ? &ends[n].out : &ends[n].in;
        if (line->first && (!found || line->first->due < found->first->due)) {
            found = line;
        }
    }
    return found;
}

/* Pass on what has left, in that order, and hand over what has arrived; returns when there will be more, or -1. */
static long long pass_on(void) {
    struct line *out, *in;
    while ((out = first_of(1)) && out->first->due <= now()) {
        struct frame *frame = taken(out);
        in = &ends[frame->to].in;
        frame->due = begun(in, frame->due, frame->takes) + frame->takes + delay;
        append(in, frame);
    }
    while ((in = first_of(0)) && in->first->due <= now()) {
        struct frame *frame = taken(in);
        if (write(ends[frame->to].file, frame->bytes, frame->length) < 0 && errno != EIO) { /* the interface is not up yet */
            failed("a frame");
        }
        free(frame);
    }
    long long next = in ? in->first->due : -1;
    return out && (next < 0 || out->first->due < next) ? out->first->due : next;
}

int main(int arguments, char **names) {
    count = arguments - 1;
    if (count < 1 || count > MOST) {
        fprintf(stderr, "wire NAMESPACE...\n");
        return 2;
    }
    for (int n = 0; n < count; n++) {
        open_end(n, names[n + 1]);
    }
    struct sched_param first = {.sched_priority = 50};
    if (sched_setscheduler(0, SCHED_FIFO, &first)) { /* a cable waits for nobody */
        perror("SCHED_FIFO");
    }
    puts("ready");
    fflush(stdout);
    struct pollfd waiting[MOST + 1];
    for (int n = 0; n < count; n++) {
        waiting[n] = (struct pollfd){.fd = ends[n].file, .events = POLLIN};
    }
    waiting[count] = (struct pollfd){.fd = 0, .events = POLLIN};
    for (;;) {
        long long next = pass_on(), rest = next < 0 ? 1000000000 : next - now();
        rest = rest < 0 ? 0 : rest;
        struct timespec most = {rest / 1000000000, rest % 1000000000};
        if (ppoll(waiting, count + 1, &most, NULL) < 0) {
            failed("poll");
        }
        if (waiting[count].revents) {
            char line[128] = "";
            if (read(0, line, sizeof(line) - 1) <= 0 || sscanf(line, "%lf %lld", &rate, &delay) != 2 || rate <= 0) {
                return 0;
            }
        }
        for (int n = 0; n < count; n++) {
            if (waiting[n].revents & POLLIN) {
                take_in(n);
            }
        }
    }
}
