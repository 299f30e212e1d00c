/* Memory for what kernels need while they run. The system hands out large blocks as pages that are mapped, and filled
 * with zeros, when they are first touched: some 1.5 us for each 4 KiB, so 38 MB took 14 ms. The C library keeps blocks
 * up to 32 MiB at most, and others give all back. So freed blocks are kept here and used again, by any kernel and
 * thread, MOST_KEPT bytes of them and MOST_BLOCKS at most. Where there is no memory left, the kernel is given up. */
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ALIGNMENT 128          /* at least Halide's; also the room in front of a block for its size */
#define LEAST_KEPT (1 << 14)   /* smaller blocks come from the heap, which keeps them itself */
#define HUGE_PAGE (1 << 21)    /* from this size on, blocks are asked for in pages of 2 MiB where the system has them */
#define MOST_KEPT (128l << 20)
#define MOST_BLOCKS 256
#define MOST_WASTE 4 /* how many times what is asked for a block may be */

extern __thread jmp_buf *convgrad_escape;
extern void convgrad_choose_filling(int when, unsigned pattern);
extern void convgrad_fill_block(void *memory, size_t bytes, int fresh);

typedef struct {
    size_t size; /* of the whole block */
} header;

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static header *kept[MOST_BLOCKS]; /* those freed last at the end */
static int count;
static size_t kept_bytes;

static header *take_out(int place) {
    header *block = kept[place];
    count--;
    for (int n = place; n < count; n++) {
        kept[n] = kept[n + 1];
    }
    kept_bytes -= block->size;
    return block;
}

/* The smallest kept block that is large enough, and among equals the one freed last, which caches may still hold; none
 * of which most would lie idle, while another kernel asks for it. */
static header *kept_block(size_t size) {
    int best = -1;
    for (int n = 0; n < count; n++) {
        if (kept[n]->size >= size && kept[n]->size / MOST_WASTE <= size && (best < 0 || kept[n]->size <= kept[best]->size)) {
            best = n;
        }
    }
    return best < 0 ? NULL : take_out(best);
}

/* What kernels call; it never returns NULL. */
void *halide_malloc(void *context, size_t size) {
    (void)context;
    size_t whole = size + ALIGNMENT;
    header *block = NULL;
    if (whole >= LEAST_KEPT) {
        pthread_mutex_lock(&kept_lock);
        block = kept_block(whole);
        pthread_mutex_unlock(&kept_lock);
    }
    int fresh = block == NULL;
    if (fresh) {
        size_t unit = whole >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
        whole = (whole + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        void *memory = NULL;
        if (posix_memalign(&memory, unit, whole) != 0) {
            if (convgrad_escape == NULL) {
                abort(); /* not called from a list of kernels */
            }
            _longjmp(*convgrad_escape, 1);
        }
#ifdef MADV_HUGEPAGE
        if (unit == HUGE_PAGE) {
            madvise(memory, whole / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
        }
#endif
        block = memory;
        block->size = whole;
    }
    convgrad_fill_block((char *)block + ALIGNMENT, block->size - ALIGNMENT, fresh);
    return (char *)block + ALIGNMENT;
}

void halide_free(void *context, void *pointer) {
    (void)context;
    if (pointer == NULL) {
        return;
    }
    header *block = (header *)((char *)pointer - ALIGNMENT);
    if (block->size < LEAST_KEPT || block->size > MOST_KEPT) {
        free(block);
        return;
    }
    header *old[MOST_BLOCKS];
    int evicted = 0;
    pthread_mutex_lock(&kept_lock);
    while (count == MOST_BLOCKS || (count > 0 && kept_bytes + block->size > MOST_KEPT)) {
        old[evicted++] = take_out(0);
    }
    kept[count++] = block;
    kept_bytes += block->size;
    pthread_mutex_unlock(&kept_lock);
    while (evicted > 0) {
        free(old[--evicted]);
    }
}

/* How many bytes are kept now, for tests. */
long long convgrad_kept_bytes(void) {
    pthread_mutex_lock(&kept_lock);
    long long bytes = (long long)kept_bytes;
    pthread_mutex_unlock(&kept_lock);
    return bytes;
}

/* Fill what is kept with a pattern now, and from now on blocks that are handed out (`filling.c` says which). */
void convgrad_fill(int when, unsigned pattern) {
    convgrad_choose_filling(when, pattern);
    pthread_mutex_lock(&kept_lock);
    for (int n = 0; n < count; n++) {
        convgrad_fill_block((char *)kept[n] + ALIGNMENT, kept[n]->size - ALIGNMENT, 1);
    }
    pthread_mutex_unlock(&kept_lock);
}
