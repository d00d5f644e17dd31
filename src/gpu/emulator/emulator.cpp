// The fibers of a block and what they wait for. See emulator.h.

#include "emulator.h"

#include "fiber.h"
#include "matrices.h"

#include <link.h>
#include <pthread.h>
#include <vector>

__thread dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
namespace {
constexpr unsigned MAX_THREADS = 1024, MAX_SHARED = 227 << 10, MAX_GRID_YZ = 65535;

enum class State { Fresh, Ready, AtWarp, AtBarrier, Done };

struct Copy {
    void *shared;
    const void *global;
    bool valid;
};

struct Thread {
    State state;
    Stack *stack;
    int line;
    unsigned mask;
    Together function;
    void *payload;
    // Of cp.async: by group, the last one not committed yet.
    std::vector<std::vector<Copy>> copies;
};

// What one thread of the host runs blocks with.
struct Machine {
    std::vector<Thread> threads{MAX_THREADS};
    std::vector<std::unique_ptr<Stack>> stacks;
    std::vector<Stack *> idle;
    Stack host;
    Thread *current = nullptr;
    const Export *kernel = nullptr;
    void **args = nullptr;
    unsigned char *shared = nullptr;
    bool reverse = false;

    ~Machine() {
        for (auto &stack : stacks) free_stack(*stack);
    }
};

Export *exports = nullptr;

// Not a thread_local object: its guard would lie among what poison_statics overwrites.
__thread Machine *own = nullptr;

Machine &machine() {
    static const pthread_key_t key = [] {
        pthread_key_t key;
        pthread_key_create(&key, [](void *machine) { delete static_cast<Machine *>(machine); });
        return key;
    }();
    if (!own) {
        own = new Machine;
        pthread_setspecific(key, own);
    }
    return *own;
}

// A fiber runs one thread of a block after the other, each when the scheduler gives it one.
void fiber() {
    Machine &m = machine();
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &m.host.bottom, &m.host.size);
#endif
    for (;;) {
        m.kernel->invoke(m.kernel->kernel, m.args);
        m.current->state = State::Done;
        m.idle.push_back(m.current->stack);
        switch_to(*m.current->stack, m.host);
    }
}

void resume(Machine &m, unsigned index) {
    Thread &thread = m.threads[index];
    if (thread.state == State::Fresh) {
        if (m.idle.empty()) {
            m.stacks.push_back(new_stack(fiber));
            m.idle.push_back(m.stacks.back().get());
        }
        thread.stack = m.idle.back();
        m.idle.pop_back();
    }
    thread.state = State::Ready;
    m.current = &thread;
    threadIdx = {index, 0, 0};
    switch_to(m.host, *thread.stack);
}

void wait_as(State state) {
    Machine &m = machine();
    m.current->state = state;
    switch_to(*m.current->stack, m.host);
}

// Runs the threads of a warp until each has ended or waits for another warp.
void run_warp(Machine &m, unsigned warp) {
    unsigned first = warp * warpSize, count = std::min<unsigned>(warpSize, blockDim.x - first);
    for (bool progress = true; progress;) {
        progress = false;
        for (unsigned i = 0; i < count; i++) {
            unsigned index = first + (m.reverse ? count - 1 - i : i);
            State state = m.threads[index].state;
            if (state != State::Fresh && state != State::Ready) continue;
            resume(m, index);
            progress = true;
        }
    }
}

int diverged(Machine &m) {
    std::fprintf(stderr, "%s: block (%u, %u, %u) waits for ever:", m.kernel->name, blockIdx.x, blockIdx.y, blockIdx.z);
    for (unsigned i = 0; i < blockDim.x; i++) {
        const Thread &thread = m.threads[i];
        bool same = i > 0 && thread.state == m.threads[i - 1].state && thread.line == m.threads[i - 1].line;
        if (same) continue;
        std::fprintf(stderr, " from thread %u on ", i);
        if (thread.state == State::Done) std::fprintf(stderr, "ended;");
        if (thread.state == State::AtBarrier) std::fprintf(stderr, "at __syncthreads of line %d;", thread.line);
        if (thread.state == State::AtWarp) std::fprintf(stderr, "in a function of the warp, mask %08x;", thread.mask);
    }
    std::fprintf(stderr, "\n");
    // What they hold is never taken back, so their stacks are of no more use.
    for (auto &stack : m.stacks) free_stack(*stack);
    m.stacks.clear();
    m.idle.clear();
    return 2;
}

int run_block(Machine &m) {
    unsigned warps = (blockDim.x + warpSize - 1) / warpSize;
    for (unsigned i = 0; i < blockDim.x; i++) {
        m.threads[i].state = State::Fresh;
        m.threads[i].line = 0;
        m.threads[i].copies.clear();
    }
    for (;;) {
        for (unsigned i = 0; i < warps; i++) run_warp(m, m.reverse ? warps - 1 - i : i);
        const Thread &first = m.threads[0];
        for (unsigned i = 0; i < blockDim.x; i++) {
            const Thread &thread = m.threads[i];
            if (thread.state == State::AtWarp || thread.state != first.state || thread.line != first.line) {
                return diverged(m);
            }
        }
        if (first.state == State::Done) return 0;
        for (unsigned i = 0; i < blockDim.x; i++) {
            m.threads[i].state = State::Ready;
            m.threads[i].line = 0;
        }
    }
}

