/* Steps on batches from standard input, with the rates R, R/2, R/3, ...; then results, weights and state as bytes, and the
 * losses as text on standard error. The last number is how many blocks were taken by malloc after net_init. */
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

static net_real input[NET_BATCH * NET_INPUT], target[NET_BATCH * NET_TARGET], output[NET_BATCH * NET_OUTPUT];
static int taken;

#ifdef COUNTED
extern void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size) {
    taken++;
    return __real_malloc(size);
}
#endif

static void write_all(const net_tensor *tensors, int count) {
    for (int n = 0; n < count; n++) {
        fwrite(tensors[n].data, sizeof(net_real), tensors[n].size, stdout);
    }
}

int main(int count, char **arguments) {
    if (count != 3 || net_init()) {
        return 1;
    }
    net_threads(atoi(arguments[2]));
    taken = 0;
    for (int n = 1; fread(input, sizeof(input), 1, stdin) && fread(target, sizeof(target), 1, stdin); n++) {
        net_real loss;
        if (net_step(input, target, atof(arguments[1]) / n, &loss)) {
            return 1;
        }
        fprintf(stderr, "%.17g\n", (double)loss);
    }
    if (net_predict(input, output)) {
        return 1;
    }
    int after = taken;
    fwrite(output, sizeof(output), 1, stdout);
    write_all(net_weights, NET_WEIGHTS);
    write_all(net_state, NET_STATE);
    fprintf(stderr, "%d\n", after);
    return 0;
}
