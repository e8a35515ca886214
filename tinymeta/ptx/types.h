/* PTX's types under PTX's names, their bits, and a place in a grid. */
#ifndef TYPES_H
#define TYPES_H
#include <stdint.h>
#include <string.h>

typedef uint8_t u8, pred;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef float f32;
typedef double f64;
typedef u32 tf32;    /* a float of 10 bits behind the point, and 13 bits more that mean nothing */
typedef struct { u32 x, y, z; } dim;

/* The same bits as another type: PTX has registers that are only bits. */
#define SAME_BITS(name, from, to) \
    static inline to name(from x) { to y; memcpy(&y, &x, sizeof y); return y; }
SAME_BITS(bits_of_f32, f32, u32)
SAME_BITS(bits_of_f64, f64, u64)
SAME_BITS(f32_of_bits, u32, f32)
SAME_BITS(f64_of_bits, u64, f64)
#endif
