/* libcuda: streams, what is queued on them, and events.

   A stream runs nothing until somebody waits for it: so whoever reads what another stream is to
   write, without waiting, reads what was there before. */
#include <stdlib.h>
#include "driver.h"

#define NON_BLOCKING 1
#define MOST_STREAMS 256

static struct stream *streams[MOST_STREAMS];
static int stream_count;
static struct stream legacy = {.is_blocking = 1, .end = &legacy.first};    /* of number 0 */

struct event { struct stream *stream; u64 number; };

/* The stream of a handle that a call is given; NULL if it is none of this context. 0 and 1 are the
   default stream, 2 is each thread's own, for which the same one stands here. */
struct stream *stream_of(struct stream *handle) {
    if ((u64)handle <= 2) return &legacy;
    for (int k = 0; k < stream_count; k++)
        if (streams[k] == handle) return handle->context == current_context ? handle : NULL;
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

/* A copy's bytes may have gone back to the pool that has them from the driver (watch.py). */
static void check_inside(u64 address, u64 size) {
    if (!all_bytes_inside(state_of(address), size)) report(COPY_BOUNDS, "", 0, address, size);
}

static void run_operation(struct operation *o) {
    switch (o->kind) {
    case LAUNCH:
        run_grid(o->kernel, o->owned, o->grid, o->block);
        break;
    case UPLOAD:
        check_inside(o->to, o->size);
        memcpy(bytes_of(o->to), o->owned ? o->owned : (u8 *)o->from, o->size);
        memset(state_of(o->to), WRITTEN, o->size);
        break;
    case COPY:
        check_inside(o->to, o->size);
        check_inside(o->from, o->size);
        memmove(bytes_of(o->to), bytes_of(o->from), o->size);
        memmove(state_of(o->to), state_of(o->from), o->size);
        break;
    case WAIT:
        run_until(o->awaited, o->number);
        break;
    case SET_STATE:
        memset(state_of(o->to), OUTSIDE, o->size);
        memset(state_of(o->to), UNWRITTEN, o->exact);
        memset(bytes_of(o->to), 0xff, o->size);
        break;
    case RECORD:
        break;
    }
}

/* Run the operations of a stream up to the number-th that was ever queued there. */
void run_until(struct stream *stream, u64 number) {
    while (stream->first && stream->done < number) {
        struct operation *o = stream->first;
        stream->first = o->next;
        if (!stream->first) stream->end = &stream->first;
        stream->done++;
        if (!sticky_error) run_operation(o);
        free(o->owned);
        free(o);
    }
}
void run_all_streams(void) {
    run_until(&legacy, legacy.queued);
    for (int k = 0; k < stream_count; k++) run_until(streams[k], streams[k]->queued);
}

/* Blocking streams and the one of number 0 are in each other's order. */
static void keep_order_with(struct stream *stream) {
    if (stream != &legacy) {
        if (stream->is_blocking) run_until(&legacy, legacy.queued);
        return;
    }
    for (int k = 0; k < stream_count; k++)
        if (streams[k]->is_blocking) run_until(streams[k], streams[k]->queued);
}

/* Queue an operation, or note it down if the stream captures. It owns o.owned. */
int enqueue(struct stream *stream, struct operation o) {
    struct operation *kept = malloc(sizeof *kept);
    *kept = o;
    kept->next = NULL;
    if (stream->is_capturing) {
        if (!pthread_equal(stream->captured_by, pthread_self()))
            report(FOREIGN_CAPTURE, o.kernel ? o.kernel->name : "", 0, o.to, o.size);
        become_node(stream->graph, kept);
        return SUCCESS;
    }
    keep_order_with(stream);
    *stream->end = kept;
    stream->end = &kept->next;
    stream->queued++;
    return SUCCESS;
}

/* ---- streams --------------------------------------------------------------------------------- */

static int create(struct stream **handle, unsigned flags) {
    if (stream_count == MOST_STREAMS) return OUT_OF_MEMORY;
    struct stream *s = calloc(1, sizeof *s);
    s->context = current_context;
    s->is_blocking = !(flags & NON_BLOCKING);
    s->end = &s->first;
    streams[stream_count++] = s;
    return *handle = s, SUCCESS;
}
int cuStreamCreate(struct stream **handle, unsigned flags) {
    CHECK(may_call());
    LOCKED(create(handle, flags));
}
static int destroy(struct stream *handle) {
    for (int k = 0; k < stream_count; k++)
        if (streams[k] == handle) {
            run_until(handle, handle->queued);
            streams[k] = streams[--stream_count];    /* itself kept: events may name it */
            return sticky_error;
        }
    return INVALID_HANDLE;
}
int cuStreamDestroy_v2(struct stream *handle) {
    CHECK(may_call());
    LOCKED(destroy(handle));
}
static int synchronize(struct stream *s) {
    if (!s) return INVALID_HANDLE;
    if (s->is_capturing) return s->is_broken = 1, CAPTURE_UNSUPPORTED;
    keep_order_with(s);
    run_until(s, s->queued);
    return sticky_error;
}
int cuStreamSynchronize(struct stream *handle) {
    CHECK(may_call());
    LOCKED(synchronize(stream_of(handle)));
}
int cuStreamQuery(struct stream *handle) {
    CHECK(may_call());
    struct stream *s = stream_of(handle);
    if (!s) return INVALID_HANDLE;
    return s->done < s->queued ? NOT_READY : SUCCESS;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int upload(u64 to, void *from, u64 size, struct stream *s) {
    if (!s) return INVALID_HANDLE;
    if (!is_allocated(to, size)) return INVALID_VALUE;
    struct operation o = {.kind = UPLOAD, .to = to, .from = (u64)from, .size = size};
    int is_late = is_pinned(from, size) || settings.late_uploads;
    if (s->is_capturing && !is_pinned(from, size)) {
        report(PAGEABLE_CAPTURE, "", 0, to, size);
        return s->is_broken = 1, CAPTURE_UNSUPPORTED;
    }
    if (!is_late) memcpy(o.owned = malloc(size + 1), from, size);
    return enqueue(s, o);
}
int cuMemcpyHtoDAsync_v2(u64 to, void *from, size_t size, struct stream *handle) {
    CHECK(may_call());
    LOCKED(upload(to, from, size, stream_of(handle)));
}
static int download(void *to, u64 from, u64 size, struct stream *s) {
    if (!s) return INVALID_HANDLE;
    if (!is_allocated(from, size)) return INVALID_VALUE;
    CHECK(synchronize(s));
    if (!all_bytes_are(state_of(from), size, WRITTEN))
        report(UNWRITTEN_DOWNLOAD, "", 0, from, size);
    return memcpy(to, bytes_of(from), size), SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, u64 from, size_t size, struct stream *handle) {
    CHECK(may_call());
    LOCKED(download(to, from, size, stream_of(handle)));
}
static int copy(u64 to, u64 from, u64 size, struct stream *s) {
    if (!s) return INVALID_HANDLE;
    if (!is_allocated(to, size) || !is_allocated(from, size)) return INVALID_VALUE;
    return enqueue(s, (struct operation){.kind = COPY, .to = to, .from = from, .size = size});
}
int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t size, struct stream *handle) {
    CHECK(may_call());
    LOCKED(copy(to, from, size, stream_of(handle)));
}
/* For watch.py, in a thread of any context: from here on in the stream, of these bytes the first
   `exact` are allocated and unwritten, the others are nobody's. */
int emulator_set_state(u64 address, u64 size, u64 exact, struct stream *s) {
    struct operation o = {.kind = SET_STATE, .to = address, .size = size, .exact = exact};
    LOCKED(s->is_capturing ? SUCCESS : enqueue(s, o));
}

/* ---- events ---------------------------------------------------------------------------------- */

int cuEventCreate(struct event **event, unsigned flags) {
    CHECK(may_call());
    return *event = calloc(1, sizeof **event), SUCCESS;
}
int cuEventDestroy_v2(struct event *event) {
    CHECK(may_call());
    free(event);
    return SUCCESS;
}
static int record(struct event *event, struct stream *s) {
    if (!event || !s) return INVALID_HANDLE;
    if (s->is_capturing) return s->is_broken = 1, CAPTURE_UNSUPPORTED;    /* no joined captures */
    CHECK(enqueue(s, (struct operation){.kind = RECORD}));
    *event = (struct event){s, s->queued};
    return SUCCESS;
}
int cuEventRecord(struct event *event, struct stream *handle) {
    CHECK(may_call());
    LOCKED(record(event, stream_of(handle)));
}
static int wait_for(struct stream *s, struct event *event) {
    if (!event || !s) return INVALID_HANDLE;
    if (s->is_capturing) return s->is_broken = 1, CAPTURE_UNSUPPORTED;
    if (!event->stream || event->stream == s) return SUCCESS;
    struct operation o = {.kind = WAIT, .awaited = event->stream, .number = event->number};
    return enqueue(s, o);
}
int cuStreamWaitEvent(struct stream *handle, struct event *event, unsigned flags) {
    CHECK(may_call());
    LOCKED(wait_for(stream_of(handle), event));
}
static int reach(struct event *event) {
    if (!event) return INVALID_HANDLE;
    if (event->stream) run_until(event->stream, event->number);
    return sticky_error;
}
int cuEventSynchronize(struct event *event) {
    CHECK(may_call());
    LOCKED(reach(event));
}
int cuEventQuery(struct event *event) {
    CHECK(may_call());
    if (!event) return INVALID_HANDLE;
    return event->stream && event->stream->done < event->number ? NOT_READY : SUCCESS;
}
