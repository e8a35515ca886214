/* Memory that knows what may be done with each of its bytes, and who has used each element.

   The GPU's memory and the memory that the threads of a block share are both such. A block's end is
   known to the byte, so an access one element behind it is seen. */
#ifndef MEMORY_H
#define MEMORY_H
#include "types.h"

enum { OUTSIDE, UNWRITTEN, WRITTEN };    /* the state of a byte */

/* Who has used an element. Between two barriers of a block there is an epoch; two threads are
   ordered only if they are of one block and in different epochs. */
struct mark {
    u64 run : 16;       /* in which run of the memory: earlier ones are over. 0: never used */
    u64 epoch : 13, block : 24, thread : 11;
};
#define SEVERAL 2047            /* as a thread: several of its block, in its epoch */
#define ALL_BLOCKS 0xffffff     /* as a block: threads of several */
#define MOST_RUNS 65535

struct memory {
    u64 base, size;
    u8 *bytes, *state;
    struct mark *readers, *writers;    /* of the element that begins at a byte, or NULL */
    u64 run;
};


static inline int unordered(struct mark a, struct mark b) {
    if (a.run != b.run) return 0;
    return a.block != b.block || (a.epoch == b.epoch && a.thread != b.thread);
}

/* Note a read of an element. Returns whether it races with a write. */
static inline int note_read(struct memory *m, u64 place, struct mark me) {
    struct mark last = m->readers[place], reader = me;
    if (last.run == me.run && last.block != me.block) reader.block = ALL_BLOCKS;
    else if (unordered(last, me)) reader.thread = SEVERAL;
    m->readers[place] = reader;
    return unordered(m->writers[place], me);
}

/* Note a write to an element. Returns 0, 1: another thread writes it, or 2: another reads it. */
static inline int note_write(struct memory *m, u64 place, struct mark me) {
    struct mark last = m->writers[place];
    m->writers[place] = me;
    return unordered(last, me) ? 1 : unordered(m->readers[place], me) ? 2 : 0;
}

static inline int all_bytes_are(const u8 *state, u32 size, u8 wanted) {
    for (u32 k = 0; k < size; k++)
        if (state[k] != wanted) return 0;
    return 1;
}
static inline int all_bytes_inside(const u8 *state, u32 size) {
    for (u32 k = 0; k < size; k++)
        if (state[k] == OUTSIDE) return 0;
    return 1;
}
#endif
