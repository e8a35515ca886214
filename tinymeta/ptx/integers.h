/* PTX's instructions on integers, each a function of its name: shl.b64 is shl_u64.

   They wrap around, shift by any amount, and divide by zero, as a GPU does and C does not. */
#ifndef INTEGERS_H
#define INTEGERS_H
#include "types.h"

/* T: a type, U: the one of its width without a sign. */
#define BOTH_SIGNS(T, U) \
    static inline T add_##T(T a, T b) { return (U)a + (U)b; } \
    static inline T sub_##T(T a, T b) { return (U)a - (U)b; } \
    static inline T mul_lo_##T(T a, T b) { return (U)a * (U)b; } \
    static inline T mad_lo_##T(T a, T b, T c) { return (U)a * (U)b + (U)c; } \
    static inline T min_##T(T a, T b) { return a < b ? a : b; } \
    static inline T max_##T(T a, T b) { return a > b ? a : b; } \
    static inline T selp_##T(T a, T b, pred p) { return p ? a : b; } \
    static inline pred setp_eq_##T(T a, T b) { return a == b; } \
    static inline pred setp_ne_##T(T a, T b) { return a != b; } \
    static inline pred setp_lt_##T(T a, T b) { return a < b; } \
    static inline pred setp_le_##T(T a, T b) { return a <= b; } \
    static inline pred setp_gt_##T(T a, T b) { return a > b; } \
    static inline pred setp_ge_##T(T a, T b) { return a >= b; }
BOTH_SIGNS(u16, u32) BOTH_SIGNS(u32, u32) BOTH_SIGNS(u64, u64)
BOTH_SIGNS(s16, u32) BOTH_SIGNS(s32, u32) BOTH_SIGNS(s64, u64)

#define UNSIGNED(U) \
    static inline U and_##U(U a, U b) { return a & b; } \
    static inline U or_##U(U a, U b) { return a | b; } \
    static inline U xor_##U(U a, U b) { return a ^ b; } \
    static inline U not_##U(U a) { return ~a; } \
    static inline U shl_##U(U a, u32 n) { return n < 8 * sizeof a ? (U)(a << n) : 0; } \
    static inline U shr_##U(U a, u32 n) { return n < 8 * sizeof a ? (U)(a >> n) : 0; } \
    static inline U div_##U(U a, U b) { return b ? a / b : (U)~(U)0; } \
    static inline U rem_##U(U a, U b) { return b ? a % b : a; } \
    static inline U bfi_##U(U a, U b, u32 place, u32 length) { \
        u32 first = place & 255, n = length & 255; \
        U ones = n < 8 * sizeof a ? ((U)1 << n) - 1 : (U)~(U)0; \
        if (first >= 8 * sizeof a) return b; \
        return (b & ~(U)(ones << first)) | (U)((a & ones) << first); \
    }
UNSIGNED(u16) UNSIGNED(u32) UNSIGNED(u64)

/* Of a negative number -1 is what is left of a shift; the least number divided by -1 is itself. */
#define SIGNED(S, U) \
    static inline S neg_##S(S a) { return 0 - (U)a; } \
    static inline S abs_##S(S a) { return a < 0 ? (S)(0 - (U)a) : a; } \
    static inline S shr_##S(S a, u32 n) { return a >> (n < 8 * sizeof a ? n : 8 * sizeof a - 1); } \
    static inline S div_##S(S a, S b) { \
        return b == 0 ? (S)-1 : b == -1 ? neg_##S(a) : (S)(a / b); \
    } \
    static inline S rem_##S(S a, S b) { return b == 0 ? a : b == -1 ? 0 : (S)(a % b); }
SIGNED(s16, u16) SIGNED(s32, u32) SIGNED(s64, u64)

/* T: a type, W: the one of twice its width. */
#define WIDER(T, W, bits) \
    static inline T mul_hi_##T(T a, T b) { return ((W)a * (W)b) >> bits; }
#define WIDE(T, W, bits) \
    WIDER(T, W, bits) \
    static inline W mul_wide_##T(T a, T b) { return (W)a * (W)b; } \
    static inline W mad_wide_##T(T a, T b, W c) { return (W)a * (W)b + c; }
WIDE(u16, u32, 16) WIDE(s16, s32, 16) WIDE(u32, u64, 32) WIDE(s32, s64, 32)
WIDER(u64, unsigned __int128, 64) WIDER(s64, __int128, 64)

static inline u32 clz_u32(u32 a) { return a ? __builtin_clz(a) : 32; }
static inline u32 clz_u64(u64 a) { return a ? __builtin_clzll(a) : 64; }
static inline u32 popc_u32(u32 a) { return __builtin_popcount(a); }
static inline u32 popc_u64(u64 a) { return __builtin_popcountll(a); }

static inline pred and_pred(pred a, pred b) { return a && b; }
static inline pred or_pred(pred a, pred b) { return a || b; }
static inline pred xor_pred(pred a, pred b) { return !a != !b; }
static inline pred not_pred(pred a) { return !a; }

/* Numbers of several words: ..._cc writes the carry, addc, subc and madc read it. */
static inline u32 with_carry(u64 sum, u32 *carry) { *carry = (sum >> 32) & 1; return (u32)sum; }
#define CARRYING(T) \
    static inline u32 add_cc_##T(u32 a, u32 b, u32 *c) { return with_carry((u64)a + b, c); } \
    static inline u32 addc_cc_##T(u32 a, u32 b, u32 *c) { return with_carry((u64)a + b + *c, c); } \
    static inline u32 addc_##T(u32 a, u32 b, u32 *c) { return a + b + *c; } \
    static inline u32 sub_cc_##T(u32 a, u32 b, u32 *c) { return with_carry((u64)a - b, c); } \
    static inline u32 subc_cc_##T(u32 a, u32 b, u32 *c) { return with_carry((u64)a - b - *c, c); } \
    static inline u32 subc_##T(u32 a, u32 b, u32 *c) { return a - b - *c; } \
    CARRYING_PRODUCT(lo, T, a * b) CARRYING_PRODUCT(hi, T, mul_hi_##T(a, b))
#define CARRYING_PRODUCT(half, T, product) \
    static inline u32 mad_##half##_cc_##T(T a, T b, u32 d, u32 *c) { \
        return with_carry((u64)(u32)(product) + d, c); \
    } \
    static inline u32 madc_##half##_cc_##T(T a, T b, u32 d, u32 *c) { \
        return with_carry((u64)(u32)(product) + d + *c, c); \
    } \
    static inline u32 madc_##half##_##T(T a, T b, u32 d, u32 *c) { return (u32)(product) + d + *c; }
CARRYING(u32) CARRYING(s32)
#endif
