/* Memory for the temporaries of kernels, kept between calls: taking megabytes from the system anew for each call costs
   a page fault for every 4 KiB, which is a tenth and more of a Winograd convolution. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

typedef void *(*allocate_function)(void *context, size_t bytes);
typedef void (*free_function)(void *context, void *memory);
extern allocate_function halide_set_custom_malloc(allocate_function allocate);
extern free_function halide_set_custom_free(free_function give_back);

enum {
    ALIGNMENT = 128,        /* of what is handed out: Halide's vectors need 64, and 128 keeps neighbours apart */
    LEAST = 1 << 15,        /* bytes: the system's own lists are quick for less */
    PLACES = 64             /* blocks kept at most */
};
static const size_t MOST_KEPT = (size_t)1 << 28; /* bytes kept at most: 256 MiB */

/* In front of what is handed out. */
typedef struct {
    size_t bytes;
} header;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *kept[PLACES]; /* the one given back last comes last, and is taken first: it may still be in a cache */
static int count;
static size_t bytes_kept;

static header *header_of(void *memory) {
    return (header *)((char *)memory - ALIGNMENT);
}

/* A kept block that is large enough, and not more than twice as large as asked for. */
static void *taken(size_t bytes) {
    void *found = NULL;
    pthread_mutex_lock(&lock);
    for (int n = count - 1; n >= 0; n--) {
        size_t size = header_of(kept[n])->bytes;
        if (size >= bytes && size / 2 <= bytes) {
            found = kept[n];
            bytes_kept -= size;
            for (count--; n < count; n++) {
                kept[n] = kept[n + 1];
            }
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void *allocate(void *context, size_t bytes) {
    (void)context;
    void *memory = bytes >= LEAST ? taken(bytes) : NULL;
    if (memory == NULL) {
        size_t whole = (bytes + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        void *start = NULL;
        if (whole < bytes || posix_memalign(&start, ALIGNMENT, whole) != 0) {
            return NULL;
        }
        memory = (char *)start + ALIGNMENT;
        header_of(memory)->bytes = bytes;
    }
    return memory;
}

static void give_back(void *context, void *memory) {
    (void)context;
    if (memory == NULL) {
        return;
    }
    size_t bytes = header_of(memory)->bytes;
    if (bytes >= LEAST) {
        pthread_mutex_lock(&lock);
        if (count < PLACES && bytes_kept + bytes <= MOST_KEPT) {
            kept[count++] = memory;
            bytes_kept += bytes;
            memory = NULL;
        }
        pthread_mutex_unlock(&lock);
    }
    if (memory != NULL) {
        free(header_of(memory));
    }
}

void convgrad_keep_memory(void) {
    halide_set_custom_malloc(allocate);
    halide_set_custom_free(give_back);
}

/* Gives all that is kept back to the system; returns how many bytes it was. */
size_t convgrad_release_memory(void) {
    pthread_mutex_lock(&lock);
    size_t bytes = bytes_kept;
    while (count > 0) {
        free(header_of(kept[--count]));
    }
    bytes_kept = 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}
