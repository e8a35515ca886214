/* libcuda: a stream's work captured into a graph, and graphs launched.

   A node of a graph comes after the nodes it needs: by itself after the one captured before it, or
   after others, if the stream's set of them is changed. When a graph is launched, its nodes run in
   an order that this allows, another one each time if threads are shuffled: so what reads a node's
   result and does not need it finds another one there.

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

static struct node *with_node(struct node *set, const struct operation *of) {
    struct node *added = malloc(sizeof *added);
    *added = (struct node){of, set};
    return added;
}

/* The graph's last node, after its latest ones. */
void become_node(struct graph *graph, struct operation *o) {
    *graph->end = o;
    graph->end = &o->next;
    o->needs = graph->latest;
    graph->latest = with_node(NULL, o);
}

enum { ADD_NODES, SET_NODES };
static int update(struct stream *s, struct operation **nodes, size_t count, unsigned how) {
    if (!s || how > SET_NODES) return INVALID_VALUE;
    if (!s->is_capturing) return ILLEGAL_STATE;
    struct node *set = how == ADD_NODES ? s->graph->latest : NULL;
    for (size_t k = 0; k < count; k++) {
        const struct operation *o = s->graph->first;
        while (o && o != nodes[k]) o = o->next;
        if (!o) return INVALID_VALUE;
        set = with_node(set, o);
    }
    return s->graph->latest = set, SUCCESS;
}
int cuStreamUpdateCaptureDependencies(
    struct stream *handle, struct operation **nodes, size_t count, unsigned how) {
    CHECK(may_call());
    LOCKED(update(stream_of(handle), nodes, count, how));
}

#define MOST_LATEST 256
static int capture_info(
    struct stream *s, int *status, struct graph **graph, const struct operation ***latest,
    size_t *count) {
    static __thread const struct operation *found[MOST_LATEST];
    if (!s) return INVALID_HANDLE;
    *status = s->is_capturing ? 1 + s->is_broken : 0;
    if (*status != 1) return SUCCESS;
    *graph = s->graph, *latest = found, *count = 0;
    for (struct node *n = s->graph->latest; n && *count < MOST_LATEST; n = n->next)
        found[(*count)++] = n->of;
    return SUCCESS;
}
int cuStreamGetCaptureInfo_v2(
    struct stream *handle, int *status, u64 *id, struct graph **graph,
    const struct operation ***latest, size_t *count) {
    CHECK(may_call());
    LOCKED(capture_info(stream_of(handle), status, graph, latest, count));
}

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
        copied->number = 0;
        o->number = (u64)copied;    /* whom others mean when they need it */
        *made->end = copied;
        made->end = &copied->next;
        copied->needs = NULL;
        for (struct node *n = o->needs; n; n = n->next)
            copied->needs = with_node(copied->needs, (struct operation *)n->of->number);
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

static int is_ready(const struct operation *o, u64 run) {
    if (o->number == run) return 0;    /* it has run */
    for (const struct node *n = o->needs; n; n = n->next)
        if (n->of->number != run) return 0;
    return 1;
}

/* One node after another, each drawn from those that could be next. `number` says of a node in
   which launch it has last run. */
static int launch(struct graph *executable, struct stream *s) {
    static u64 run, random = 1;
    if (!s || !executable || !executable->is_alive) return INVALID_HANDLE;
    for (run++;;) {
        u64 ready = 0;
        struct operation *chosen = NULL;
        for (struct operation *o = executable->first; o; o = o->next) {
            if (!is_ready(o, run)) continue;
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            u64 draw = (random >> 33) % ++ready;
            int order = settings.thread_order;
            if (!chosen || order == BACKWARD || (order == SHUFFLED && !draw)) chosen = o;
        }
        if (!chosen) return SUCCESS;
        CHECK(enqueue(s, copy_of(chosen)));
        chosen->number = run;
    }
}
int cuGraphLaunch(struct graph *executable, struct stream *handle) {
    CHECK(may_call());
    LOCKED(launch(executable, stream_of(handle)));
}
