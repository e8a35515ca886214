/* libcuda: modules, translated and loaded, their kernels, and launches. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include "driver.h"

#define MOST_SHARED 49152
#define ERROR_LOG 5
#define ERROR_LOG_SIZE 6

struct module {
    struct context *context;
    void *library;
    struct kernel *kernels;
    int kernel_count, is_alive, is_too_new;
};
struct function { struct module *module; struct kernel *kernel; };

/* Of emulator.py: it translates a text and writes the path of a library, or an error. Returns
   whether it could. */
typedef int (*translator)(const char *text, char *answer, size_t room);
static translator translate;
void emulator_translator(translator wanted) { translate = wanted; }

static struct module *modules[65536];
static int module_count;

/* ---- loading --------------------------------------------------------------------------------- */

static int version_of(const char *text) {
    const char *line = strstr(text, ".version ");
    int major, minor;
    if (!line || sscanf(line, ".version %d.%d", &major, &minor) != 2) return 0;
    return 10 * major + minor;
}

/* A text that is loaded twice is one library, with one set of variables and counts. */
static int is_open(const void *library) {
    for (int k = 0; k < module_count; k++)
        if (modules[k]->library == library) return 1;
    return 0;
}

static int open_library(struct module *m, const char *path) {
    m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!m->library) return INVALID_PTX;
    *(struct machine **)dlsym(m->library, "machine") = machine;
    m->kernels = dlsym(m->library, "kernels");
    m->kernel_count = *(int *)dlsym(m->library, "kernel_count");
    if (is_open(m->library)) return SUCCESS;
    struct variable *variables = dlsym(m->library, "variables");
    int count = *(int *)dlsym(m->library, "variable_count");
    for (int k = 0; k < count; k++) {
        variables[k].address = allocate_variable(variables[k].size, variables[k].content);
        if (!variables[k].address) return OUT_OF_MEMORY;
    }
    return SUCCESS;
}

static int load(struct module **handle, const char *text, char *log, size_t room) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    int version = version_of(text), is_too_new = version > settings.ptx_version;
    if (!version) return snprintf(log, room, "no .version"), INVALID_PTX;
    if (is_too_new && !settings.late_refusal)
        return snprintf(log, room, "version %d of PTX is too new", version), PTX_TOO_NEW;
    char answer[4096] = "";
    if (!translate || !translate(text, answer, sizeof answer))
        return snprintf(log, room, "%s", answer), INVALID_PTX;
    struct module *m = calloc(1, sizeof *m);
    m->context = current_context, m->is_alive = 1, m->is_too_new = is_too_new;
    CHECK(open_library(m, answer));
    pthread_mutex_lock(&lock);
    if (module_count < 65536 && !is_open(m->library)) modules[module_count++] = m;
    pthread_mutex_unlock(&lock);
    return *handle = m, SUCCESS;
}
int cuModuleLoadData(struct module **handle, const char *text) {
    char log[4096];
    return load(handle, text, log, sizeof log);
}
int cuModuleLoadDataEx(struct module **handle, const char *text, unsigned count, int *options,
                       void **values) {
    char ignored[4096], *log = ignored;
    size_t room = sizeof ignored;
    for (unsigned k = 0; k < count; k++) {
        if (options[k] == ERROR_LOG) log = values[k];
        if (options[k] == ERROR_LOG_SIZE) room = (size_t)values[k];
    }
    return load(handle, text, log, room);
}
int cuModuleUnload(struct module *m) {
    CHECK(may_call());
    CHECK(is_unsafe_now());
    if (!m || !m->is_alive) return INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    run_all_streams();
    m->is_alive = 0;    /* its statistics are kept */
    pthread_mutex_unlock(&lock);
    return sticky_error;
}
int cuModuleGetFunction(struct function **handle, struct module *m, const char *name) {
    CHECK(may_call());
    if (!m || !m->is_alive) return INVALID_HANDLE;
    if (m->is_too_new) return PTX_TOO_NEW;
    for (int k = 0; k < m->kernel_count; k++)
        if (!strcmp(m->kernels[k].name, name)) {
            struct function *f = malloc(sizeof *f);
            *f = (struct function){m, &m->kernels[k]};
            return *handle = f, SUCCESS;
        }
    return NOT_FOUND;
}

/* ---- launching ------------------------------------------------------------------------------- */

static int fits(const struct kernel *kernel, dim grid, dim block, unsigned shared) {
    if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) return 0;
    if (grid.x > INT32_MAX || grid.y > UINT16_MAX || grid.z > UINT16_MAX) return 0;
    if (block.z > 64 || (u64)block.x * block.y * block.z > 1024) return 0;
    return kernel->shared_bytes + shared <= MOST_SHARED;
}

static int launch(struct kernel *kernel, dim grid, dim block, struct stream *s, void **arguments) {
    if (!s) return INVALID_HANDLE;
    struct operation o = {.kind = LAUNCH, .kernel = kernel, .grid = grid, .block = block};
    o.owned = calloc(1, kernel->parameter_bytes + 1);
    for (u32 k = 0; k < kernel->parameters; k++)
        memcpy(o.owned + kernel->parameter_offsets[k], arguments[k], kernel->parameter_sizes[k]);
    return enqueue(s, o);
}
int cuLaunchKernel(struct function *f, unsigned gx, unsigned gy, unsigned gz, unsigned x,
                   unsigned y, unsigned z, unsigned shared, struct stream *handle,
                   void **arguments, void **extra) {
    CHECK(may_call());
    dim grid = {gx, gy, gz}, block = {x, y, z};
    if (!f || !f->module->is_alive || f->module->context != current_context) return INVALID_HANDLE;
    if (extra || !fits(f->kernel, grid, block, shared)) return INVALID_VALUE;
    LOCKED(launch(f->kernel, grid, block, stream_of(handle), arguments));
}

/* ---- for emulator.py ------------------------------------------------------------------------- */

int emulator_modules(void) { return module_count; }
struct kernel *emulator_kernels(int module, int *count) {
    *count = modules[module]->kernel_count;
    return modules[module]->kernels;
}
