/* Runs a fixed list of compiled kernels in one call. Kernels check nothing: their buffers are as they were compiled for.
 * One that needs more memory than there is is left by a jump, from `memory.c` through `pool.c` to here; what it had
 * allocated until then is lost.
 *
 * The kernels of a chain run one after the other on a slice of the examples; threads share the slices, and each kernel
 * is then computed by one thread. What a list is made of: `structs.h`. */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef int (*task_function)(void *context, int index, uint8_t *closure);
extern int halide_do_par_for(void *context, task_function task, int min, int size, uint8_t *closure);
extern uint64_t convgrad_float_setting(void);
extern void convgrad_set_floats(uint64_t setting);
extern void convgrad_flush_subnormals(void);
extern int convgrad_note_subnormals(void);
extern int convgrad_subnormals_noted(void);
extern void convgrad_fill_stack(void);

__thread jmp_buf *convgrad_escape; /* where this thread goes on when there is no memory left */
__thread int convgrad_in_slice;    /* whether loops are for this thread alone */

typedef struct {
    const call *calls;
    unsigned char *taken;
    long long *times;
    int failed; /* the kernel of the chain that found no memory, counted from 1 */
} chain;

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void call_moved(const call *kernel, int slice, int slot) {
    buffer moved[kernel->count];
    void *arguments[kernel->count];
    for (int n = 0; n < kernel->count; n++) {
        moved[n] = *kernel->arguments[n];
        moved[n].host += slice * kernel->movements[n].by_slice + slot * kernel->movements[n].by_slot;
        arguments[n] = &moved[n];
    }
    convgrad_fill_stack();
    kernel->function(arguments);
}

static int compute_slice(void *context, int slice, uint8_t *closure) {
    (void)context;
    chain *all = (chain *)closure;
    jmp_buf here, *outside = convgrad_escape;
    volatile int n = 0;
    volatile int slot = 0;
    int outer = convgrad_in_slice;
    if (__atomic_load_n(&all->failed, __ATOMIC_RELAXED)) {
        return 0;
    }
    while (__atomic_test_and_set(&all->taken[slot], __ATOMIC_ACQUIRE)) {
        slot = (slot + 1) % all->calls->slices;
    }
    convgrad_in_slice = 1;
    if (_setjmp(here) == 0) {
        convgrad_escape = &here;
        for (; n < all->calls->together; n++) {
            long long start = all->times ? nanoseconds() : 0;
            call_moved(&all->calls[n], slice, slot);
            if (all->times) {
                __atomic_fetch_add(&all->times[n], nanoseconds() - start, __ATOMIC_RELAXED);
            }
        }
    } else {
        __atomic_store_n(&all->failed, n + 1, __ATOMIC_RELAXED);
    }
    convgrad_escape = outside;
    convgrad_in_slice = outer;
    __atomic_clear(&all->taken[slot], __ATOMIC_RELEASE);
    return 0;
}

/* Returns 0, or the number of the kernel of the chain that failed, counted from 1. */
static int run_chain(const call *calls, long long *times) {
    unsigned char taken[calls->slices];
    memset(taken, 0, sizeof(taken));
    chain all = {calls, taken, times, 0};
    halide_do_par_for(NULL, compute_slice, 0, calls->slices, (uint8_t *)&all);
    return all.failed;
}

/* The time of a chain, given to its kernels as all threads together spent theirs. */
static void give_times(long long *times, int count, long long whole) {
    long long sum = 0;
    for (int n = 0; n < count; n++) {
        sum += times[n];
    }
    for (int n = 0; n < count; n++) {
        times[n] = sum ? (long long)((double)times[n] / sum * whole) : 0;
    }
}

/* Returns 0, or the number of the kernel that failed, counted from 1. */
static int run_all(int count, const call *calls, long long *times) {
    jmp_buf here, *outside = convgrad_escape;
    volatile int n = 0;
    volatile int failed = 0;
    if (_setjmp(here) == 0) {
        convgrad_escape = &here;
        for (; n < count && !failed; n += calls[n].together) {
            long long start = times ? nanoseconds() : 0;
            if (calls[n].slices == 1) {
                convgrad_fill_stack();
                calls[n].function((void **)calls[n].arguments);
                if (times) {
                    times[n] = nanoseconds() - start;
                }
                continue;
            }
            if (times) {
                memset(times + n, 0, calls[n].together * sizeof(*times));
            }
            int late = run_chain(calls + n, times ? times + n : NULL);
            failed = late ? n + late : 0;
            if (times) {
                give_times(times + n, calls[n].together, nanoseconds() - start);
            }
        }
    } else {
        failed = n + 1;
    }
    convgrad_escape = outside;
    return failed;
}

/* The same, with subnormal numbers taken for 0; the caller's setting comes back. `times`, where there are any, get the
 * nanoseconds that each kernel took. */
int convgrad_run(int count, const call *calls, long long *times) {
    uint64_t before = convgrad_float_setting();
    convgrad_flush_subnormals();
    int failed = run_all(count, calls, times);
    convgrad_set_floats(before);
    return failed;
}

/* Runs kernels on this thread alone, and finds out whether one computes with a subnormal number, for tests. Returns 1
 * where one does, 0 where none does, -1 where a kernel failed, -2 where this processor does not tell. */
int convgrad_meets_subnormals(int count, const call *calls) {
    uint64_t before = convgrad_float_setting();
    int within = convgrad_in_slice, found = -2;
    convgrad_in_slice = 1;
    if (convgrad_note_subnormals()) {
        found = run_all(count, calls, NULL) ? -1 : convgrad_subnormals_noted();
    }
    convgrad_in_slice = within;
    convgrad_set_floats(before);
    return found;
}
