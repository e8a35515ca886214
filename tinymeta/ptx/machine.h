/* What a translated kernel and the library that runs it share. */
#ifndef MACHINE_H
#define MACHINE_H
#include "memory.h"
#include "types.h"

/* What can be wrong. emulator.py has a sentence for each, in this order. */
enum fault_kind {
    MISALIGNED, OUT_OF_BOUNDS, UNWRITTEN_LOAD, READ_RACE, WRITE_RACE, OVERWRITE_RACE, PARTED, TRAP,
    LOCAL_BOUNDS, FOREIGN_CAPTURE, UNWRITTEN_DOWNLOAD, PAGEABLE_CAPTURE,
    COPY_BOUNDS, PARTED_WARP, NOT_ROUNDED
};

/* A thread of the GPU while it runs, with the names of PTX's special registers. */
struct thread {
    dim tid, ntid, ctaid, nctaid;
    const u8 *parameters;
    struct memory *shared;
    struct mark identity;    /* its block, its number there, and how many barriers it has passed */
    int resume;              /* the barrier where it waits, 0 at the beginning, DONE at the end */
    int ended_before;        /* in an earlier epoch */
    int waits_for_warp;      /* not at a barrier, but at a product of the 32 threads of its warp: */
    tf32 a[4], b[2];         /* what it holds of the matrices, and of the sums, before and after */
    f32 c[4];
};
enum { DONE = -1, WARP = 32 };

struct machine {
    struct memory global;
    int approximate_off;     /* are approximate functions off by units in the last place? */
    void (*fault)(const struct thread *, enum fault_kind, int line, u64 address, u32 size);
};
extern struct machine *machine;

/* A kernel of a module, as the translator writes it down and the library counts its runs. A visit
   is a thread's passing through a straight piece of code; counts[piece][kind] tells what it has. */
struct kernel {
    const char *name;
    int (*run)(struct thread *, void *registers);
    u32 register_bytes, shared_bytes, parameter_bytes, parameters;
    const u32 *parameter_sizes, *parameter_offsets;
    u32 pieces;
    u64 *visits;
    const u32 *counts;
    u64 launches, blocks, threads;
};

/* A variable of a module: the library gives it memory when the module is loaded. */
struct variable {
    const u8 *content;
    u64 size, address;
};
#endif
