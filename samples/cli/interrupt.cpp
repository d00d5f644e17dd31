#include "interrupt.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "exit_status.hpp"

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <unistd.h>
#endif

namespace {

std::atomic<int> seen{0};

/// Lives until the process ends: the watcher may need it at any time.
const tailora::Cancel &request() {
    static const auto *cancel = new tailora::Cancel();
    return *cancel;
}

/// Both systems call this on a thread of its own, where all functions may be called.
void on_signal(int signal) {
    if (seen.exchange(signal) != 0) std::_Exit(interrupted(signal));
    std::fputs("\ntailora: stopping; what is done is kept (once more: at once)\n", stderr);
    request().request();
}

#ifdef _WIN32
BOOL WINAPI on_console_event(DWORD event) {
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
    on_signal(SIGINT);
    return TRUE;
}
#endif

} // namespace

void interrupt::watch() {
#ifdef _WIN32
    SetConsoleCtrlHandler(&on_console_event, TRUE);
#else
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    // Blocked here and in every thread to come; only the watcher takes them.
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([signals] {
        for (int signal = 0; sigwait(&signals, &signal) == 0;) on_signal(signal);
    }).detach();
#endif
}

const tailora::Cancel *interrupt::cancel() { return &request(); }

int interrupt::signal() { return seen; }
