/* Loads and stores of a kernel, each checked before it happens. */
#ifndef ACCESS_H
#define ACCESS_H
#include "machine.h"

/* Not put in the caller's place: gcc would take several times as long for a large kernel. */
#define CALLED __attribute__((noinline, unused))

static u8 nowhere[64];    /* where an access goes that may not happen: 0, and forgotten */

/* Report what is wrong with an access; it goes nowhere. */
static CALLED u8 *refuse(const struct thread *t, enum fault_kind kind, int line, u64 address,
                         u32 size) {
    machine->fault(t, kind, line, address, size);
    return memset(nowhere, 0, sizeof nowhere);
}

static inline struct mark identity_in(const struct memory *m, const struct thread *t) {
    struct mark me = t->identity;
    me.run = m->run;
    return me;
}

/* Whether so many bytes are in memory that somebody has. */
static inline int is_inside(const struct memory *m, u64 place, u32 bytes) {
    if (place >= m->size || m->size - place < bytes) return 0;
    const u8 *state = m->state + place;
    return all_bytes_are(state, bytes, WRITTEN) || all_bytes_inside(state, bytes);
}

/* Where `count` elements of `size` bytes lie that a thread loads. */
static CALLED const u8 *loaded(const struct thread *t, struct memory *m, int line, u64 address,
                               u32 size, u32 count) {
    u64 place = address - m->base;
    u32 bytes = size * count;
    if (address % bytes) return refuse(t, MISALIGNED, line, address, bytes);
    if (!is_inside(m, place, bytes)) return refuse(t, OUT_OF_BOUNDS, line, address, bytes);
    if (!all_bytes_are(m->state + place, bytes, WRITTEN))
        refuse(t, UNWRITTEN_LOAD, line, address, bytes);
    if (m->readers)
        for (u32 k = 0; k < bytes; k += size)
            if (note_read(m, place + k, identity_in(m, t)))
                refuse(t, READ_RACE, line, address + k, size);
    return m->bytes + place;
}

/* Where `count` elements of `size` bytes lie that a thread stores. */
static CALLED u8 *stored(const struct thread *t, struct memory *m, int line, u64 address, u32 size,
                         u32 count) {
    u64 place = address - m->base;
    u32 bytes = size * count;
    if (address % bytes) return refuse(t, MISALIGNED, line, address, bytes);
    if (!is_inside(m, place, bytes)) return refuse(t, OUT_OF_BOUNDS, line, address, bytes);
    memset(m->state + place, WRITTEN, bytes);
    if (m->readers)
        for (u32 k = 0; k < bytes; k += size) {
            int race = note_write(m, place + k, identity_in(m, t));
            if (race) refuse(t, race == 1 ? WRITE_RACE : OVERWRITE_RACE, line, address + k, size);
        }
    return m->bytes + place;
}

/* Where `bytes` lie in a thread's local memory, whose addresses count from 0. */
static inline u8 *local(const struct thread *t, u8 *memory, u64 room, int line, u64 address,
                        u32 bytes) {
    if (address % bytes) return refuse(t, MISALIGNED, line, address, bytes);
    if (address >= room || room - address < bytes)
        return refuse(t, LOCAL_BOUNDS, line, address, bytes);
    return memory + address;
}

/* An element of memory that is reached; `place` counts bytes. */
#define ELEMENT(T) \
    static inline T get_##T(const u8 *p, u32 place) { \
        T x; \
        memcpy(&x, p + place, sizeof x); \
        return x; \
    } \
    static inline void put_##T(u8 *p, u32 place, T x) { memcpy(p + place, &x, sizeof x); }
ELEMENT(u8) ELEMENT(u16) ELEMENT(u32) ELEMENT(u64)
ELEMENT(s8) ELEMENT(s16) ELEMENT(s32) ELEMENT(s64)
ELEMENT(f32) ELEMENT(f64)
#endif
