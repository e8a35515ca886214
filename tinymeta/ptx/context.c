/* libcuda: devices, contexts (one is current in each thread), errors. */
#include <stdio.h>
#include "driver.h"

#define MAJOR 75
#define MINOR 76
#define MULTIPROCESSORS 16
#define CALL_VERSION 13000

int open_machine(void);

__thread struct context *current_context;
static struct context contexts[8];
static int is_ready;

int may_call(void) {
    if (!is_ready) return NOT_INITIALIZED;
    return current_context ? sticky_error : INVALID_CONTEXT;
}

int cuInit(unsigned flags) {
    if (flags) return INVALID_VALUE;
    if (!open_machine()) return OUT_OF_MEMORY;
    return is_ready = 1, SUCCESS;
}
int cuDriverGetVersion(int *version) { return *version = CALL_VERSION, SUCCESS; }
int cuDeviceGetCount(int *count) {
    *count = settings.devices;
    return is_ready ? SUCCESS : NOT_INITIALIZED;
}
int cuDeviceGet(int *device, int number) {
    if (!is_ready) return NOT_INITIALIZED;
    if (number < 0 || number >= settings.devices || number >= 8) return INVALID_DEVICE;
    return *device = number, SUCCESS;
}
int cuDeviceGetName(char *name, int room, int device) {
    return snprintf(name, room, "PTX on the CPU"), SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case MAJOR: return *value = settings.capability / 10, SUCCESS;
    case MINOR: return *value = settings.capability % 10, SUCCESS;
    case MULTIPROCESSORS: return *value = 132, SUCCESS;
    default: return INVALID_VALUE;
    }
}
int cuDevicePrimaryCtxRetain(struct context **context, int device) {
    if (device < 0 || device >= settings.devices) return INVALID_DEVICE;
    contexts[device].device = device;
    return *context = &contexts[device], SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return SUCCESS; }

static int is_context(const struct context *c) { return c >= contexts && c < contexts + 8; }

int cuCtxSetCurrent(struct context *context) {
    if (context && !is_context(context)) return INVALID_CONTEXT;
    return current_context = context, SUCCESS;
}
int cuCtxGetCurrent(struct context **context) { return *context = current_context, SUCCESS; }
int cuCtxGetDevice(int *device) {
    if (!current_context) return INVALID_CONTEXT;
    return *device = current_context->device, SUCCESS;
}

/* A stack of contexts, of each thread; the top is the current one. */
static __thread struct context *below[16];
static __thread int depth;
int cuCtxPushCurrent_v2(struct context *context) {
    if (!is_context(context) || depth == 16) return INVALID_CONTEXT;
    below[depth++] = current_context;
    return current_context = context, SUCCESS;
}
int cuCtxPopCurrent_v2(struct context **context) {
    if (!depth) return INVALID_CONTEXT;
    if (context) *context = current_context;
    return current_context = below[--depth], SUCCESS;
}
int cuCtxSynchronize(void) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    if (is_captured(current_context)) return CAPTURE_UNSUPPORTED;    /* by whatever thread */
    pthread_mutex_lock(&lock);
    run_all_streams();
    pthread_mutex_unlock(&lock);
    return sticky_error;
}

int cuGetErrorString(int code, const char **text) {
    switch (code) {
    case SUCCESS: *text = "no error"; break;
    case INVALID_VALUE: *text = "invalid argument"; break;
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case NOT_INITIALIZED: *text = "initialization error"; break;
    case INVALID_DEVICE: *text = "invalid device ordinal"; break;
    case INVALID_CONTEXT: *text = "invalid device context"; break;
    case INVALID_PTX: *text = "a PTX JIT compilation failed"; break;
    case PTX_TOO_NEW: *text = "the provided PTX was compiled with an unsupported toolchain."; break;
    case INVALID_HANDLE: *text = "invalid resource handle"; break;
    case NOT_FOUND: *text = "named symbol not found"; break;
    case NOT_READY: *text = "device not ready"; break;
    case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
    case MISALIGNED_ADDRESS: *text = "misaligned address"; break;
    case LAUNCH_FAILED: *text = "unspecified launch failure"; break;
    case CAPTURE_UNSUPPORTED: *text = "operation not permitted when stream is capturing"; break;
    case CAPTURE_INVALIDATED:
        *text = "operation failed due to a previous error during capture"; break;
    case CAPTURE_WRONG_THREAD:
        *text = "attempt to terminate a thread-local capture sequence from another thread"; break;
    default: *text = NULL; return INVALID_VALUE;
    }
    return SUCCESS;
}
