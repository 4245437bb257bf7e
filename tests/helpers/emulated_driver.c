/* A libcuda.so.1 for tests: one GTX 1660 Ti whose memory is the host's and whose streams are threads with random delays.
 * What CUDA's documentation forbids is refused with its code and noted; `emulated_report` tells, with what was not freed.
 * `emulated_fail(n, code, sticky)` has the n-th call from now fail, and each one after it too if sticky. */
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { CONTEXT = 1, STREAM, EVENT, GRAPH, EXECUTABLE, DEVICE_MEMORY, HOST_MEMORY };
static const char *NAMES[] = {"", "a context", "a stream", "an event", "a graph", "an executable graph", "device memory", "page-locked memory"};
typedef struct op { enum { COPY, TOY, RECORD } what; void *to, *from; size_t size, width; struct object *event; long ticket; struct op *next; } op;
typedef struct object {
    enum kind kind; int live; struct object *context; char *at; size_t size;  /* memory */
    op *first, *last, *captured, *captured_last; int capturing, stopped; pthread_t thread; /* a stream; a graph has `captured` */
    long asked, done;                                                         /* an event */
} object;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static object *objects[1 << 16];
static int made, dead, code_of_fault, sticky_fault, late;
static long calls, fail_at;
static char violations[8192], failed_in[64];
static __thread object *stack[64];
static __thread int depth;

static void violation(const char *format, ...) {
    char text[256]; va_list list;
    va_start(list, format); vsnprintf(text, sizeof text, format, list); va_end(list);
    if (!strstr(violations, text) && strlen(violations) + strlen(text) + 2 < sizeof violations) strcat(strcat(violations, text), "\n");
}
static object *current(void) { return depth ? stack[depth - 1] : NULL; }
static object *create(enum kind kind) {
    object *one = calloc(1, sizeof *one);
    *one = (object){.kind = kind, .live = 1, .context = kind == CONTEXT ? NULL : current()};
    return objects[made++] = one;
}
static int is(const void *handle, enum kind kind) {
    for (int i = 0; i < made; i++) if (objects[i] == handle) return objects[i]->live && objects[i]->kind == kind;
    return 0;
}
static object *memory_at(const void *at, size_t size, enum kind kind) {
    for (int i = made - 1; i >= 0; i--)
        if (objects[i]->live && objects[i]->kind == kind && (char *)at >= objects[i]->at && (char *)at + size <= objects[i]->at + objects[i]->size) return objects[i];
    return NULL;
}
/* With the lock held from here to `leave`. What frees does so even if it reports an error. */
static int enter(const char *name, int needs_context, int frees) {
    pthread_mutex_lock(&lock);
    int refused = dead;
    if (!dead && ++calls == fail_at) {
        snprintf(failed_in, sizeof failed_in, "%s", name);
        refused = code_of_fault;
        /* By CUDA's documentation a context cannot be made current only if it is of no use any more. */
        if (sticky_fault || strstr(name, "PushCurrent")) dead = code_of_fault;
    }
    if (refused) { if (frees) late = refused; return frees ? 0 : refused; }
    if (needs_context && !current()) { violation("%s without a current context", name); return CUDA_ERROR_INVALID_CONTEXT; }
    return 0;
}
static CUresult leave(int code) {
    if (!code) code = late;
    late = 0; pthread_mutex_unlock(&lock); return code;
}
#define ENTER(needs, frees) do { int no_ = enter(__func__, needs, frees); if (no_) return leave(no_); } while (0)
#define NEED(handle, kind) do { if (!is(handle, kind)) { violation("%s: a handle that is not %s", __func__, NAMES[kind]); return leave(CUDA_ERROR_INVALID_HANDLE); } } while (0)

