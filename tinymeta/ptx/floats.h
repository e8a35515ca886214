/* PTX's instructions on floats, each a function of its name: fma.rn.f32 is fma_f32, as .rn is what
   C rounds by, fma.rz.f32 is fma_rz_f32. */
#ifndef FLOATS_H
#define FLOATS_H
#include <fenv.h>
#include <math.h>
#include "types.h"

/* S: the ending of C's functions for T. A comparison ending in u is true of NaN. */
#define FLOATS(T, S) \
    static inline T add_##T(T a, T b) { return a + b; } \
    static inline T sub_##T(T a, T b) { return a - b; } \
    static inline T mul_##T(T a, T b) { return a * b; } \
    static inline T div_##T(T a, T b) { return a / b; } \
    static inline T rcp_##T(T a) { return 1 / a; } \
    static inline T neg_##T(T a) { return -a; } \
    static inline T abs_##T(T a) { return fabs##S(a); } \
    static inline T sqrt_##T(T a) { return sqrt##S(a); } \
    static inline T min_##T(T a, T b) { return fmin##S(a, b); } \
    static inline T max_##T(T a, T b) { return fmax##S(a, b); } \
    static inline T fma_##T(T a, T b, T c) { return fma##S(a, b, c); } \
    static inline T copysign_##T(T sign, T size) { return copysign##S(size, sign); } \
    static inline T selp_##T(T a, T b, pred p) { return p ? a : b; } \
    static inline pred setp_num_##T(T a, T b) { return !isunordered(a, b); } \
    static inline pred setp_nan_##T(T a, T b) { return isunordered(a, b); } \
    COMPARISON(eq, ==, T) COMPARISON(lt, <, T) COMPARISON(le, <=, T) \
    COMPARISON(gt, >, T) COMPARISON(ge, >=, T) \
    static inline pred setp_ne_##T(T a, T b) { return !isunordered(a, b) && a != b; } \
    static inline pred setp_neu_##T(T a, T b) { return a != b; } \
    static inline T cvt_sat_##T##_##T(T a) { return a > 0 ? (a < 1 ? a : 1) : 0; } \
    static inline T cvt_rni_##T##_##T(T a) { return rint##S(a); } \
    static inline T cvt_rzi_##T##_##T(T a) { return trunc##S(a); } \
    static inline T cvt_rmi_##T##_##T(T a) { return floor##S(a); } \
    static inline T cvt_rpi_##T##_##T(T a) { return ceil##S(a); }
#define COMPARISON(name, sign, T) \
    static inline pred setp_##name##_##T(T a, T b) { return a sign b; } \
    static inline pred setp_##name##u_##T(T a, T b) { return isunordered(a, b) || a sign b; }
FLOATS(f32, f) FLOATS(f64, )

/* To 10 bits behind the point, halves away from 0: half of the last bit that is kept is added, the
   13 behind it are cut off. (PTX ISA, cvt; an infinity and NaN stay what they are.) */
static inline tf32 cvt_rna_tf32_f32(f32 a) {
    u32 bits = bits_of_f32(a);
    if (isnan(a)) bits |= 0x400000;
    else if (isfinite(a)) bits += 0x1000;
    return bits & 0xffffe000u;
}

/* Between floats. */
static inline f64 cvt_f64_f32(f32 a) { return a; }
static inline f32 cvt_rn_f32_f64(f64 a) { return (f32)a; }

/* From floats to integers: beyond the range its end, NaN to 0. */
#define FROM_FLOAT(T, F, least, most) \
    static inline T clamp_##T##_##F(f64 a) { \
        return isnan(a) ? 0 : a <= (f64)least ? least : a >= (f64)most ? most : (T)a; \
    } \
    static inline T cvt_rni_##T##_##F(F a) { return clamp_##T##_##F(rint((f64)a)); } \
    static inline T cvt_rzi_##T##_##F(F a) { return clamp_##T##_##F(trunc((f64)a)); } \
    static inline T cvt_rmi_##T##_##F(F a) { return clamp_##T##_##F(floor((f64)a)); } \
    static inline T cvt_rpi_##T##_##F(F a) { return clamp_##T##_##F(ceil((f64)a)); }
/* And back, to the nearest. */
#define TO_FLOAT(F, T) static inline F cvt_rn_##F##_##T(T a) { return (F)a; }
#define WITH_INTEGER(T, least, most) \
    FROM_FLOAT(T, f32, least, most) FROM_FLOAT(T, f64, least, most) \
    TO_FLOAT(f32, T) TO_FLOAT(f64, T)
WITH_INTEGER(s8, INT8_MIN, INT8_MAX) WITH_INTEGER(u8, 0, UINT8_MAX)
WITH_INTEGER(s16, INT16_MIN, INT16_MAX) WITH_INTEGER(u16, 0, UINT16_MAX)
WITH_INTEGER(s32, INT32_MIN, INT32_MAX) WITH_INTEGER(u32, 0, UINT32_MAX)
WITH_INTEGER(s64, INT64_MIN, INT64_MAX) WITH_INTEGER(u64, 0, UINT64_MAX)

/* Rounded another way: up, down or towards zero. volatile, so that the compiler moves nothing. */
#define DIRECTED(name, T, mode, result) \
    static __attribute__((noinline, unused)) T name(T a, T b, T c) { \
        volatile T x = a, y = b, z = c, r; \
        fesetround(mode); \
        r = result; \
        (void)z; \
        fesetround(FE_TONEAREST); \
        return r; \
    }
#define ALL_DIRECTED(T, S, way, mode) \
    DIRECTED(fma_##way##_##T, T, mode, fma##S(x, y, z)) \
    DIRECTED(add3_##way##_##T, T, mode, x + y) \
    DIRECTED(mul3_##way##_##T, T, mode, x * y) \
    static inline T add_##way##_##T(T a, T b) { return add3_##way##_##T(a, b, 0); } \
    static inline T mul_##way##_##T(T a, T b) { return mul3_##way##_##T(a, b, 0); }
ALL_DIRECTED(f32, f, rm, FE_DOWNWARD) ALL_DIRECTED(f64, , rm, FE_DOWNWARD)
ALL_DIRECTED(f32, f, rp, FE_UPWARD) ALL_DIRECTED(f64, , rp, FE_UPWARD)
ALL_DIRECTED(f32, f, rz, FE_TOWARDZERO) ALL_DIRECTED(f64, , rz, FE_TOWARDZERO)
#endif
