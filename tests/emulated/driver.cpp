// libcuda.so.1 for machines without a GPU: memory is the host's, and the kernels are the source of those that a GPU
// runs. It answers like the driver of a card whose properties the environment gives:
//   EMULATED_CUDA_VERSION  what the driver speaks, such as 11040 (13000)
//   EMULATED_CUDA_DEVICES  how many cards there are (1)
//   EMULATED_CUDA_CAPABILITY  of the card, such as 75 (90)
//   EMULATED_CUDA_MEMORY   bytes of the card (8 GiB)
//   EMULATED_CUDA_BUSY     another process has the card
//   EMULATED_CUDA_COUNTS   a file for the number of calls of each kind, one line when the process ends
//   EMULATED_CUDA_WITHOUT_BARRIER  the line of a barrier of kernels.cu that nobody waits at
//   EMULATED_CUDA_BACKWARDS  the last thread of the last block comes first
//
// Compiled for sanitizers (sanitize.py) it tells them what a GPU would mind: an access beyond the numbers that a launch was
// given, and accesses of two threads of a block that no barrier orders.
#include "cuda.h"
#include "../../src/network/gpu/kernels.cu"
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <ucontext.h>
#include <vector>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

Index threadIdx, blockIdx, blockDim, gridDim;

static long long given(const char* name, long long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : otherwise;
}

// What ThreadSanitizer is told: a fiber is a thread of its own, and only what is said here orders two of them.
#ifdef __SANITIZE_THREAD__
#define UNSEEN __attribute__((no_sanitize("thread")))
using Seen = void*;
UNSEEN static Seen new_seen() { return __tsan_create_fiber(0); }
UNSEEN static Seen seen_now() { return __tsan_get_current_fiber(); }
UNSEEN static void see(Seen fiber) { __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync); }
UNSEEN static void before(char& event) { __tsan_release(&event); }
UNSEEN static void after(char& event) { __tsan_acquire(&event); }
#else
#define UNSEEN
struct Seen {};
static Seen new_seen() { return {}; }
static Seen seen_now() { return {}; }
static void see(Seen) {}
static void before(char&) {}
static void after(char&) {}
#endif
// Places that stand for what happens: a block begins, it ends, and its barriers. These are two in turn, because a
// thread may reach the next before another has left the last.
static char begun, ended, barriers[2];

// A thread of a block is a fiber that gives way at a barrier. Only its first entry ever goes through ucontext.h, whose
// switches cost a system call; then it runs one block after the other.
struct Fiber {
  std::vector<char> stack;
  ucontext_t context;
  jmp_buf place;
  Seen seen;
  unsigned n_barriers;
  bool is_done;
};
using Kernel = void (*)(Pass);
static Fiber fibers[1024];  // as many as a block may have
static jmp_buf scheduler;
static Seen seen_scheduler;
static int running;
static Kernel kernel;
static const Pass* pass;

UNSEEN static void give_way() {
  if (_setjmp(fibers[running].place) == 0) {
    see(seen_scheduler);
    _longjmp(scheduler, 1);
  }
  threadIdx.x = running;
}

UNSEEN void barrier(int line) {
  static const int without = int(given("EMULATED_CUDA_WITHOUT_BARRIER", 0));
  if (line == without) return;
  before(barriers[fibers[running].n_barriers % 2]);
  give_way();
  after(barriers[fibers[running].n_barriers++ % 2]);
}

UNSEEN static void enter() {
  for (;;) {
    after(begun);
    kernel(*pass);
    fibers[running].is_done = true;
    before(ended);
    give_way();
  }
}

UNSEEN static void turn(int thread) {
  running = threadIdx.x = thread;
  if (_setjmp(scheduler)) return;
  Fiber& fiber = fibers[thread];
  const bool is_new = fiber.stack.empty();
  if (is_new) {
    fiber.stack.resize(1 << 16);
    fiber.seen = new_seen();
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }
  see(fiber.seen);
  if (!is_new) _longjmp(fiber.place, 1);
  setcontext(&fiber.context);
}

static bool is_backwards() {
  static const bool is = std::getenv("EMULATED_CUDA_BACKWARDS");
  return is;
}

UNSEEN static void run_block(int n_threads) {
  for (int thread = 0; thread < n_threads; ++thread) fibers[thread].is_done = false, fibers[thread].n_barriers = 0;
  before(begun);
  for (int left = n_threads; left;) {
    // A thread that has returned counts as having reached every barrier, as it does on a GPU.
    for (int i = 0; i < n_threads; ++i) {
      const int thread = is_backwards() ? n_threads - 1 - i : i;
      if (fibers[thread].is_done) continue;
      turn(thread);
      left -= fibers[thread].is_done;
    }
  }
  after(ended);
}

