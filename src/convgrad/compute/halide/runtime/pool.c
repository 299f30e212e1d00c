/* Threads for parallel loops of kernels. Halide's own runtime has such threads, too; to compile all of it takes 0.6 s of
 * each first start, for kernels that call three of its functions. The thread that began a loop and all that have nothing
 * else to do take its tasks one by one: each those of its own share first, so that neighbours, and what the next loop
 * reads, are in the caches of one processor. What a task computes does not depend on who takes it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#define SPINS 64  /* looks for work before a thread goes to sleep: 20 to 50 us. To wake one takes as long. */
#define PAUSES 32 /* between two looks, before others may have the processor */
#define MOST_SHARES 64

extern __thread jmp_buf *convgrad_escape;
extern __thread int convgrad_in_slice;
extern void convgrad_flush_subnormals(void);
extern void convgrad_fill_stack(void);

typedef int (*task_function)(void *context, int index, uint8_t *closure);

typedef struct {
    int next, end; /* tasks that nobody has taken yet */
} __attribute__((aligned(64))) share;

typedef struct loop {
    task_function task;
    void *context;
    uint8_t *closure;
    struct loop *earlier; /* begun before, and still open */
    int helpers;          /* threads at work on it, besides the one that began it */
    int failed;
    int count;
    share shares[MOST_SHARES];
} loop;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static loop *latest;                      /* the open loops */
static unsigned loops_begun;              /* changes when there is something new to do */
static int started, sleeping, waiting;    /* helpers that exist; that sleep; threads that wait for helpers */
static int wanted;                        /* helpers that may work: one less than threads */

static void pause_briefly(void) {
    for (int n = 0; n < PAUSES; n++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#endif
    }
    sched_yield();
}

/* Tasks until there are none left, those of the thread's own share first. Where one runs out of memory, the rest is
 * given up. */
static void take_part(loop *shared, int number) {
    jmp_buf here, *outside = convgrad_escape;
    if (_setjmp(here) == 0) {
        convgrad_escape = &here;
        for (int n = 0; n < shared->count; n++) {
            share *from = &shared->shares[(number + n) % shared->count];
            int index;
            while ((index = __atomic_fetch_add(&from->next, 1, __ATOMIC_RELAXED)) < from->end) {
                convgrad_fill_stack();
                shared->task(shared->context, index, shared->closure);
            }
        }
    } else {
        __atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
        for (int n = 0; n < shared->count; n++) {
            __atomic_store_n(&shared->shares[n].next, shared->shares[n].end, __ATOMIC_RELAXED);
        }
    }
    convgrad_escape = outside;
}

static int has_tasks(loop *shared) {
    for (int n = 0; n < shared->count; n++) {
        if (__atomic_load_n(&shared->shares[n].next, __ATOMIC_RELAXED) < shared->shares[n].end) {
            return 1;
        }
    }
    return 0;
}

/* The loop begun last that has tasks left. */
static loop *open_loop(void) {
    loop *found = latest;
    while (found != NULL && !has_tasks(found)) {
        found = found->earlier;
    }
    return found;
}

static void *help(void *number) {
    convgrad_flush_subnormals();
    pthread_mutex_lock(&lock);
    for (;;) {
        loop *shared = (intptr_t)number < wanted ? open_loop() : NULL;
        if (shared != NULL) {
            shared->helpers++;
            pthread_mutex_unlock(&lock);
            take_part(shared, (int)(intptr_t)number + 1);
            pthread_mutex_lock(&lock);
            __atomic_store_n(&shared->helpers, shared->helpers - 1, __ATOMIC_RELEASE);
            /* From here on the thread that began the loop may have gone on, and its loop be over. */
            if (waiting > 0) {
                pthread_cond_broadcast(&left);
            }
            continue;
        }
        unsigned seen = loops_begun;
        pthread_mutex_unlock(&lock);
        for (int n = 0; n < SPINS && __atomic_load_n(&loops_begun, __ATOMIC_RELAXED) == seen; n++) {
            pause_briefly();
        }
        pthread_mutex_lock(&lock);
        if (loops_begun == seen) {
            sleeping++;
            pthread_cond_wait(&begun, &lock);
            sleeping--;
        }
    }
    return NULL;
}

static void start_helpers(void) {
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (started < wanted && pthread_create(&thread, &detached, help, (void *)(intptr_t)started) == 0) {
        started++;
    }
    pthread_attr_destroy(&detached);
}

static void wait_for_helpers(loop *own) {
    for (int n = 0; n < SPINS && __atomic_load_n(&own->helpers, __ATOMIC_ACQUIRE) > 0; n++) {
        pause_briefly();
    }
    if (__atomic_load_n(&own->helpers, __ATOMIC_ACQUIRE) > 0) {
        pthread_mutex_lock(&lock);
        waiting++;
        while (own->helpers > 0) {
            pthread_cond_wait(&left, &lock);
        }
        waiting--;
        pthread_mutex_unlock(&lock);
    }
}

static void close_loop(loop *own) {
    pthread_mutex_lock(&lock);
    loop **link = &latest;
    while (*link != own) {
        link = &(*link)->earlier;
    }
    *link = own->earlier;
    pthread_mutex_unlock(&lock);
}

/* What kernels call: task(context, index, closure) for all indices from `min` on. */
int halide_do_par_for(void *context, task_function task, int min, int size, uint8_t *closure) {
    int threads = 1 + __atomic_load_n(&wanted, __ATOMIC_RELAXED);
    if (size < 2 || convgrad_in_slice) {
        threads = 1;
    }
    loop own;
    own.task = task;
    own.context = context;
    own.closure = closure;
    own.helpers = own.failed = 0;
    own.count = threads < MOST_SHARES ? threads : MOST_SHARES;
    for (int n = 0; n < own.count; n++) {
        own.shares[n].next = min + (int)((int64_t)size * n / own.count);
        own.shares[n].end = min + (int)((int64_t)size * (n + 1) / own.count);
    }
    if (threads > 1) {
        pthread_mutex_lock(&lock);
        start_helpers();
        own.earlier = latest;
        latest = &own;
        __atomic_store_n(&loops_begun, loops_begun + 1, __ATOMIC_RELAXED);
        if (sleeping > 0) {
            pthread_cond_broadcast(&begun);
        }
        pthread_mutex_unlock(&lock);
    }
    take_part(&own, 0);
    if (threads > 1) {
        close_loop(&own);
        wait_for_helpers(&own);
    }
    if (own.failed && convgrad_escape != NULL) {
        _longjmp(*convgrad_escape, 1);
    }
    return 0;
}

/* How many threads work on a loop from now on, the one that begins it included. */
void convgrad_set_threads(int threads) {
    pthread_mutex_lock(&lock);
    __atomic_store_n(&wanted, threads - 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}
