/* A thread that runs one function: POSIX and Windows. */
#ifndef TAILORA_TEST_THREAD_H
#define TAILORA_TEST_THREAD_H

#ifdef _WIN32
#include <windows.h>
typedef HANDLE test_thread;
#define TEST_THREAD(name, argument) static DWORD WINAPI name(LPVOID argument)
#define TEST_THREAD_END return 0
#define test_thread_start(thread, function, argument) (*(thread) = CreateThread(NULL, 0, function, argument, 0, NULL))
#define test_thread_join(thread) (WaitForSingleObject(thread, INFINITE), CloseHandle(thread))
#define test_sleep_ms(ms) Sleep(ms)
#else
#include <pthread.h>
#include <time.h>
typedef pthread_t test_thread;
#define TEST_THREAD(name, argument) static void *name(void *argument)
#define TEST_THREAD_END return NULL
#define test_thread_start(thread, function, argument) pthread_create(thread, NULL, function, argument)
#define test_thread_join(thread) pthread_join(thread, NULL)
static inline void test_sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}
#endif

#endif
