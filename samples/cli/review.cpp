// `tailora review`: what reviewers made of Word files, and rows for the next training out of it.

#include <iostream>
#include <memory>

#include "csv.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "tailora.hpp"
#include "text.hpp"
#include "program.hpp"

namespace {

struct Review {
    std::vector<std::string> paths;
    std::string rows;
};

void show(const Json &document) {
    for (const auto &one : document["cases"]) {
        const std::string pending = one["pending"] == 0 ? "" : "; " + one["pending"].dump() + " changes still open";
        text::field(one["id"].get<std::string>(), text::labels(one["conclusions"]) + pending);
    }
}

/// Rows that a training takes; the mark at the beginning tells Excel that it is UTF-8.
std::string rows(const Json &documents) {
    std::string out = "\xef\xbb\xbf" + csv::line({"input", "output"});
    for (const auto &document : documents)
        for (const auto &row : document["rows"]) out += csv::line({row["input"].get<std::string>(), row["output"].get<std::string>()});
    return out;
}

int run(const Review &review, const Program &program) {
    Json documents = Json::array();
    for (const auto &path : review.paths) {
        for (const auto &file : files::documents(path)) {
            Json document{{"path", file}};
            document.update(Json::parse(tailora::import_docx(file)));
            documents.push_back(std::move(document));
        }
    }
    if (!review.rows.empty()) files::write_new(review.rows, rows(documents));
    if (program.json) {
        std::cout << documents.dump() << "\n";
    } else {
        for (const auto &document : documents) show(document);
        if (!review.rows.empty()) text::field("Rows", review.rows);
    }
    return done;
}

} // namespace

void add_review(CLI::App &app, Program &program) {
    const auto review = std::make_shared<Review>();
    auto *command = program.add(app, "review", "Read what reviewers made of Word files", [review, &program] { return run(*review, program); });
    command->add_option("PATH", review->paths, "Reviewed .docx files, or folders of them")->type_name("")->required();
    command->add_option("--rows", review->rows, "Write rows for the next training here")->type_name("FILE");
}
