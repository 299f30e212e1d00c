/* Runs a fixed list of compiled kernels in one call, and keeps Halide's error message instead of ending the process.
 *
 * The kernels of a chain run one after the other on a slice of the examples; threads share the slices, and each kernel
 * is then computed by one thread. */
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef int (*kernel_function)(void **arguments);
typedef void (*error_handler)(void *context, const char *text);
typedef int (*task_function)(void *context, int number, uint8_t *closure);
typedef int (*parallel_loop)(void *context, task_function task, int first, int count, uint8_t *closure);
extern error_handler halide_set_error_handler(error_handler handler);
extern parallel_loop halide_set_custom_do_par_for(parallel_loop loop);
extern int halide_do_par_for(void *context, task_function task, int first, int count, uint8_t *closure);
extern int halide_do_task(void *context, task_function task, int number, uint8_t *closure);

/* halide_buffer_t */
typedef struct {
    uint64_t device;
    void *device_interface;
    uint8_t *host;
    uint64_t flags;
    uint32_t type;
    int32_t dimensions;
    void *dimension;
    void *padding;
} buffer;

/* Bytes by which a buffer moves from slice to slice, and from one slot to the next: a thread has the lowest slot that
 * is free while it computes a slice, so that few are ever touched, and stay in caches. */
typedef struct {
    int64_t by_slice;
    int64_t by_slot;
} movement;

/* `together` kernels from this one on are a chain in `slices`; without slices the kernel is called by itself. */
typedef struct {
    kernel_function function;
    buffer **arguments;
    const movement *movements;
    int32_t count;
    int32_t slices;
    int32_t together;
} call;

typedef struct {
    const call *calls;
    unsigned char *taken;
    long long *times;
    int failed;
} chain;

static char message[2048];
static __thread int in_slice;
static parallel_loop spread;

static void keep_message(void *context, const char *text) {
    (void)context;
    strncpy(message, text, sizeof(message) - 1);
}

static int loop(void *context, task_function task, int first, int count, uint8_t *closure) {
    if (!in_slice) {
        return spread(context, task, first, count, closure);
    }
    for (int number = first; number < first + count; number++) {
        int failed = halide_do_task(context, task, number, closure);
        if (failed) {
            return failed;
        }
    }
    return 0;
}

void convgrad_start(void) {
    halide_set_error_handler(keep_message);
    spread = halide_set_custom_do_par_for(loop);
}

const char *convgrad_message(void) {
    return message;
}

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int called(const call *kernel, int slice, int slot) {
    buffer moved[kernel->count];
    void *arguments[kernel->count];
    for (int n = 0; n < kernel->count; n++) {
        moved[n] = *kernel->arguments[n];
        moved[n].host += slice * kernel->movements[n].by_slice + slot * kernel->movements[n].by_slot;
        arguments[n] = &moved[n];
    }
    return kernel->function(arguments);
}

static int compute_slice(void *context, int slice, uint8_t *closure) {
    (void)context;
    chain *all = (chain *)closure;
    int slot = 0, together = all->calls->together;
    while (__atomic_test_and_set(&all->taken[slot], __ATOMIC_ACQUIRE)) {
        slot = (slot + 1) % all->calls->slices;
    }
    in_slice = 1;
    int failed = 0;
    for (int n = 0; n < together && !failed; n++) {
        long long start = all->times ? nanoseconds() : 0;
        if (called(&all->calls[n], slice, slot)) {
            failed = n + 1;
            __atomic_store_n(&all->failed, failed, __ATOMIC_RELAXED);
        }
        if (all->times) {
            __atomic_fetch_add(&all->times[n], nanoseconds() - start, __ATOMIC_RELAXED);
        }
    }
    in_slice = 0;
    __atomic_clear(&all->taken[slot], __ATOMIC_RELEASE);
    return failed;
}

/* Returns 0, or the number of the kernel of the chain that failed, counted from 1. */
static int run_chain(const call *calls, long long *times) {
    unsigned char taken[calls->slices];
    memset(taken, 0, sizeof(taken));
    chain all = {calls, taken, times, 0};
    int failed = halide_do_par_for(NULL, compute_slice, 0, calls->slices, (uint8_t *)&all);
    return all.failed ? all.failed : failed ? 1 : 0;
}

/* The time of a chain, given to its kernels as all threads together spent theirs. */
static void share(long long *times, int count, long long whole) {
    long long sum = 0;
    for (int n = 0; n < count; n++) {
        sum += times[n];
    }
    for (int n = 0; n < count; n++) {
        times[n] = sum ? (long long)((double)times[n] / sum * whole) : 0;
    }
}

/* Returns 0, or the number of the kernel that failed, counted from 1. `times`, where there are any, get the
 * nanoseconds that each kernel took. */
int convgrad_run(int count, const call *calls, long long *times) {
    for (int n = 0; n < count; n += calls[n].together) {
        long long start = times ? nanoseconds() : 0;
        int failed;
        if (calls[n].slices == 1) {
            failed = calls[n].function((void **)calls[n].arguments) ? 1 : 0;
        } else {
            if (times) {
                memset(times + n, 0, calls[n].together * sizeof(*times));
            }
            failed = run_chain(calls + n, times ? times + n : NULL);
        }
        if (failed) {
            return n + failed;
        }
        if (times && calls[n].slices == 1) {
            times[n] = nanoseconds() - start;
        } else if (times) {
            share(times + n, calls[n].together, nanoseconds() - start);
        }
    }
    return 0;
}