static void toy(op *one) {
    unsigned char *frames = one->from, *labels = one->to;
    for (size_t row = 0; row < one->size / one->width; row++) {
        long sum = 0;
        for (size_t x = row * one->width; x < (row + 1) * one->width; x++) {
            sum += frames[3 * x] + 3L * frames[3 * x + 1] + 5L * frames[3 * x + 2];
            labels[x] = (unsigned char)(sum * 7919 % 251 % 29);
        }
    }
}
static void *work(void *argument) {
    object *me = argument;
    unsigned seed = (unsigned)(size_t)me;
    pthread_mutex_lock(&lock);
    while (1) {
        while (!me->first && !me->stopped) pthread_cond_wait(&changed, &lock);
        if (!me->first) break;
        op *one = me->first;
        pthread_mutex_unlock(&lock);
        usleep(rand_r(&seed) % 300);
        if (one->what == COPY) memcpy(one->to, one->from, one->size);
        if (one->what == TOY) toy(one);
        pthread_mutex_lock(&lock);
        if (one->what == RECORD && one->event->done < one->ticket) one->event->done = one->ticket;
        if (!(me->first = one->next)) me->last = NULL;
        free(one);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}
static int put(CUstream handle, op model) {
    object *on = (object *)handle;
    if (on->context != current()) { violation("a stream of another context than the current one"); return CUDA_ERROR_INVALID_HANDLE; }
    op *one = malloc(sizeof *one);
    *one = model; one->next = NULL;
    if (on->capturing) {
        if (on->captured_last) on->captured_last->next = one; else on->captured = one;
        on->captured_last = one;
        return 0;
    }
    if (one->what == RECORD) one->ticket = ++one->event->asked;
    if (on->last) on->last->next = one; else on->first = one;
    on->last = one;
    pthread_cond_broadcast(&changed);
    return 0;
}
static int busy(object *context, char *at, size_t size) {  /* whether there is work, on that memory if `at` is not NULL */
    for (int i = 0; i < made; i++)
        if (objects[i]->kind == STREAM && objects[i]->context == context)
            for (op *one = objects[i]->first; one; one = one->next)
                if (!at || ((char *)one->to >= at && (char *)one->to < at + size) || ((char *)one->from >= at && (char *)one->from < at + size)) return 1;
    return 0;
}

CUresult cuInit(unsigned flags) { ENTER(0, 0); return leave(0); }
CUresult cuDriverGetVersion(int *out) { *out = 13000; return 0; }
CUresult cuDeviceGetCount(int *out) { *out = 1; return 0; }
CUresult cuDeviceGet(CUdevice *out, int number) { ENTER(0, 0); *out = 0; return leave(number ? CUDA_ERROR_INVALID_DEVICE : 0); }
CUresult cuDeviceGetName(char *out, int size, CUdevice device) { ENTER(0, 0); snprintf(out, size, "Emulated GTX 1660 Ti"); return leave(0); }
CUresult cuDeviceGetPCIBusId(char *out, int size, CUdevice device) { ENTER(0, 0); snprintf(out, size, "0000:01:00.0"); return leave(0); }
CUresult cuDeviceGetAttribute(int *out, CUdevice_attribute which, CUdevice device) {
    ENTER(0, 0); *out = which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 7 : 5; return leave(0);
}
#undef cuDeviceComputeCapability
CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) { ENTER(0, 0); *major = 7; *minor = 5; return leave(0); }

CUresult cuCtxCreate(CUcontext *out, CUctxCreateParams *parameters, unsigned flags, CUdevice device) {
    ENTER(0, 0); object *one = create(CONTEXT); *out = (CUcontext)(stack[depth++] = one); return leave(0);
}
CUresult cuCtxPushCurrent(CUcontext one) { ENTER(0, 0); NEED(one, CONTEXT); stack[depth++] = (object *)one; return leave(0); }
CUresult cuCtxPopCurrent(CUcontext *out) {  /* documented to fail only where there is nothing to pop */
    pthread_mutex_lock(&lock);
    if (!depth) { violation("cuCtxPopCurrent without a current context"); return leave(CUDA_ERROR_INVALID_CONTEXT); }
    object *one = stack[--depth]; if (out) *out = (CUcontext)one; return leave(0);
}
CUresult cuCtxGetCurrent(CUcontext *out) { *out = (CUcontext)current(); return 0; }
CUresult cuCtxGetDevice(CUdevice *out) { ENTER(1, 0); *out = 0; return leave(0); }
CUresult cuCtxSynchronize(void) { ENTER(1, 0); while (busy(current(), NULL, 0)) pthread_cond_wait(&changed, &lock); return leave(0); }
CUresult cuCtxDestroy(CUcontext handle) {
    ENTER(0, 1); NEED(handle, CONTEXT);
    object *one = (object *)handle;
    if (busy(one, NULL, 0)) violation("a context is destroyed while work is under way");
    for (int i = 0; i < made; i++)
        if (objects[i]->live && objects[i]->context == one) { objects[i]->live = 0; violation("a context is destroyed with %s left", NAMES[objects[i]->kind]); }
    one->live = 0; if (current() == one) depth--;
    return leave(0);
}
CUresult cuCtxDetach(CUcontext one) { return cuCtxDestroy(one); }

