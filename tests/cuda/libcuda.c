/* A fake driver with two GPUs, as strict and as lazy as the real one may be.

   Memory is malloc's, and every kernel copies `count` floats from its first array to its second. It
   shows that tinymeta.cuda calls libcuda by its names, packs arguments as libcuda reads them, and
   waits where it has to: what is queued on a stream is done when somebody waits for it and not
   before; then a copy from the host reads what the host has there by that time. A call outside of
   its context, or one that disturbs a capture, fails as in the documentation. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
typedef unsigned long long u64;
enum { COPY, RECORD, WAIT };                   /* what a stream holds */
enum { INVALID = 1, MEMORY = 2, DEVICE = 101, CONTEXT = 201, PTX = 218, TOO_NEW = 222, HANDLE = 400,
       NOT_READY = 600, CAPTURING = 900, CAPTURED = 901 };
typedef struct Stream Stream;
typedef struct { Stream *stream; long recorded, done; } Event;        /* counted: recorded again */
typedef struct Op { int kind; void *to, *from; size_t bytes; Event *event; long count;
                    struct Op *next; } Op;
typedef struct { Op *first, **end; } Queue;
typedef struct { int number; } Context;
struct Stream { Context *context; Queue work, *graph; pthread_t captured_by; Stream *next; };
typedef struct { Context *context; char *text; } Module;

static Context contexts[2] = {{0}, {1}};
static Stream legacy[2], *streams;
static __thread Context *current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
int launches, graphs;                          /* calls */
int graphs_alive, modules_alive, intruders;    /* intruders: of another thread in a capture */
int broken;                                    /* an error that nothing recovers from */

/* ---- queues ---- */

static void empty(Queue *q) { q->first = 0, q->end = &q->first; }
static void append(Queue *q, Op op) {
    Op *p = malloc(sizeof op);
    *p = op, p->next = 0;
    *q->end = p, q->end = &p->next;
}
/* Run a stream's work: all of it, or until an event has been recorded so many times. */
static void run(Stream *s, Event *until, long count) {
    while (s->work.first && !(until && until->done >= count)) {
        Op *op = s->work.first;
        if (!(s->work.first = op->next)) s->work.end = &s->work.first;
        if (op->kind == COPY) memcpy(op->to, op->from, op->bytes);
        if (op->kind == RECORD) op->event->done = op->count;
        if (op->kind == WAIT && op->event->stream) run(op->event->stream, op->event, op->count);
        free(op);
    }
}
static void run_all(Context *c) {
    for (Stream *s = streams; s; s = s->next) if (!c || s->context == c) run(s, 0, 0);
    for (int k = 0; k < 2; k++) if (!c || c == &contexts[k]) run(&legacy[k], 0, 0);
}
static void add(Stream *s, Op op) {
    if (s->graph && !pthread_equal(s->captured_by, pthread_self())) intruders++;
    append(s->graph ? s->graph : &s->work, op);
}
static Stream *known(Stream *s) { return s == (Stream *)1 ? &legacy[current->number] : s; }
static int captures_here(void) {
    for (Stream *s = streams; s; s = s->next)
        if (s->graph && pthread_equal(s->captured_by, pthread_self())) return 1;
    return 0;
}
static int captures(Context *c) {
    for (Stream *s = streams; s; s = s->next) if (s->graph && s->context == c) return 1;
    return 0;
}
static int locked(int code) { pthread_mutex_unlock(&lock); return code; }
#define IN_CONTEXT if (broken) return broken; if (!current) return CONTEXT;
#define ON_STREAM IN_CONTEXT if (!s) return INVALID; s = known(s); \
    if (s->context != current) return HANDLE; pthread_mutex_lock(&lock);

/* ---- GPUs and contexts ---- */

int cuInit(unsigned flags) {
    for (int k = 0; k < 2; k++) legacy[k].context = &contexts[k], empty(&legacy[k].work);
    return 0;
}
int cuDeviceGet(int *d, int k) { *d = k; return k < 0 || k > 1 ? DEVICE : 0; }
int cuDevicePrimaryCtxRetain(Context **c, int d) { *c = &contexts[d]; return 0; }
int cuCtxGetCurrent(Context **c) { *c = current; return 0; }
int cuCtxSetCurrent(Context *c) {
    if (c && c != &contexts[0] && c != &contexts[1]) return CONTEXT;
    current = c;
    return 0;
}
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : 0; return a != 75 && a != 76; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "fake driver", n); return 0; }
int cuGetErrorString(int e, const char **s) { *s = "of the fake driver"; return 0; }
int cuCtxSynchronize(void) {
    IN_CONTEXT
    pthread_mutex_lock(&lock);
    if (captures(current)) return locked(CAPTURING);
    run_all(current);
    return locked(0);
}

/* ---- memory ---- */

