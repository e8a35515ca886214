/* libcuda: a stream's work captured into a graph, and graphs launched.

   While a stream captures, nothing of it runs. Calls that could wait for it or change memory under
   it are refused: to every thread in the global mode, to the capturing one in the thread-local. */
#include <stdlib.h>
#include "driver.h"

enum { GLOBAL_MODE, THREAD_MODE, RELAXED_MODE };
#define MOST_CAPTURES 16

static struct stream *capturing[MOST_CAPTURES];    /* the streams that capture now */

int is_unsafe_now(void) {
    int code = SUCCESS;
    pthread_mutex_lock(&lock);
    for (int k = 0; k < MOST_CAPTURES; k++) {
        struct stream *s = capturing[k];
        if (!s || s->capture_mode == RELAXED_MODE) continue;
        int is_ours = pthread_equal(s->captured_by, pthread_self());
        if (s->capture_mode == THREAD_MODE && !is_ours) continue;
        s->is_broken = 1;
        code = CAPTURE_UNSUPPORTED;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int is_captured(const struct context *context) {
    int found = 0;
    pthread_mutex_lock(&lock);
    for (int k = 0; k < MOST_CAPTURES; k++)
        if (capturing[k] && capturing[k]->context == context) found = 1;
    pthread_mutex_unlock(&lock);
    return found;
}

static struct stream **slot_of(struct stream *wanted) {
    for (int k = 0; k < MOST_CAPTURES; k++)
        if (capturing[k] == wanted) return &capturing[k];
    return NULL;
}

static int begin(struct stream *s, int mode) {
    struct stream **slot = slot_of(NULL);
    if (!s || !slot || mode < GLOBAL_MODE || mode > RELAXED_MODE) return INVALID_VALUE;
    if (s == stream_of(NULL)) return CAPTURE_UNSUPPORTED;    /* the stream of number 0 cannot */
    if (s->is_capturing) return CAPTURE_UNSUPPORTED;
    *slot = s;
    s->is_capturing = 1, s->is_broken = 0, s->capture_mode = mode, s->captured_by = pthread_self();
    s->graph = calloc(1, sizeof *s->graph);
    s->graph->end = &s->graph->first;
    s->graph->is_alive = 1;
    return SUCCESS;
}
int cuStreamBeginCapture_v2(struct stream *handle, int mode) {
    CHECK(may_call());
    LOCKED(begin(stream_of(handle), mode));
}

static int end(struct stream *s, struct graph **graph) {
    if (!s || !s->is_capturing) return INVALID_VALUE;
    if (s->capture_mode != RELAXED_MODE && !pthread_equal(s->captured_by, pthread_self()))
        return CAPTURE_WRONG_THREAD;
    *slot_of(s) = NULL;
    s->is_capturing = 0;
    *graph = s->is_broken ? NULL : s->graph;
    return s->is_broken ? CAPTURE_INVALIDATED : SUCCESS;
}
int cuStreamEndCapture(struct stream *handle, struct graph **graph) {
    CHECK(may_call());
    LOCKED(end(stream_of(handle), graph));
}
int cuStreamIsCapturing(struct stream *handle, int *status) {
    CHECK(may_call());
    struct stream *s = stream_of(handle);
    if (!s) return INVALID_HANDLE;
    return *status = s->is_capturing ? 1 + s->is_broken : 0, SUCCESS;
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static struct operation copy_of(const struct operation *o) {
    struct operation copied = *o;
    if (o->kind == LAUNCH) {
        copied.owned = malloc(o->kernel->parameter_bytes + 1);
        memcpy(copied.owned, o->owned, o->kernel->parameter_bytes);
    }
    return copied;
}

static int instantiate(struct graph **executable, struct graph *graph) {
    if (!graph || !graph->is_alive) return INVALID_VALUE;
    struct graph *made = calloc(1, sizeof *made);
    made->is_alive = 1;
    made->end = &made->first;
    for (struct operation *o = graph->first; o; o = o->next) {
        struct operation *copied = malloc(sizeof *copied);
        *copied = copy_of(o);
        copied->next = NULL;
        *made->end = copied;
        made->end = &copied->next;
    }
    return *executable = made, SUCCESS;
}
int cuGraphInstantiateWithFlags(struct graph **executable, struct graph *graph, u64 flags) {
    CHECK(may_call());
    if (flags) return INVALID_VALUE;
    LOCKED(instantiate(executable, graph));
}

/* A graph's memory is kept, so that one who uses it afterwards is told so. */
static int destroy(struct graph *graph) {
    if (!graph || !graph->is_alive) return INVALID_VALUE;
    return graph->is_alive = 0, SUCCESS;
}
int cuGraphDestroy(struct graph *graph) {
    CHECK(may_call());
    LOCKED(destroy(graph));
}
int cuGraphExecDestroy(struct graph *executable) {
    CHECK(may_call());
    LOCKED(destroy(executable));
}

static int launch(struct graph *executable, struct stream *s) {
    if (!s || !executable || !executable->is_alive) return INVALID_HANDLE;
    for (struct operation *o = executable->first; o; o = o->next) CHECK(enqueue(s, copy_of(o)));
    return SUCCESS;
}
int cuGraphLaunch(struct graph *executable, struct stream *handle) {
    CHECK(may_call());
    LOCKED(launch(executable, stream_of(handle)));
}
