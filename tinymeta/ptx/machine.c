/* The machine: its memory, its settings, and a list of what was found to be wrong. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "driver.h"

#define BASE 0x7f0000000000u       /* no address of the host: who reads it there is told so */
#define ROOM (4ull << 30)          /* bytes of the device; an address is given once, never again */
#define MOST_FAULTS 100    /* different ones: of another kind, kernel or line */

struct fault {
    char kernel[1000];
    int kind, line;
    u64 address, size;    /* the first time; and by whom */
    dim block;
    u32 thread;
    u64 times;
};

struct settings settings;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
int sticky_error;
static struct fault faults[MOST_FAULTS];
static int fault_count;
static const char *running = "";

static void kernel_fault(const struct thread *, enum fault_kind, int line, u64 address, u32 size);
static struct machine the_machine = {.fault = kernel_fault};
struct machine *machine = &the_machine;

/* Pages that become real when they are used. */
static void *reserve(u64 size) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Returns whether there is room for the device's memory and what is known of it. */
int open_machine(void) {
    struct memory *global = &machine->global;
    if (global->bytes) return 1;
    *global = (struct memory){.base = BASE, .size = ROOM, .run = 1};
    global->bytes = reserve(ROOM);
    global->state = reserve(ROOM);
    return global->bytes && global->state;
}

/* A new run of the memory: whatever was marked before is over. */
static void begin_run(struct memory *m, u64 size) {
    if (m->run++ < MOST_RUNS || !m->readers) return;
    m->run = 1;
    madvise(m->readers, size * sizeof *m->readers, MADV_DONTNEED);
    madvise(m->writers, size * sizeof *m->writers, MADV_DONTNEED);
}

/* Before a kernel: what the settings say of loads and races. */
void begin_launch(const char *name) {
    struct memory *global = &machine->global;
    static struct mark *readers, *writers;
    if (settings.races && !readers) {
        readers = reserve(ROOM * sizeof *readers);
        writers = reserve(ROOM * sizeof *writers);
    }
    int found = settings.races && readers && writers;
    global->readers = found ? readers : NULL;
    global->writers = found ? writers : NULL;
    machine->approximate_off = settings.approximate_off;
    begin_run(global, ROOM);
    running = name;
}

/* ---- what was wrong -------------------------------------------------------------------------- */

/* What a GPU itself would stop at. */
static int error_of(enum fault_kind kind) {
    switch (kind) {
    case MISALIGNED: return MISALIGNED_ADDRESS;
    case OUT_OF_BOUNDS: return ILLEGAL_ADDRESS;
    case TRAP: return LAUNCH_FAILED;
    default: return SUCCESS;
    }
}

static void note(const struct thread *t, enum fault_kind kind, const char *kernel, int line,
                 u64 address, u64 size) {
    if (!sticky_error) sticky_error = error_of(kind);
    for (int k = 0; k < fault_count; k++) {
        struct fault *f = &faults[k];
        if (f->kind == (int)kind && f->line == line && !strcmp(f->kernel, kernel)) {
            f->times++;
            return;
        }
    }
    if (fault_count == MOST_FAULTS) return;
    struct fault *f = &faults[fault_count++];
    *f = (struct fault){.kind = kind, .line = line, .address = address, .size = size, .times = 1};
    if (t) f->block = t->ctaid, f->thread = t->identity.thread;
    snprintf(f->kernel, sizeof f->kernel, "%.999s", kernel);
}

static void kernel_fault(const struct thread *t, enum fault_kind kind, int line, u64 address,
                         u32 size) {
    note(t, kind, running, line, address, size);
}

void report(enum fault_kind kind, const char *kernel, int line, u64 address, u64 size) {
    note(NULL, kind, kernel, line, address, size);
}

/* ---- for emulator.py ------------------------------------------------------------------------- */

void emulator_configure(const struct settings *wanted) { settings = *wanted; }
const struct fault *emulator_faults(int *count) {
    *count = fault_count;
    return faults;
}
/* Forget them, and the error that would be returned from now on. */
void emulator_forget_faults(void) { fault_count = sticky_error = 0; }
