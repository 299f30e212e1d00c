/* What a list of compiled kernels is made of: `native.py` makes such lists in memory, an exported program has them as
 * constants. */
#include <stdint.h>

typedef int (*kernel_function)(void **arguments);

/* halide_dimension_t */
typedef struct {
    int32_t min, extent, stride;
    uint32_t flags;
} dimension;

/* halide_buffer_t */
typedef struct {
    uint64_t device;
    void *device_interface;
    uint8_t *host;
    uint64_t flags;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } type;
    int32_t dimensions;
    const dimension *dim;
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
    const buffer *const *arguments;
    const movement *movements;
    int32_t count;
    int32_t slices;
    int32_t together;
} call;