static CUresult allocate(void **out, size_t size, enum kind kind) {
    object *one = create(kind); one->size = size; one->at = malloc(size); memset(one->at, 0xA5, size); *out = one->at; return leave(0);
}
static CUresult release(void *at, enum kind kind) {
    object *one = memory_at(at, 1, kind);
    if (!one || one->at != at) { violation("%s is freed twice, or never was", NAMES[kind]); return leave(CUDA_ERROR_INVALID_VALUE); }
    if (busy(one->context, one->at, one->size)) violation("%s is freed while work is under way on it", NAMES[kind]);
    one->live = 0; memset(one->at, 0xDD, one->size); return leave(0);  /* not given back: late work must not crash */
}
CUresult cuMemAlloc(CUdeviceptr *out, size_t size) { ENTER(1, 0); return allocate((void **)out, size, DEVICE_MEMORY); }
CUresult cuMemFree(CUdeviceptr at) { ENTER(1, 1); return release((void *)at, DEVICE_MEMORY); }
CUresult cuMemHostAlloc(void **out, size_t size, unsigned flags) { ENTER(1, 0); return allocate(out, size, HOST_MEMORY); }
CUresult cuMemFreeHost(void *at) { ENTER(1, 1); return release(at, HOST_MEMORY); }
static CUresult copy(void *to, void *from, void *device, void *host, size_t size, CUstream on) {
    if (!is(on, STREAM) || !memory_at(device, size, DEVICE_MEMORY)) { violation("a copy with freed memory, or on no stream"); return leave(CUDA_ERROR_INVALID_VALUE); }
    if (!memory_at(host, size, HOST_MEMORY)) violation("an asynchronous copy from or to memory that is not page-locked");
    return leave(put(on, (op){.what = COPY, .to = to, .from = from, .size = size}));
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t size, CUstream on) { ENTER(1, 0); return copy((void *)to, (void *)from, (void *)to, (void *)from, size, on); }
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t size, CUstream on) { ENTER(1, 0); return copy(to, (void *)from, (void *)from, to, size, on); }
CUresult emulated_toy(CUstream on, void *frames, void *labels, size_t pixels, size_t width) {
    ENTER(1, 0); NEED(on, STREAM);
    return leave(put(on, (op){.what = TOY, .to = labels, .from = frames, .size = pixels, .width = width}));
}

CUresult cuStreamCreate(CUstream *out, unsigned flags) {
    ENTER(1, 0); object *one = create(STREAM); *out = (CUstream)one;
    return leave(pthread_create(&one->thread, NULL, work, one) ? CUDA_ERROR_OUT_OF_MEMORY : 0);
}
CUresult cuStreamDestroy(CUstream handle) {
    ENTER(0, 1); NEED(handle, STREAM);
    object *one = (object *)handle;
    one->live = 0; one->stopped = 1; pthread_cond_broadcast(&changed); return leave(0);
}
CUresult cuStreamSynchronize(CUstream handle) {
    ENTER(1, 0); NEED(handle, STREAM);
    object *one = (object *)handle;
    if (one->capturing) { violation("cuStreamSynchronize while the stream is captured"); return leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED); }
    while (one->first) pthread_cond_wait(&changed, &lock);
    return leave(0);
}
CUresult cuEventCreate(CUevent *out, unsigned flags) { ENTER(1, 0); *out = (CUevent)create(EVENT); return leave(0); }
CUresult cuEventDestroy(CUevent one) { ENTER(0, 1); NEED(one, EVENT); ((object *)one)->live = 0; return leave(0); }
CUresult cuEventRecord(CUevent one, CUstream on) { ENTER(1, 0); NEED(one, EVENT); NEED(on, STREAM); return leave(put(on, (op){.what = RECORD, .event = (object *)one})); }
CUresult cuEventSynchronize(CUevent handle) {
    ENTER(1, 0); NEED(handle, EVENT);
    object *one = (object *)handle; long until = one->asked;
    while (one->done < until) pthread_cond_wait(&changed, &lock);
    return leave(0);
}

