// Stacks, and the change from one to another. A part of emulator.cpp.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

// Saves what a call keeps on the stack, leaves its address at `from`, and goes on from the stack `to`: glibc's
// swapcontext would ask the kernel for its signal mask each time.
extern "C" void tailora_emulator_switch(void **from, void *to) asm("tailora_emulator_switch");
#if defined(__x86_64__)
constexpr size_t SAVED_WORDS = 8, ENTRY_WORD = 6;
asm(".text\n.globl tailora_emulator_switch\ntailora_emulator_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#elif defined(__aarch64__)
constexpr size_t SAVED_WORDS = 20, ENTRY_WORD = 11;
asm(".text\n.globl tailora_emulator_switch\ntailora_emulator_switch:\n"
    "sub sp, sp, #160\n"
    "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"
    "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\n"
    "ldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\nret\n");
#else
#error "the emulator of kernels knows x86-64 and aarch64"
#endif

namespace emulator {
namespace {
// Of one thread of a block; PAGE is a multiple of every machine's.
constexpr size_t STACK = 256 << 10, PAGE = 64 << 10;

struct Stack {
    void *pointer;
    const void *bottom = nullptr;
    size_t size = 0;
    void *fake = nullptr;
};

void switch_to(Stack &from, Stack &to, bool last = false) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(last ? nullptr : &from.fake, to.bottom, to.size);
#endif
    tailora_emulator_switch(&from.pointer, to.pointer);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
#endif
    (void)last;
}

// One that begins with `entry`, which never returns.
std::unique_ptr<Stack> new_stack(void (*entry)()) {
    // The page before it stays without rights, so that what overflows it stops there.
    void *memory = mmap(nullptr, STACK + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect((char *)memory + PAGE, STACK, PROT_READ | PROT_WRITE) != 0) {
        std::perror("the stack of an emulated thread");
        std::abort();
    }
    auto stack = std::make_unique<Stack>();
    stack->bottom = (char *)memory + PAGE;
    stack->size = STACK;
    void **words = (void **)((char *)stack->bottom + STACK) - SAVED_WORDS;
    words[ENTRY_WORD] = (void *)entry;
    stack->pointer = words;
    return stack;
}

void free_stack(const Stack &stack) { munmap((void *)((char *)stack.bottom - PAGE), STACK + PAGE); }
} // namespace
} // namespace emulator
