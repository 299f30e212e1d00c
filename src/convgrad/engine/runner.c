/* Runs a fixed list of compiled kernels in one call. Kernels check nothing: their buffers are as they were compiled for.
 * One that needs more memory than there is is left by a jump, from `memory.c` through `pool.c` to here; what it had
 * allocated until then is lost. */
#include <setjmp.h>
#include <stddef.h>
#include <time.h>

typedef int (*kernel_function)(void **arguments);

__thread jmp_buf *convgrad_escape; /* where this thread goes on when there is no memory left */

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Returns 0, or the number of the kernel that failed, counted from 1. With `times`, how long each kernel took. */
int convgrad_run(int count, kernel_function *kernels, void ***arguments, long long *times) {
    jmp_buf here, *outside = convgrad_escape;
    volatile int n = 0;
    int failed = 0;
    if (_setjmp(here) == 0) {
        convgrad_escape = &here;
        for (; n < count; n++) {
            long long start = times == NULL ? 0 : nanoseconds();
            kernels[n](arguments[n]);
            if (times != NULL) {
                times[n] = nanoseconds() - start;
            }
        }
    } else {
        failed = n + 1;
    }
    convgrad_escape = outside;
    return failed;
}
