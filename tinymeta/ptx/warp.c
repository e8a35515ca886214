/* A warp's matrix product: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32, D = A B + C.

   Each of the 32 threads holds a few numbers of each matrix (PTX ISA, Matrix Fragments for
   mma.m16n8k8): thread 4 g + p, of the group g = 0 .. 7 and its place there p = 0 .. 3, has

        A, 16 x 8                    B, 8 x 8                 C and D, 16 x 8
        column     p     p + 4       column      g            column    2 p   2 p + 1
        row g      a0    a2          row p       b0           row g      c0    c1
        row g + 8  a1    a3          row p + 4   b1           row g + 8  c2    c3

   The products of two numbers of 11 bits are exact. How their sums are rounded, and in which order,
   NVIDIA does not say; its GPUs cut off what they cannot keep (Fasi, Higham, Mikaitis, Pranesh,
   Numerical behavior of NVIDIA tensor cores, 2021). So each sum is rounded towards 0 here, or to the
   nearest where the machine leaves approximations as near as they can be. */
#include <math.h>
#include "driver.h"

#define CUT_OFF 0x1fffu    /* the bits of a float32 that a TF32 number does not have */

static f32 sum_of(f32 c, f32 a, f32 b) {
    f64 exact = (f64)c + (f64)a * b;    /* to 53 bits */
    f32 sum = (f32)exact;
    int is_beyond = fabs((f64)sum) > fabs(exact);
    return machine->approximate_off && is_beyond ? nextafterf(sum, 0) : sum;
}

static f32 number(const struct thread *t, tf32 given) {
    if (given & CUT_OFF) machine->fault(t, NOT_ROUNDED, 0, 0, 0);
    return f32_of_bits(given & ~CUT_OFF);
}

/* warp: the first of its 32 threads, all of which have given their numbers. */
void multiply_warp(struct thread *warp) {
    f32 a[16][8], b[8][8];
    for (int k = 0; k < WARP; k++) {
        const struct thread *t = &warp[k];
        int g = k / 4, p = k % 4;
        for (int i = 0; i < 4; i++) a[g + i % 2 * 8][p + i / 2 * 4] = number(t, t->a[i]);
        for (int i = 0; i < 2; i++) b[p + i * 4][g] = number(t, t->b[i]);
    }
    for (int k = 0; k < WARP; k++)
        for (int i = 0; i < 4; i++) {
            int row = k / 4 + i / 2 * 8, column = k % 4 * 2 + i % 2;
            f32 sum = warp[k].c[i];
            for (int j = 0; j < 8; j++) sum = sum_of(sum, a[row][j], b[j][column]);
            warp[k].c[i] = sum;
        }
}
