// The main job in C++: load a base model, train a LoRA adapter on a CSV, attach it, and write a JSON report.
//
//     cargo rustc --release --lib --crate-type cdylib
//     c++ -std=c++17 -Iinclude samples/cpp/talent_review.cpp -o talent_review -Ltarget/release -ltailora
//     ./talent_review samples/models/tailora-tiny samples/data/talent_review.csv [ADAPTER_DIRECTORY]

#include <iostream>

#include "tailora.hpp"

static const std::string employee = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";

// The bundled model is tiny and wants larger steps than the defaults, which suit models of a billion parameters.
static const char train_options[] = R"({"learning_rate": 0.01})";

static bool print_progress(const tailora::Progress &event) {
    if (event.phase == TAILORA_PHASE_TRAIN && event.step % 10 == 0) {
        std::cout << "  step " << event.step << '/' << event.total_steps << "  loss " << event.loss << "  "
                  << event.eta_seconds << " s left" << std::endl;
    }
    return true;
}

static void print_answer(tailora::Session &session) {
    auto stream = session.stream(employee, R"({"max_tokens": 160})");
    for (std::string_view chunk : stream) std::cout << chunk << std::flush;
    std::cout << "\n";
}

int main(int argc, char **argv) {
    if (argc < 3) {
        std::cerr << "usage: " << argv[0] << " MODEL_DIRECTORY CSV_FILE [ADAPTER_DIRECTORY]\n";
        return 2;
    }
    try {
        const auto model = tailora::Model::load(argv[1]);
        const auto dataset = tailora::Dataset::open_csv(argv[2]);
        auto session = model.session();

        std::cout << "Employee: " << employee << "\n\nWithout an adapter:\n";
        print_answer(session);

        std::cout << "\nTraining:\n";
        const auto trained = tailora::train(model, dataset, train_options, print_progress);
        std::cout << trained.summary << "\n";
        if (argc > 3) trained.adapter.save(argv[3]);

        session.attach(trained.adapter);
        std::cout << "\nWith the adapter:\n";
        print_answer(session);
        std::cout << "\nReport:\n" << session.report(employee) << "\n";
        return 0;
    } catch (const tailora::error &err) {
        std::cerr << err.name() << ": " << err.what() << ' ' << err.details() << "\n";
        return 1;
    }
}