// NaN into the thread-local memory of the program, the first module of the list; the emulator's own is kept.
void poison_statics() {
    dim3 indices[] = {threadIdx, blockIdx, blockDim, gridDim};
    Machine *machine = own;
    dl_iterate_phdr(
        [](dl_phdr_info *module, size_t, void *) {
            for (int i = 0; i < module->dlpi_phnum; i++) {
                const auto &header = module->dlpi_phdr[i];
                if (header.p_type == PT_TLS && module->dlpi_tls_data) {
                    std::memset(module->dlpi_tls_data, 0xff, header.p_memsz);
                }
            }
            return 1;
        },
        nullptr);
    own = machine;
    threadIdx = indices[0], blockIdx = indices[1], blockDim = indices[2], gridDim = indices[3];
}

const Export *find(const char *name) {
    for (const Export *entry = exports; entry; entry = entry->next) {
        if (std::strcmp(entry->name, name) == 0) return entry;
    }
    return nullptr;
}
} // namespace

bool poison_static_shared = false;

void Export::add() {
    next = exports;
    exports = this;
}

void together(unsigned mask, Together function, void *payload) {
    Machine &m = machine();
    unsigned first = threadIdx.x / warpSize * warpSize, count = std::min<unsigned>(warpSize, blockDim.x - first);
    *m.current = {m.current->state, m.current->stack, 0, mask, function, payload, std::move(m.current->copies)};
    m.current->state = State::AtWarp;
    void *payloads[warpSize] = {};
    bool all = mask >> lane() & 1;
    // From the next lane on, which in most cases is not there yet.
    for (unsigned i = 1; all && i <= count; i++) {
        unsigned other = (lane() + i) % count;
        const Thread &thread = m.threads[first + other];
        if (!(mask >> other & 1)) continue;
        all = thread.state == State::AtWarp && thread.function == function && thread.mask == mask;
        payloads[other] = thread.payload;
    }
    if (!all) return switch_to(*m.current->stack, m.host);
    function(mask, payloads);
    for (unsigned i = 0; i < count; i++) {
        if (mask >> i & 1) m.threads[first + i].state = State::Ready;
    }
}

void nothing(unsigned, void **) {}

void barrier(int line) {
    machine().current->line = line;
    wait_as(State::AtBarrier);
}

unsigned ballot(unsigned mask, bool predicate) {
    unsigned votes = predicate;
    together(
        mask,
        [](unsigned, void **payloads) {
            unsigned votes = 0;
            for (int i = 0; i < warpSize; i++) {
                if (payloads[i]) votes |= *static_cast<unsigned *>(payloads[i]) << i;
            }
            for (int i = 0; i < warpSize; i++) {
                if (payloads[i]) *static_cast<unsigned *>(payloads[i]) = votes;
            }
        },
        &votes);
    return votes;
}

// Until it is waited for, what is copied is not there: a read too early sees NaN.
void copy_later(void *shared, const void *global, bool valid) {
    if ((uintptr_t)shared % 16 != 0 || (valid && (uintptr_t)global % 16 != 0)) {
        std::fprintf(stderr, "%s: cp_async16 of an address that is not a multiple of 16\n", machine().kernel->name);
        std::abort();
    }
    auto &groups = machine().current->copies;
    if (groups.empty()) groups.emplace_back();
    groups.back().push_back({shared, global, valid});
    std::memset(shared, 0xff, 16);
}

void commit_copies() {
    auto &groups = machine().current->copies;
    if (groups.empty()) groups.emplace_back();
    groups.emplace_back();
}

void finish_copies(unsigned under_way) {
    auto &groups = machine().current->copies;
    while (groups.size() > under_way + 1) {
        for (const Copy &copy : groups.front()) {
            if (copy.valid) std::memcpy(copy.shared, copy.global, 16);
            else std::memset(copy.shared, 0, 16);
        }
        groups.erase(groups.begin());
    }
}

unsigned char *dynamic_shared() { return machine().shared; }
} // namespace emulator

extern "C" int tailora_emulator_launch(const char *name, const unsigned grid[3], unsigned threads,
                                       unsigned shared_bytes, void **args) {
    using namespace emulator;
    const Export *kernel = find(name);
    if (!kernel) return 1;
    bool fits = grid[0] - 1 < INT32_MAX && grid[1] - 1 < MAX_GRID_YZ && grid[2] - 1 < MAX_GRID_YZ;
    if (!fits || threads - 1 >= MAX_THREADS || shared_bytes > MAX_SHARED) return 3;
    Machine &m = machine();
    const char *order = std::getenv("TAILORA_EMULATOR_ORDER");
    m.reverse = order && std::strcmp(order, "reverse") == 0;
    // Of its exact size, so that the address sanitizer sees what goes beyond.
    std::unique_ptr<unsigned char, void (*)(void *)> shared((unsigned char *)std::malloc(shared_bytes), std::free);
    m.kernel = kernel, m.args = args, m.shared = shared.get();
    gridDim = {grid[0], grid[1], grid[2]}, blockDim = {threads, 1, 1};
    for (unsigned z = 0; z < grid[2]; z++) {
        for (unsigned y = 0; y < grid[1]; y++) {
            for (unsigned x = 0; x < grid[0]; x++) {
                if (shared_bytes > 0) std::memset(m.shared, 0xff, shared_bytes);
                if (poison_static_shared) poison_statics();
                blockIdx = {x, y, z};
                if (int failure = run_block(m)) return failure;
            }
        }
    }
    return 0;
}

extern "C" int tailora_emulator_arguments(const char *name, unsigned char bytes[64]) {
    const emulator::Export *kernel = emulator::find(name);
    if (!kernel) return -1;
    std::memcpy(bytes, kernel->bytes, sizeof(kernel->bytes));
    return int(kernel->count);
}

#ifdef TAILORA_KERNELS
#include TAILORA_KERNELS
#endif
