/* Runs a fixed list of compiled kernels in one call, and keeps Halide's error message instead of ending the process. */
#include <string.h>
#include <time.h>

typedef int (*kernel_function)(void **arguments);
typedef void (*error_handler)(void *context, const char *text);
extern error_handler halide_set_error_handler(error_handler handler);

static char message[2048];

static void keep_message(void *context, const char *text) {
    (void)context;
    strncpy(message, text, sizeof(message) - 1);
}

void convgrad_keep_errors(void) {
    halide_set_error_handler(keep_message);
}

const char *convgrad_message(void) {
    return message;
}

/* Returns 0, or the number of the kernel that failed, counted from 1. */
int convgrad_run(int count, kernel_function *kernels, void ***arguments) {
    for (int n = 0; n < count; n++) {
        if (kernels[n](arguments[n]) != 0) {
            return n + 1;
        }
    }
    return 0;
}

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The same, and how long each kernel took. */
int convgrad_run_timed(int count, kernel_function *kernels, void ***arguments, long long *times) {
    for (int n = 0; n < count; n++) {
        long long start = nanoseconds();
        if (kernels[n](arguments[n]) != 0) {
            return n + 1;
        }
        times[n] = nanoseconds() - start;
    }
    return 0;
}
