/* A grid of threads, run on the CPU: block after block, and in a block from barrier to barrier.

   A kernel's function runs a thread until its next barrier or its end. So a block is a loop of
   epochs: in each, all its threads run that far, in any order, for a GPU promises none. On the way
   the threads of a warp meet at each of its matrix products, which orders nothing else. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "driver.h"

enum { START = -2 };

void begin_launch(const char *name);

static struct {                          /* of a block; kept from one to the next */
    u8 *registers;
    struct thread *threads;
    u32 *order;
    struct memory memory;
    u64 register_room, memory_room;
} state;

/* A number that looks like chance, the same in every run. */
static u32 chance(void) {
    static u64 x = 88172645463325252u;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return x >> 32;
}

static void order_threads(u32 count) {
    for (u32 k = 0; k < count; k++)
        state.order[k] = settings.thread_order == BACKWARD ? count - 1 - k : k;
    if (settings.thread_order != SHUFFLED) return;
    for (u32 k = count; k > 1; k--) {
        u32 other = chance() % k, held = state.order[other];
        state.order[other] = state.order[k - 1];
        state.order[k - 1] = held;
    }
}

static void make_room(const struct kernel *kernel) {
    u64 registers = 1024ull * kernel->register_bytes;
    if (!state.threads) {
        state.threads = calloc(1024, sizeof *state.threads);
        state.order = calloc(1024, sizeof *state.order);
    }
    if (state.register_room < registers)
        state.registers = realloc(state.registers, state.register_room = registers);
    if (state.memory_room < kernel->shared_bytes) {
        u64 size = state.memory_room = kernel->shared_bytes;
        struct memory *m = &state.memory;
        m->bytes = realloc(m->bytes, size), m->state = realloc(m->state, size);
        free(m->readers), free(m->writers);
        m->readers = m->writers = NULL;
    }
}

/* Shared memory as a new block finds it: nobody has written it. */
static void clear_shared_memory(const struct kernel *kernel) {
    struct memory *m = &state.memory;
    u64 marks = state.memory_room * sizeof *m->readers;
    m->base = 1024;    /* the first kilobyte is the system's */
    m->size = kernel->shared_bytes;
    memset(m->bytes, 0xff, m->size);
    memset(m->state, UNWRITTEN, m->size);
    if (settings.races && !m->readers && marks)
        m->readers = calloc(1, marks), m->writers = calloc(1, marks);
    if (!settings.races) free(m->readers), free(m->writers), m->readers = m->writers = NULL;
    if (++m->run <= MOST_RUNS) return;
    m->run = 1;
    if (m->readers) memset(m->readers, 0, marks), memset(m->writers, 0, marks);
}

static void start_thread(struct thread *t, const u8 *parameters, dim grid, dim block, dim place,
                         u32 k) {
    u64 number = ((u64)place.z * grid.y + place.y) * grid.x + place.x;
    *t = (struct thread){
        .tid = {k % block.x, k / block.x % block.y, k / (block.x * block.y)},
        .ntid = block, .ctaid = place, .nctaid = grid,
        .parameters = parameters, .shared = &state.memory,
        .identity = {.block = number % ALL_BLOCKS, .thread = k},
    };
}

/* Each thread that has not ended, as far as its next stop; or those alone that have multiplied. */
static void run_threads(struct kernel *kernel, u32 count, int after_product) {
    for (u32 k = 0; k < count; k++) {
        u32 number = state.order[k];
        struct thread *t = &state.threads[number];
        if (t->resume == DONE || (after_product && !t->waits_for_warp)) continue;
        t->waits_for_warp = 0;
        t->resume = kernel->run(t, state.registers + (u64)number * kernel->register_bytes);
    }
}

/* Each warp whose threads are at a product, all at the same one. Returns whether there are any. */
static int multiply_warps(u32 count) {
    int found = 0;
    for (u32 first = 0; first < count; first += WARP) {
        struct thread *warp = &state.threads[first], *waiting = NULL;
        u32 size = count - first < WARP ? count - first : WARP, together = 0;
        for (u32 k = 0; k < size; k++) {
            if (!warp[k].waits_for_warp) continue;
            if (!waiting) waiting = &warp[k];
            together += warp[k].resume == waiting->resume;
        }
        if (!waiting) continue;
        found = 1;
        if (together == WARP) multiply_warp(warp);
        else machine->fault(waiting, PARTED_WARP, 0, 0, 0);
    }
    return found;
}

static void run_block(struct kernel *kernel, const u8 *parameters, dim grid, dim block, dim place) {
    u32 count = block.x * block.y * block.z;
    clear_shared_memory(kernel);
    memset(state.registers, 0, (u64)count * kernel->register_bytes);
    for (u32 k = 0; k < count; k++)
        start_thread(&state.threads[k], parameters, grid, block, place, k);
    for (int running = 1, epoch = 0; running; epoch++) {
        int where = START;
        running = 0;
        order_threads(count);
        for (u32 k = 0; k < count; k++) state.threads[k].identity.epoch = epoch;
        run_threads(kernel, count, 0);
        while (multiply_warps(count)) run_threads(kernel, count, 1);
        for (u32 k = 0; k < count; k++) {
            struct thread *t = &state.threads[state.order[k]];
            if (t->ended_before) continue;
            running |= t->resume != DONE;
            if (where != START && where != t->resume) machine->fault(t, PARTED, 0, 0, 0);
            where = t->resume;
            t->ended_before = t->resume == DONE;
        }
    }
}

void run_grid(struct kernel *kernel, const u8 *parameters, dim grid, dim block) {
    u64 blocks = (u64)grid.x * grid.y * grid.z;
    begin_launch(kernel->name);
    make_room(kernel);
    kernel->launches++;
    kernel->blocks += blocks;
    kernel->threads += blocks * block.x * block.y * block.z;
    for (u64 k = 0; k < blocks && !sticky_error; k++) {
        u64 n = settings.thread_order == FORWARD ? k : blocks - 1 - k;
        dim place = {n % grid.x, n / grid.x % grid.y, n / ((u64)grid.x * grid.y)};
        run_block(kernel, parameters, grid, block, place);
    }
}
