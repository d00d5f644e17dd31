/* Prints the layout of every struct and the number of every constant, as tests/abi/layout.txt has them. */
#include <stddef.h>
#include <stdio.h>

#include "tailora.h"

#define STRUCT(type) printf("%s size %zu\n", #type, sizeof(type))
#define FIELD(type, field) printf("%s.%s %zu %zu\n", #type, #field, offsetof(type, field), sizeof(((type *)0)->field))

int main(void) {
    STRUCT(tailora_progress);
    FIELD(tailora_progress, struct_size);
    FIELD(tailora_progress, phase);
    FIELD(tailora_progress, step);
    FIELD(tailora_progress, total_steps);
    FIELD(tailora_progress, epoch);
    FIELD(tailora_progress, loss);
    FIELD(tailora_progress, validation_loss);
    FIELD(tailora_progress, learning_rate);
    FIELD(tailora_progress, gradient_norm);
    FIELD(tailora_progress, tokens_per_second);
    FIELD(tailora_progress, elapsed_seconds);
    FIELD(tailora_progress, eta_seconds);
    STRUCT(tailora_log_event);
    FIELD(tailora_log_event, struct_size);
    FIELD(tailora_log_event, level);
    FIELD(tailora_log_event, target);
    FIELD(tailora_log_event, message);
    STRUCT(tailora_log_sink);
    FIELD(tailora_log_sink, struct_size);
    FIELD(tailora_log_sink, max_level);
    FIELD(tailora_log_sink, log);
    FIELD(tailora_log_sink, user);
    return 0;
}
