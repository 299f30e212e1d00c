/* The runtime of an exported program on one thread. It asks nothing of the system but malloc, and that only while a list
 * of kernels runs for the first times: blocks that kernels give back are kept and used again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#ifndef __wasm__
#include <setjmp.h>
#endif

#define ALIGNMENT 128 /* at least Halide's; also the room in front of a block for its header */

typedef int (*task_function)(void *context, int index, uint8_t *closure);
extern uint64_t convgrad_float_setting(void);
extern void convgrad_set_floats(uint64_t setting);
extern void convgrad_flush_subnormals(void);

typedef struct block {
    size_t size;
    struct block *next;
} block;

static block *kept;
static size_t taken; /* bytes from malloc */
#ifndef __wasm__
static jmp_buf escape; /* where a list is left when there is no memory */
#endif

static void give_up(void) {
#ifdef __wasm__
    __builtin_trap();
#else
    longjmp(escape, 1);
#endif
}

/* The smallest kept block that is large enough, taken out; NULL where there is none. */
static block *kept_block(size_t size) {
    block **best = NULL;
    for (block **place = &kept; *place; place = &(*place)->next) {
        if ((*place)->size >= size && (!best || (*place)->size < (*best)->size)) {
            best = place;
        }
    }
    block *found = best ? *best : NULL;
    if (found) {
        *best = found->next;
    }
    return found;
}

/* What kernels call; it never returns NULL. */
void *halide_malloc(void *context, size_t size) {
    (void)context;
    block *found = kept_block(size);
    if (!found) {
        size_t whole = size + 2 * ALIGNMENT;
        uint8_t *memory = malloc(whole);
        if (!memory) {
            give_up();
        }
        taken += whole;
        found = (block *)(((uintptr_t)memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        found->size = size;
    }
    return (uint8_t *)found + ALIGNMENT;
}

void halide_free(void *context, void *pointer) {
    (void)context;
    if (pointer) {
        block *given = (block *)((uint8_t *)pointer - ALIGNMENT);
        given->next = kept;
        kept = given;
    }
}

int halide_do_par_for(void *context, task_function task, int min, int size, uint8_t *closure) {
    for (int n = min; n < min + size; n++) {
        int failed = task(context, n, closure);
        if (failed) {
            return failed;
        }
    }
    return 0;
}

static void call_moved(const call *kernel, int slice) {
    buffer moved[kernel->count];
    void *arguments[kernel->count];
    for (int n = 0; n < kernel->count; n++) {
        moved[n] = *kernel->arguments[n];
        moved[n].host += slice * kernel->movements[n].by_slice;
        arguments[n] = &moved[n];
    }
    kernel->function(arguments);
}

static void run_all(int count, const call *calls) {
    for (int n = 0; n < count; n += calls[n].together) {
        for (int slice = 0; slice < calls[n].slices; slice++) {
            for (int chained = 0; chained < calls[n].together; chained++) {
                call_moved(&calls[n + chained], slice);
            }
        }
    }
}

/* Returns 0, or 1 where there is no memory left. `times` is for the other runtime. Subnormal numbers are taken for 0
 * meanwhile, as everywhere; the caller's setting comes back. */
int convgrad_run(int count, const call *calls, long long *times) {
    (void)times;
    volatile int failed = 0;
    uint64_t before = convgrad_float_setting();
    convgrad_flush_subnormals();
#ifdef __wasm__
    run_all(count, calls);
#else
    if (setjmp(escape) == 0) {
        run_all(count, calls);
    } else {
        failed = 1;
    }
#endif
    convgrad_set_floats(before);
    return failed;
}

/* Bytes that were taken from malloc until now; none is given back. */
long long convgrad_taken_bytes(void) { return (long long)taken; }

void convgrad_set_threads(int count) { (void)count; }