CUresult cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) { ENTER(1, 0); NEED(handle, STREAM); ((object *)handle)->capturing = 1; return leave(0); }
CUresult cuStreamEndCapture(CUstream handle, CUgraph *out) {
    ENTER(1, 1); NEED(handle, STREAM);  /* however it ends, the stream is captured no more */
    object *one = (object *)handle, *graph = create(GRAPH);
    if (late) { graph->live = one->capturing = 0; one->captured = one->captured_last = NULL; return leave(0); }
    if (!one->capturing) { graph->live = 0; return leave(CUDA_ERROR_ILLEGAL_STATE); }
    graph->captured = one->captured; graph->context = NULL;  /* a graph belongs to no context */
    one->captured = one->captured_last = NULL; one->capturing = 0; *out = (CUgraph)graph; return leave(0);
}
CUresult cuGraphInstantiate(CUgraphExec *out, CUgraph graph, unsigned long long flags) {
    ENTER(1, 0); NEED(graph, GRAPH);
    object *one = create(EXECUTABLE); one->captured = ((object *)graph)->captured; *out = (CUgraphExec)one; return leave(0);
}
CUresult cuGraphLaunch(CUgraphExec handle, CUstream on) {
    ENTER(1, 0); NEED(handle, EXECUTABLE); NEED(on, STREAM);
    for (op *one = ((object *)handle)->captured; one; one = one->next) put(on, *one);
    return leave(0);
}
CUresult cuGraphDestroy(CUgraph one) { ENTER(0, 1); NEED(one, GRAPH); ((object *)one)->live = 0; return leave(0); }
CUresult cuGraphExecDestroy(CUgraphExec one) { ENTER(0, 1); NEED(one, EXECUTABLE); ((object *)one)->live = 0; return leave(0); }

CUresult cuGetErrorString(CUresult code, const char **out) { *out = code == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "an emulated error"; return 0; }
CUresult cuGetErrorName(CUresult code, const char **out) { *out = "CUDA_ERROR_EMULATED"; return 0; }

/* By name, as cuda-bindings asks: the newest form that is here. What is not here is said to be missing. */
CUresult cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status) {
    static const char *FORMS[] = {"_v4", "_v3", "_v2", "WithFlags", ""};
    char form[128];
    *out = NULL;
    for (int i = 0; i < 5 && !*out; i++) {
        snprintf(form, sizeof form, "%s%s", name, FORMS[i]);
        *out = dlsym(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD), form);
    }
    if (status) *status = *out ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return 0;
}

/* ---- for tests */
static int begun;
void emulated_reset(void) {
    for (int i = begun; i < made; i++) objects[i]->stopped = 1;
    pthread_cond_broadcast(&changed);
    begun = made; *violations = *failed_in = 0; calls = fail_at = dead = late = depth = 0;
}
void emulated_fail(long nth, int code, int sticky) { fail_at = nth; code_of_fault = code; sticky_fault = sticky; }
int emulated_depth(void) { return depth; }
const char *emulated_failed_in(void) { return failed_in; }
const char *emulated_report(void) {
    pthread_mutex_lock(&lock);
    for (int i = begun; i < made && !dead; i++) if (objects[i]->live) violation("%s is left", NAMES[objects[i]->kind]);
    if (depth) violation("a context is still current");
    pthread_mutex_unlock(&lock);
    return violations;
}
