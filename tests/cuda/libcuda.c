/* A fake driver: memory is malloc's, every kernel copies `count` floats from its first array to its
   second, and launches are counted. It shows that driver.py calls libcuda by its names and packs
   arguments as libcuda reads them. */
#include <stdlib.h>
#include <string.h>
typedef unsigned long long u64;
typedef void *P;
static int context;
static u64 from, to;
static int count;
int launches, graphs, capturing, synchronized;

int cuInit(unsigned f) { return 0; }
int cuDeviceGet(int *d, int k) { *d = 0; return 0; }
int cuDevicePrimaryCtxRetain(P *c, int d) { *c = &context; return 0; }
int cuCtxSetCurrent(P c) { return c == &context ? 0 : 201; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : 0; return a != 75 && a != 76; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "fake driver", n); return 0; }
int cuGetErrorString(int e, const char **s) { *s = "of the fake driver"; return 0; }
int cuMemAlloc_v2(u64 *p, size_t n) { if (n >> 30) return 2; *p = (u64)malloc(n); return 0; }
int cuMemFree_v2(u64 p) { free((P)p); return 0; }
int cuMemGetInfo_v2(size_t *a, size_t *b) { *a = 1, *b = 2; return 0; }
int cuMemcpyHtoDAsync_v2(u64 d, P s, size_t n, P t) { memcpy((P)d, s, n); return !t; }
int cuMemcpyDtoHAsync_v2(P d, u64 s, size_t n, P t) { memcpy(d, (P)s, n); return !t; }
int cuMemcpyDtoDAsync_v2(u64 d, u64 s, size_t n, P t) { memcpy((P)d, (P)s, n); return !t; }
int cuStreamCreate(P *s, unsigned f) { *s = &context; return f != 1; }
int cuStreamSynchronize(P s) { synchronized++; return capturing ? 900 : 0; }
int cuModuleLoadData(P *m, char *text) {
    *m = text;
    return strstr(text, ".version 99") ? 222 : !strstr(text, ".version");
}
int cuModuleGetFunction(P *f, P m, char *name) { *f = &launches; return !strstr(m, name); }
int cuLaunchKernel(P f, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y, unsigned z,
                   unsigned shared, P stream, P *arguments, P *extra) {
    from = *(u64 *)arguments[0], to = *(u64 *)arguments[1];
    count = *(int *)arguments[2];
    if (f != &launches || gx * x < count || gy * gz * y * z != 1 || shared || extra) return 1;
    launches++;
    if (!capturing) memcpy((P)to, (P)from, 4 * count);
    return 0;
}
int cuStreamBeginCapture_v2(P s, int mode) { capturing = 1; return mode != 1; }
int cuStreamEndCapture(P s, P *g) { capturing = 0; *g = &graphs; return 0; }
int cuGraphInstantiateWithFlags(P *e, P g, u64 flags) { *e = &graphs; return g != &graphs || flags; }
int cuGraphDestroy(P g) { return 0; }
int cuGraphLaunch(P e, P s) {                  /* the last launch again */
    graphs++;
    memcpy((P)to, (P)from, 4 * count);
    return e != &graphs || s != &context;
}
