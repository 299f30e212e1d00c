/* How the processor treats numbers too small for its format's exponent (subnormal: below 1.2e-38 in float32). To compute
 * with one takes some processors 150 cycles more, so kernels take them for 0 and make 0 of them: in the pool's threads
 * for good, in the thread that calls them until they return. All of the setting is ours meanwhile (rounding, too): the
 * bits of a result may not depend on who computes it. */
#include <stdint.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#define NEAREST 0x1f80u           /* round to nearest, no exception stops the program, none noted yet */
#define FLUSH_RESULTS 0x8000u
#define OPERANDS_AS_ZERO 0x0040u
#define SUBNORMAL_SEEN 0x0002u    /* noted where operands are not taken for zero */

uint64_t convgrad_float_setting(void) { return _mm_getcsr(); }
void convgrad_set_floats(uint64_t setting) { _mm_setcsr((unsigned)setting); }
void convgrad_flush_subnormals(void) { _mm_setcsr(NEAREST | FLUSH_RESULTS | OPERANDS_AS_ZERO); }

/* From here on the thread notes whether an instruction takes a subnormal operand. Returns whether this processor can. */
int convgrad_note_subnormals(void) {
    _mm_setcsr(NEAREST | FLUSH_RESULTS);
    return 1;
}
int convgrad_subnormals_noted(void) { return (_mm_getcsr() & SUBNORMAL_SEEN) != 0; }

#elif defined(__aarch64__)
#define FLUSH (1ull << 24) /* operands and results */

uint64_t convgrad_float_setting(void) {
    uint64_t setting;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(setting));
    return setting;
}
void convgrad_set_floats(uint64_t setting) { __asm__ __volatile__("msr fpcr, %0" : : "r"(setting)); }
void convgrad_flush_subnormals(void) { convgrad_set_floats(FLUSH); }
int convgrad_note_subnormals(void) { return 0; }
int convgrad_subnormals_noted(void) { return 0; }

#else
uint64_t convgrad_float_setting(void) { return 0; }
void convgrad_set_floats(uint64_t setting) { (void)setting; }
void convgrad_flush_subnormals(void) {}
int convgrad_note_subnormals(void) { return 0; }
int convgrad_subnormals_noted(void) { return 0; }
#endif
