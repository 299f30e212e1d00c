/* For tests and benchmarks: memory that nobody has written is filled with a pattern, so that a kernel that computes with
 * it shows. Off unless `convgrad_fill` is called. */
#include <stddef.h>
#include <stdint.h>

#define STACK_BYTES (1 << 17) /* below the frame that calls a kernel: eight times what one of its arrays may take there */

static int filling; /* 0 off; 1 blocks fresh from the system; 2 every block, and the stack before each kernel */
static uint32_t pattern;

void convgrad_choose_filling(int when, uint32_t with) {
    filling = when;
    pattern = with;
}

void convgrad_fill_block(void *memory, size_t bytes, int fresh) {
    if (filling == 2 || (filling == 1 && fresh)) {
        uint32_t *words = memory;
        for (size_t n = 0; n < bytes / sizeof(*words); n++) {
            words[n] = pattern;
        }
    }
}

__attribute__((noinline)) void convgrad_fill_stack(void) {
    if (filling == 2) {
        volatile uint32_t words[STACK_BYTES / sizeof(uint32_t)];
        for (size_t n = 0; n < STACK_BYTES / sizeof(*words); n++) {
            words[n] = pattern;
        }
    }
}