UNSEEN static void run_blocks(int n_threads, int x, int y) {
  seen_scheduler = seen_now();
  blockDim.x = n_threads, gridDim.x = x, gridDim.y = y;
  for (int i = 0; i < x * y; ++i) {
    const int block = is_backwards() ? x * y - 1 - i : i;
    blockIdx.x = block % x, blockIdx.y = block / x;
    run_block(n_threads);
  }
}

struct Named { const char* name; Kernel kernel; int most_threads; };
#define SIZE(NAME, CELL, H)                                            \
  {"forward_" #NAME "_" #H, forward_##NAME##_##H, gates_of(CELL) * H}, \
  {"backward_" #NAME "_" #H, backward_##NAME##_##H, gates_of(CELL) * H},
#undef SIZES
#define SIZES(NAME, CELL) SIZE(NAME, CELL, 32) SIZE(NAME, CELL, 64) SIZE(NAME, CELL, 96) SIZE(NAME, CELL, 128)
static const Named named[] = {
  SIZES(rnn, RNN) SIZES(gru, GRU) SIZES(lstm, LSTM)
  {"prepare", prepare, 256}, {"head", head, HEAD_ROWS * LANES}, {"inputs", inputs, 256},
  {"input_gradients", input_gradients, 256}, {"weight_gradients", weight_gradients, 256}, {"reduce", reduce, 256},
  {"collect", collect, 256}, {"norm", norm, 1024}, {"adam", adam, 256},
};

static std::mutex one_at_a_time;
static std::map<uint64_t, size_t> allocated;
static size_t memory() { return size_t(given("EMULATED_CUDA_MEMORY", 8ll << 30)); }
static size_t taken() {
  size_t sum = 0;
  for (auto& [place, bytes] : allocated) sum += bytes;
  return sum;
}

// What AddressSanitizer is told: an engine cuts one piece of memory up, and between two launches all of it is in use.
#ifdef __SANITIZE_ADDRESS__
static void show_all() {
  for (auto& [place, bytes] : allocated) ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(place), bytes);
}
template <class T> static void show(const T* numbers, size n) { ASAN_UNPOISON_MEMORY_REGION(numbers, n * sizeof(T)); }
// The numbers of each kind that there are in this pass.
static void hide_all_but(const Pass& p) {
  for (auto& [place, bytes] : allocated) ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(place), bytes);
  const size sequences = p.sequences, rows = p.steps * sequences, units = p.units, vocabulary = p.vocabulary, layers = p.layers;
  const size wide = gates_of(p.cell) * units, states = layers * states_of(p.cell) * sequences * units;
  for (const float* numbers : {p.parameters, p.first_moments, p.second_moments, p.gradient}) show(numbers, p.n_parameters);
  show(p.sums, p.n_sums), show(p.parts, size(p.chunks) * p.n_sums);
  show(p.table, vocabulary * wide), show(p.transposed, layers * wide * units);
  show(p.gates, layers * rows * kept_of(p.cell) * units), show(p.hidden, layers * rows * units);
  if (p.cell == LSTM) show(p.cells, layers * rows * units);
  if (p.scale > 0) show(p.dropped, layers * rows * units);
  show(p.d_hidden, rows * units), show(p.scores, rows * vocabulary);
  show(p.state_before, states), show(p.state_after, states);
  show(p.losses, 2 * ((rows + HEAD_ROWS - 1) / HEAD_ROWS)), show(p.totals, 3);
  show(p.keys, sequences), show(p.lengths, sequences), show(p.first_targets, sequences);
  show(p.weights, vocabulary), show(p.tokens, sequences * p.stride);
}
#else
static void show_all() {}
static void hide_all_but(const Pass&) {}
#endif

static struct Counts {
  long contexts = 0, modules = 0, launches = 0, allocations = 0, waits = 0, uploads = 0;
  ~Counts() {
    const char* path = std::getenv("EMULATED_CUDA_COUNTS");
    FILE* file = path ? std::fopen(path, "w") : nullptr;
    if (!file) return;
    std::fprintf(file, "{\"contexts\": %ld, \"modules\": %ld, \"launches\": %ld, \"allocations\": %ld, \"waits\": %ld, \"uploads\": %ld}\n",
                 contexts, modules, launches, allocations, waits, uploads);
    std::fclose(file);
  }
} counts;
static std::mutex counting;
static void count(long& what) { std::lock_guard<std::mutex> lock(counting); ++what; }

enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, UNAVAILABLE = 46, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_PTX = 218, NOT_FOUND = 500 };

extern "C" {
int cuInit(unsigned) { return given("EMULATED_CUDA_DEVICES", 1) ? 0 : NO_DEVICE; }
int cuDriverGetVersion(int* version) { *version = int(given("EMULATED_CUDA_VERSION", 13000)); return 0; }
int cuDeviceGetCount(int* n) { *n = int(given("EMULATED_CUDA_DEVICES", 1)); return 0; }
int cuDeviceGet(int* device, int place) { *device = place; return place < given("EMULATED_CUDA_DEVICES", 1) ? 0 : INVALID_DEVICE; }
int cuDeviceGetName(char* name, int length, int) { std::snprintf(name, size_t(length), "Emulated"); return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = int(given("EMULATED_CUDA_CAPABILITY", 90));
  if (attribute != 75 && attribute != 76) return INVALID_VALUE;
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  if (std::getenv("EMULATED_CUDA_BUSY")) return UNAVAILABLE;
  if (memory() < (64 << 20)) return OUT_OF_MEMORY;
  count(counts.contexts);
  *context = &counts;
  return 0;
}
int cuCtxSetCurrent(void* context) { return context == &counts ? 0 : INVALID_VALUE; }
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  std::lock_guard<std::mutex> lock(one_at_a_time);
  *total = memory();
  *free = taken() < *total ? *total - taken() : 0;
  return 0;
}
int cuModuleLoadData(void** module, const void* text) {
  count(counts.modules);
  *module = const_cast<void*>(text);
  return std::strstr(static_cast<const char*>(text), ".version") ? 0 : INVALID_PTX;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  for (auto& known : named)
    if (!std::strcmp(known.name, name)) { *function = const_cast<Named*>(&known); return 0; }
  return NOT_FOUND;
}
int cuMemAlloc_v2(uint64_t* place, size_t n) {
  count(counts.allocations);
  std::lock_guard<std::mutex> lock(one_at_a_time);
  if (n == 0) return INVALID_VALUE;
  if (taken() + n > memory()) return OUT_OF_MEMORY;
  void* bytes = std::aligned_alloc(256, (n + 255) / 256 * 256);
  if (!bytes) return OUT_OF_MEMORY;
  // Numbers that are read before they are written are no numbers.
  std::memset(bytes, 0xff, n);
  *place = reinterpret_cast<uint64_t>(bytes);
  allocated[*place] = n;
  return 0;
}
int cuMemFree_v2(uint64_t place) {
  std::lock_guard<std::mutex> lock(one_at_a_time);
  if (!allocated.erase(place)) return INVALID_VALUE;
  std::free(reinterpret_cast<void*>(place));
  return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t n, void*) { count(counts.uploads); std::memcpy(reinterpret_cast<void*>(to), from, n); return 0; }
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, void*) { std::memcpy(to, reinterpret_cast<void*>(from), n); return 0; }
int cuMemsetD8Async(uint64_t to, unsigned char byte, size_t n, void*) { std::memset(reinterpret_cast<void*>(to), byte, n); return 0; }
int cuStreamCreate(void** stream, unsigned) { *stream = &counts; return 0; }
int cuStreamDestroy_v2(void*) { return 0; }
int cuStreamSynchronize(void*) { count(counts.waits); return 0; }
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned, void*, void** arguments, void**) {
  auto* known = static_cast<const Named*>(function);
  count(counts.launches);
  static_assert(sizeof(Pass) <= 4096, "what a kernel may be given");
  if (!x || !y || z != 1 || int(threads) != known->most_threads) return INVALID_VALUE;
  std::lock_guard<std::mutex> lock(one_at_a_time);
  const Pass given = *static_cast<const Pass*>(arguments[0]);
  kernel = known->kernel;
  pass = &given;
  hide_all_but(given);
  run_blocks(int(threads), int(x), int(y));
  show_all();
  return 0;
}
static const struct { int code; const char *name, *text; } errors[] = {
  {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
  {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
  {UNAVAILABLE, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
  {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
  {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
  {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
  {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
};
int cuGetErrorName(int code, const char** name) {
  for (auto& error : errors) if (error.code == code) { *name = error.name; return 0; }
  return INVALID_VALUE;
}
int cuGetErrorString(int code, const char** text) {
  for (auto& error : errors) if (error.code == code) { *text = error.text; return 0; }
  return INVALID_VALUE;
}
}
