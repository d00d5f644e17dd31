/* One CUDA library, opened at the first call of any of its functions, so that what links this needs no CUDA library to be
 * loaded. Compiled once for each library, with:
 *   SYMBOLS  a header with a line SYMBOL(index, name) for each function, counted from 0
 *   FILES    the names that the library goes by, newest first
 *   BEFORE   a library that it needs and that lies beside it, or ""
 *   MISSING  the status that a function returns where the library is missing
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __x86_64__
#error "written for x86-64: another processor needs other instructions below"
#endif

static const char *const names[] = {
#define SYMBOL(index, name) #name,
#include SYMBOLS
#undef SYMBOL
};

/* Where each function jumps to: at first to its `resolve_…`, which looks the real one up. */
__asm__(".data\n.balign 8\nslots:\n");
#define SYMBOL(index, name) __asm__(".quad resolve_" #name "\n");
#include SYMBOLS
#undef SYMBOL
__asm__(".text\n");
extern void *slots[] __attribute__((visibility("hidden")));

/* Arguments stay where they are, in registers and on the stack: the signature does not matter. */
#define SYMBOL(index, name)                                                                                            \
    __asm__(".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\nendbr64\n"                  \
            "jmp *slots+8*" #index "(%rip)\n"                                                                          \
            "resolve_" #name ":\nendbr64\nmovl $" #index ", %r11d\njmp resolve_any\n");
#include SYMBOLS
#undef SYMBOL

__asm__("resolve_any:\n"
        "pushq %rbp\nmovq %rsp, %rbp\n"
        "pushq %rdi\npushq %rsi\npushq %rdx\npushq %rcx\npushq %r8\npushq %r9\npushq %rax\npushq %r10\n"
        "subq $128, %rsp\n"
        "movups %xmm0, (%rsp)\nmovups %xmm1, 16(%rsp)\nmovups %xmm2, 32(%rsp)\nmovups %xmm3, 48(%rsp)\n"
        "movups %xmm4, 64(%rsp)\nmovups %xmm5, 80(%rsp)\nmovups %xmm6, 96(%rsp)\nmovups %xmm7, 112(%rsp)\n"
        "movl %r11d, %edi\ncall look_up\nmovq %rax, %r11\n"
        "movups (%rsp), %xmm0\nmovups 16(%rsp), %xmm1\nmovups 32(%rsp), %xmm2\nmovups 48(%rsp), %xmm3\n"
        "movups 64(%rsp), %xmm4\nmovups 80(%rsp), %xmm5\nmovups 96(%rsp), %xmm6\nmovups 112(%rsp), %xmm7\n"
        "addq $128, %rsp\n"
        "popq %r10\npopq %rax\npopq %r9\npopq %r8\npopq %rcx\npopq %rdx\npopq %rsi\npopq %rdi\npopq %rbp\n"
        "jmp *%r11\n");

static void *open_in(const char *folder, const char *file) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", file) >= (int)sizeof path) return NULL;
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

static void *open_library(void) {
    static const char *const files[] = {FILES};
    const char *const folders[] = {getenv("TAILORA_CUDA_LIB_DIR"), "", "/usr/local/cuda/lib64", "/usr/lib/wsl/lib"};
    for (size_t folder = 0; folder < sizeof folders / sizeof *folders; folder++) {
        for (size_t file = 0; folders[folder] && file < sizeof files / sizeof *files; file++) {
            /* Found by its name from now on, wherever the library below looks for it. */
            if (*BEFORE) open_in(folders[folder], BEFORE);
            void *library = open_in(folders[folder], files[file]);
            if (library) return library;
        }
    }
    return NULL;
}

static int missing(void) { return MISSING; }

static const char *missing_text(void) { return "the CUDA library is not installed"; }

static int nothing_to_do(void) { return 0; }

static int no_generator(void **generator) {
    *generator = NULL;
    return 0;
}

/* What stands for a function of a library that is not there. */
static void *substitute(const char *name) {
    if (strstr(name, "GetStatusName") || strstr(name, "GetStatusString") || !strcmp(name, "nvrtcGetErrorString"))
        return (void *)missing_text;
    /* candle makes a generator for each device. Nothing is drawn from it here, so 60 MB of cuRAND may be missing. */
    if (!strcmp(name, "curandCreateGenerator")) return (void *)no_generator;
    if (!strcmp(name, "curandSetStream") || !strcmp(name, "curandDestroyGenerator") ||
        !strcmp(name, "curandSetPseudoRandomGeneratorSeed"))
        return (void *)nothing_to_do;
    return (void *)missing;
}

__attribute__((used, noinline)) static void *look_up(unsigned index) {
    static void *library;
    static int tried;
    if (!__atomic_load_n(&tried, __ATOMIC_ACQUIRE)) {
        /* Two threads may both open it; that is the same library counted twice. */
        void *opened = open_library();
        if (opened) __atomic_store_n(&library, opened, __ATOMIC_RELEASE);
        __atomic_store_n(&tried, 1, __ATOMIC_RELEASE);
    }
    void *opened = __atomic_load_n(&library, __ATOMIC_ACQUIRE);
    void *function = opened ? dlsym(opened, names[index]) : NULL;
    if (!function) function = substitute(names[index]);
    __atomic_store_n(&slots[index], function, __ATOMIC_RELEASE);
    return function;
}