int cuMemAlloc_v2(u64 *p, size_t n) {
    IN_CONTEXT
    if (captures_here()) return CAPTURING;
    if (n >> 30) return MEMORY;
    *p = (u64)memset(malloc(n), 0xff, n);
    return 0;
}
int cuMemAllocHost_v2(void **p, size_t n) { IN_CONTEXT *p = malloc(n); return 0; }
int cuMemFree_v2(u64 p) {
    IN_CONTEXT
    if (captures_here()) return CAPTURING;
    pthread_mutex_lock(&lock);
    run_all(0);
    free((void *)p);
    return locked(0);
}
int cuMemGetInfo_v2(size_t *a, size_t *b) { IN_CONTEXT *a = 1, *b = 2; return 0; }
static int queue_copy(void *to, void *from, size_t n, Stream *s) {
    ON_STREAM
    add(s, (Op){COPY, to, from, n});
    return locked(0);
}
int cuMemcpyHtoDAsync_v2(u64 d, void *h, size_t n, Stream *s) {
    return queue_copy((void *)d, h, n, s);
}
int cuMemcpyDtoDAsync_v2(u64 d, u64 from, size_t n, Stream *s) {
    return queue_copy((void *)d, (void *)from, n, s);
}
int cuMemcpyDtoHAsync_v2(void *h, u64 d, size_t n, Stream *s) {
    return queue_copy(h, (void *)d, n, s);
}

/* ---- streams and events ---- */

int cuStreamCreate(Stream **s, unsigned flags) {
    IN_CONTEXT
    pthread_mutex_lock(&lock);
    *s = calloc(1, sizeof **s), empty(&(*s)->work);
    (*s)->context = current, (*s)->next = streams, streams = *s;
    return locked(flags != 1);
}
int cuStreamSynchronize(Stream *s) {
    ON_STREAM
    if (s->graph) return locked(CAPTURING);
    run(s, 0, 0);
    return locked(0);
}
int cuEventCreate(Event **e, unsigned flags) {
    IN_CONTEXT
    *e = calloc(1, sizeof **e);
    return flags != 2;
}
int cuEventRecord(Event *e, Stream *s) {
    ON_STREAM
    e->stream = s;
    add(s, (Op){RECORD, .event = e, .count = ++e->recorded});
    return locked(0);
}
int cuStreamWaitEvent(Stream *s, Event *e, unsigned flags) {
    ON_STREAM
    add(s, (Op){WAIT, .event = e, .count = e->recorded});
    return locked(flags != 0);
}
int cuEventQuery(Event *e) { IN_CONTEXT return e->done < e->recorded ? NOT_READY : 0; }
int cuEventSynchronize(Event *e) {
    IN_CONTEXT
    pthread_mutex_lock(&lock);
    if (e->stream) run(e->stream, e, e->recorded);
    return locked(0);
}
int cuEventDestroy_v2(Event *e) { IN_CONTEXT return 0; }  /* what is queued may still name it */

/* ---- modules and launches ---- */

int cuModuleLoadDataEx(Module **m, char *text, unsigned count, int *options, void **values) {
    IN_CONTEXT
    if (captures_here()) return CAPTURING;
    if (count != 2 || options[0] != 5 || options[1] != 6) return INVALID;
    if (strstr(text, ".version 99")) return TOO_NEW;
    if (!strstr(text, ".version")) {
        strncpy(values[0], "line 1: no version", (size_t)values[1]);
        return PTX;
    }
    *m = malloc(sizeof **m), **m = (Module){current, strdup(text)}, modules_alive++;
    return 0;
}
int cuModuleGetFunction(Module **f, Module *m, char *name) {
    IN_CONTEXT
    *f = m;
    return strstr(m->text, ".version 98") ? TOO_NEW : !strstr(m->text, name);
}
int cuModuleUnload(Module *m) { IN_CONTEXT modules_alive--; free(m->text); free(m); return 0; }
int cuLaunchKernel(Module *f, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y,
                   unsigned z, unsigned shared, Stream *s, void **arguments, void **extra) {
    ON_STREAM
    void *from = *(void **)arguments[0], *to = *(void **)arguments[1];
    int count = *(int *)arguments[2];
    if (f->context != current) return locked(HANDLE);
    if (gx * x < count || gy * gz * y * z != 1 || shared || extra) return locked(INVALID);
    launches++;
    add(s, (Op){COPY, to, from, 4 * (size_t)count});
    return locked(0);
}

/* ---- graphs ---- */

int cuStreamBeginCapture_v2(Stream *s, int mode) {
    ON_STREAM
    if (s->graph || mode != 1) return locked(INVALID);
    empty(s->graph = malloc(sizeof(Queue)));
    s->captured_by = pthread_self();
    return locked(0);
}
int cuStreamEndCapture(Stream *s, Queue **g) {
    ON_STREAM
    *g = s->graph, s->graph = 0;
    return locked(*g ? 0 : INVALID);
}
int cuGraphInstantiateWithFlags(Queue **e, Queue *g, u64 flags) {
    IN_CONTEXT
    *e = g, graphs_alive++;
    return flags != 0;
}
int cuGraphDestroy(Queue *g) { IN_CONTEXT return !g; }   /* its executable is the same, here */
int cuGraphExecDestroy(Queue *e) { IN_CONTEXT graphs_alive--; return 0; }
int cuGraphLaunch(Queue *e, Stream *s) {
    ON_STREAM
    graphs++;
    for (Op *op = e->first; op; op = op->next) add(s, *op);
    return locked(0);
}
