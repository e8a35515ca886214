/* PTX's approximate functions: of what a GPU may give, one value.

   A GPU's are tables and a few bits; all that is promised is an error of about two units in the
   last place, so that far they are moved here, by a rule that looks like chance, if the machine
   wants it. What a kernel makes of them must not depend on it. "ftz": subnormals are zeros. */
#ifndef APPROXIMATE_H
#define APPROXIMATE_H
#include <float.h>
#include <math.h>
#include "machine.h"

static inline f32 near(f32 x) {
    if (!machine->approximate_off || !isfinite(x) || x == 0) return x;
    u32 bits = bits_of_f32(x);
    s32 units = (s32)((bits >> 3 ^ bits >> 7) % 5) - 2;
    return f32_of_bits(bits + units);
}
static inline f32 flushed(f32 x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

/* exact: a value computed in float64. */
#define APPROXIMATE(name, exact) \
    static inline f32 name##_approx_f32(f32 x) { return near((f32)(exact)); } \
    static inline f32 name##_approx_ftz_f32(f32 y) { \
        f32 x = flushed(y); \
        return flushed(near((f32)(exact))); \
    }
APPROXIMATE(lg2, log2((f64)x))
APPROXIMATE(rcp, 1 / (f64)x)
APPROXIMATE(sqrt, sqrt((f64)x))
APPROXIMATE(rsqrt, 1 / sqrt((f64)x))
APPROXIMATE(sin, sin((f64)x))
APPROXIMATE(cos, cos((f64)x))
APPROXIMATE(tanh, tanh((f64)x))

/* Of whole numbers a power of 2 is exact. */
static inline f32 ex2_approx_f32(f32 x) {
    f32 power = (f32)exp2((f64)x);
    return x == rintf(x) ? power : near(power);
}
static inline f32 ex2_approx_ftz_f32(f32 x) { return flushed(ex2_approx_f32(flushed(x))); }
static inline f32 div_approx_f32(f32 a, f32 b) { return near((f32)((f64)a / b)); }
static inline f32 div_approx_ftz_f32(f32 a, f32 b) {
    return flushed(div_approx_f32(flushed(a), flushed(b)));
}

/* In float64 only the upper 32 bits are computed. */
static inline f64 upper_half(f64 x) {
    f64 kept = fabs(x) < DBL_MIN ? copysign(0, x) : x;
    return f64_of_bits(bits_of_f64(kept) & 0xffffffff00000000u);
}
static inline f64 rcp_approx_ftz_f64(f64 x) { return upper_half(1 / x); }
static inline f64 rsqrt_approx_ftz_f64(f64 x) { return upper_half(1 / sqrt(x)); }
#endif
