/* What the files of the library share: its settings, streams, and what is queued on them. */
#ifndef DRIVER_H
#define DRIVER_H
#include <pthread.h>
#include <stddef.h>
#include "machine.h"

/* The codes of libcuda that it returns. */
enum {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201, INVALID_PTX = 218, PTX_TOO_NEW = 222, INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, MISALIGNED_ADDRESS = 716,
    LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_WRONG_THREAD = 905
};

/* How the machine behaves; emulator.py has the same fields and says what they are for. */
struct settings {
    int thread_order, races, approximate_off, late_uploads, late_refusal;
    int ptx_version, capability, devices, megabytes;
};
extern struct settings settings;
enum { FORWARD, BACKWARD, SHUFFLED };    /* the order of threads, and of a graph's nodes */

struct context { int device; };

/* Something in a stream. `done` when it has run: it is then freed. */
enum operation_kind { LAUNCH, UPLOAD, COPY, RECORD, WAIT, SET_STATE };
struct operation {
    enum operation_kind kind;
    struct kernel *kernel;
    dim grid, block;
    u8 *owned;                    /* the arguments of a launch, or what is uploaded */
    u64 to, from, size, exact;
    struct stream *awaited;       /* and how far it must have come */
    u64 number;
    struct operation *next;
    struct node *needs;           /* of a graph's node: those that it comes after */
};
struct node { const struct operation *of; struct node *next; };
/* latest: what the next node that is captured comes after. */
struct graph { struct operation *first, **end; struct node *latest; int is_alive; };
struct stream {
    struct context *context;
    int is_blocking, is_capturing, capture_mode, is_broken;
    pthread_t captured_by;
    struct graph *graph;          /* that is being captured */
    struct operation *first, **end;
    u64 queued, done;             /* how many operations */
};

extern pthread_mutex_t lock;
extern __thread struct context *current_context;
extern int sticky_error;    /* of the kernel that failed: every call returns it from then on */

int may_call(void);         /* SUCCESS, or why no call is possible in this thread */
int is_unsafe_now(void);    /* CAPTURE_UNSUPPORTED if a capture forbids such a call, or SUCCESS */
int is_captured(const struct context *context);    /* does a stream of it capture? */
int enqueue(struct stream *stream, struct operation operation);
void become_node(struct graph *graph, struct operation *operation);
void run_until(struct stream *stream, u64 number);
void run_all_streams(void);
void run_grid(struct kernel *kernel, const u8 *parameters, dim grid, dim block);
void multiply_warp(struct thread *warp);
void report(enum fault_kind kind, const char *kernel, int line, u64 address, u64 size);
int is_allocated(u64 address, u64 size);
u64 allocate_variable(u64 size, const u8 *content);
struct stream *stream_of(struct stream *handle);
int is_pinned(const void *address, u64 size);

/* At the beginning of a call: return why it is not possible. */
#define CHECK(condition) \
    do { int code_ = (condition); if (code_) return code_; } while (0)
#define LOCKED(result) \
    do { \
        pthread_mutex_lock(&lock); \
        int code_ = (result); \
        pthread_mutex_unlock(&lock); \
        return code_; \
    } while (0)

/* What is behind an address of the device. */
static inline u8 *bytes_of(u64 address) {
    return machine->global.bytes + (address - machine->global.base);
}
static inline u8 *state_of(u64 address) {
    return machine->global.state + (address - machine->global.base);
}
#endif
