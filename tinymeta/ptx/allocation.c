/* libcuda: memory of the device and pinned memory of the host. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include "driver.h"

#define BOUNDARY 512    /* where every block begins */
#define GAP 4096        /* between two: an access a little beyond one's end is in none */

struct block { u64 address, size; struct context *context; struct block *next; };
static struct block *blocks;
static u64 last = GAP, in_use;

/* Whether the driver has given these bytes away, in one block. */
int is_allocated(u64 address, u64 size) {
    for (struct block *b = blocks; b; b = b->next)
        if (address >= b->address && address + size <= b->address + b->size) return 1;
    return 0;
}

static int allocate(u64 *address, u64 size) {
    u64 place = (last + BOUNDARY - 1) / BOUNDARY * BOUNDARY;
    if (in_use + size > (u64)settings.megabytes << 20 || size > machine->global.size - place - GAP)
        return OUT_OF_MEMORY;
    struct block *b = malloc(sizeof *b);
    *b = (struct block){machine->global.base + place, size, current_context, blocks};
    blocks = b;
    last = place + size + GAP;
    in_use += size;
    memset(state_of(b->address), UNWRITTEN, size);
    memset(bytes_of(b->address), 0xff, size);    /* NaN */
    return *address = b->address, SUCCESS;
}

static int release(u64 address) {
    for (struct block **p = &blocks; *p; p = &(*p)->next) {
        struct block *b = *p;
        if (b->address != address) continue;
        if (b->context != current_context) return INVALID_VALUE;
        run_all_streams();
        memset(state_of(address), OUTSIDE, b->size);
        in_use -= b->size;
        *p = b->next;
        free(b);
        return sticky_error;
    }
    return INVALID_VALUE;
}

int cuMemAlloc_v2(u64 *address, size_t size) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    if (!size) return INVALID_VALUE;
    LOCKED(allocate(address, size));
}
int cuMemFree_v2(u64 address) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    LOCKED(address ? release(address) : SUCCESS);
}
int cuMemGetInfo_v2(size_t *available, size_t *total) {
    CHECK(may_call());
    *total = (u64)settings.megabytes << 20;
    return *available = *total - in_use, SUCCESS;
}

/* A module's variable: it has its content from the beginning. 0 if there is no room. */
u64 allocate_variable(u64 size, const u8 *content) {
    u64 address;
    pthread_mutex_lock(&lock);
    int code = allocate(&address, size);
    if (!code) memcpy(bytes_of(address), content, size), memset(state_of(address), WRITTEN, size);
    pthread_mutex_unlock(&lock);
    return code ? 0 : address;
}

/* ---- of the host ----------------------------------------------------------------------------- */

struct pinned { u8 *begin; u64 size; struct pinned *next; };
static struct pinned *pinned;

int is_pinned(const void *address, u64 size) {
    const u8 *begin = address;
    for (struct pinned *p = pinned; p; p = p->next)
        if (begin >= p->begin && begin + size <= p->begin + p->size) return 1;
    return 0;
}

static int pin(void **address, u64 size) {
    struct pinned *p = malloc(sizeof *p);
    *p = (struct pinned){aligned_alloc(4096, (size + 4095) / 4096 * 4096), size, pinned};
    pinned = p;
    return *address = p->begin, p->begin ? SUCCESS : OUT_OF_MEMORY;
}
static int unpin(void *address) {
    for (struct pinned **p = &pinned; *p; p = &(*p)->next) {
        struct pinned *found = *p;
        if (found->begin != address) continue;
        run_all_streams();
        *p = found->next;
        free(found->begin);
        free(found);
        return SUCCESS;
    }
    return INVALID_VALUE;
}
int cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    if (!size) return INVALID_VALUE;
    LOCKED(pin(address, size));
}
int cuMemAllocHost_v2(void **address, size_t size) { return cuMemHostAlloc(address, size, 0); }
int cuMemFreeHost(void *address) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    LOCKED(unpin(address));
}
