/*
 * The main job in C: load a base model, train a LoRA adapter on a CSV, attach it, and write a JSON report.
 *
 *     cargo rustc --release --lib --crate-type cdylib
 *     cc -std=c11 -Iinclude samples/c/talent_review.c -o talent_review -Ltarget/release -ltailora
 *     ./talent_review samples/models/tailora-tiny samples/data/talent_review.csv [ADAPTER_DIRECTORY]
 *
 * (`cargo xtask demo` does all of that.) With a third argument the adapter is saved there, as PEFT reads it.
 */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#endif

#include "tailora.h"

static const char EMPLOYEE[] = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";

/* The bundled model is tiny and wants larger steps than the defaults, which suit models of a billion parameters. */
static const char TRAIN_OPTIONS[] = "{\"learning_rate\": 0.01}";

/* Runs a call; on an error prints it and goes to `done`, where everything is freed. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            fprintf(stderr, "%s: %s %s\n", tailora_status_name(tailora_error_code(err)),           \
                    tailora_error_message(err), tailora_error_details(err));                       \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

/* Ctrl+C stops training and keeps what was learnt: the progress callback sees it at its next event. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

/* Prints a line of progress, every tenth step. Returning anything but 0 would stop the work. */
static int32_t on_progress(const tailora_progress *event, void *user) {
    const int tenth = event->step % 10 == 0 || event->step == event->total_steps;
    (void)user;
    if (event->phase == TAILORA_PHASE_TRAIN && !isnan(event->loss) && tenth) {
        printf("  step %4" PRIu64 "/%" PRIu64 "  loss %.3f  lr %.1e  %6.0f tokens/s", event->step, event->total_steps,
               event->loss, event->learning_rate, event->tokens_per_second);
        if (!isnan(event->eta_seconds)) printf("  %.0f s left", event->eta_seconds);
        printf("\n");
    } else if (event->phase == TAILORA_PHASE_VALIDATE && !isnan(event->validation_loss)) {
        printf("  validation loss %.3f\n", event->validation_loss);
    }
    fflush(stdout);
    return interrupted;
}

/* Prints what the session answers, while it is being generated. */
static tailora_status print_answer(tailora_session *session, tailora_error **err) {
    tailora_stream *stream = NULL;
    const char *chunk = NULL;
    tailora_status status =
        tailora_stream_open(session, EMPLOYEE, strlen(EMPLOYEE), "{\"max_tokens\": 160}", NULL, &stream, err);
    if (status < 0) return status;
    while ((status = tailora_stream_next(stream, &chunk, NULL, err)) == TAILORA_OK) {
        fputs(chunk, stdout);
        fflush(stdout);
    }
    printf("\n");
    tailora_stream_free(stream);
    return status;
}

int main(int argc, char **argv) {
    /* Everything starts as NULL, which may be freed: one place at the end is enough. */
    tailora_model *model = NULL;
    tailora_dataset *dataset = NULL;
    tailora_adapter *adapter = NULL;
    tailora_session *session = NULL;
    tailora_error *err = NULL;
    char *summary = NULL, *report = NULL;
    tailora_status status;
    int result = 1;

#ifdef _WIN32
    SetConsoleOutputCP(CP_UTF8);
#endif
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL_DIRECTORY CSV_FILE [ADAPTER_DIRECTORY]\n", argv[0]);
        return 2;
    }
    if (tailora_abi_version() >> 16 != TAILORA_ABI_MAJOR) {
        fprintf(stderr, "the library has ABI %u, this program needs %d\n", (unsigned)(tailora_abi_version() >> 16),
                TAILORA_ABI_MAJOR);
        return 1;
    }
    signal(SIGINT, on_interrupt);

    TRY(tailora_model_load(argv[1], NULL, NULL, NULL, NULL, &model, &err));
    TRY(tailora_dataset_open_csv(argv[2], NULL, NULL, NULL, NULL, &dataset, &err));
    TRY(tailora_session_new(model, NULL, &session, &err));

    printf("Employee: %s\n\nWithout an adapter:\n", EMPLOYEE);
    TRY(print_answer(session, &err));

    printf("\nTraining:\n");
    TRY(status = tailora_train(model, dataset, TRAIN_OPTIONS, on_progress, NULL, NULL, &adapter, &summary, &err));
    if (status == TAILORA_STOPPED) printf("Stopped; going on with the best adapter so far.\n");
    printf("%s\n", summary);
    if (argc > 3) TRY(tailora_adapter_save(adapter, argv[3], NULL, &err));

    TRY(tailora_session_attach(session, adapter, 1.0, &err));
    printf("\nWith the adapter:\n");
    TRY(print_answer(session, &err));

    TRY(tailora_session_report(session, EMPLOYEE, strlen(EMPLOYEE), NULL, NULL, &report, &err));
    printf("\nReport:\n%s\n", report);
    result = 0;

done:
    tailora_string_free(report);
    tailora_string_free(summary);
    tailora_session_free(session);
    tailora_adapter_free(adapter);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    tailora_error_free(err);
    if (tailora_live_handles() != 0) fprintf(stderr, "%" PRIu64 " handles leaked\n", tailora_live_handles());
    return result;
}
