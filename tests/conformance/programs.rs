//! The table as programs: no JSON in C needed, the answers are checked where they are read.

use super::{Case, csv, model};
use std::fmt::Write;
use std::path::Path;

/// A C string literal of any text: bytes that are not plain ASCII as octal escapes.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => write!(out, "\\{}", byte as char),
            b' '..=b'~' => write!(out, "{}", byte as char),
            _ => write!(out, "\\{byte:03o}"),
        }
        .unwrap();
    }
    out + "\""
}

fn optional(text: &Option<String>, none: &str) -> String {
    text.as_deref().map_or(none.to_owned(), literal)
}

/// Numbers in braces.
fn numbers(ids: &[u32]) -> String {
    format!("{{{}}}", ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

/// Prints three lines for each case: the status, the result or the error's details, the error's sentence.
pub fn c_program(cases: &[Case], root: &Path) -> String {
    let mut body = String::new();
    for case in cases {
        let (subject, options, session) =
            (literal(&case.subject), optional(&case.options, "NULL"), optional(&case.session, "NULL"));
        let call = match case.call.as_str() {
            "options_schema" => format!("tailora_options_schema({subject}, &json, &err)"),
            "model_load" => format!(
                "tailora_model_load({subject}, {options}, NULL, NULL, NULL, &loaded, &err);\n    \
                 if (status == 0) status = tailora_model_info(loaded, &json, &err);\n    tailora_model_free(loaded)"
            ),
            "dataset_open_csv" => format!(
                "tailora_dataset_open_csv({subject}, {options}, NULL, NULL, NULL, &opened, &err);\n    \
                 if (status == 0) status = tailora_dataset_info(opened, &json, &err);\n    tailora_dataset_free(opened)"
            ),
            "adapter_load" => format!(
                "tailora_adapter_load(model, {subject}, {options}, &adapter, &err);\n    \
                 if (status == 0) status = tailora_adapter_info(adapter, &json, &err);\n    tailora_adapter_free(adapter)"
            ),
            "train" => format!(
                "tailora_train(model, dataset, {options}, NULL, NULL, NULL, &adapter, &json, &err);\n    \
                 tailora_adapter_free(adapter)"
            ),
            "estimate" => format!("tailora_model_estimate(model, dataset, {options}, NULL, &json, &err)"),
            "evaluate" => format!(
                "tailora_evaluate(model, NULL, NULL, 0, dataset, dataset, {options}, NULL, NULL, NULL, &json, &err)"
            ),
            "tokenize" => {
                format!("tailora_model_tokenize(model, {subject}, sizeof({subject}) - 1, {options}, &json, &err)")
            }
            "detokenize" => {
                let (ids, count) = (numbers(&case.ids), case.ids.len());
                format!("tailora_model_detokenize(model, (const uint32_t[]){ids}, {count}, {options}, &json, &err)")
            }
            "score" => {
                let completion = literal(&case.completion);
                format!(
                    "tailora_session_new(model, {session}, &session, &err);\n    \
                     if (status == 0) status = tailora_session_score(session, {subject}, sizeof({subject}) - 1, {completion}, \
                     sizeof({completion}) - 1, {options}, NULL, &json, &err);\n    tailora_session_free(session)"
                )
            }
            "options_from_file" => {
                format!("tailora_options_from_file({subject}, {}, &json, &err)", literal(&case.completion))
            }
            "batch" => format!(
                "tailora_batch_run(model, NULL, NULL, 0, {subject}, {}, {options}, NULL, NULL, NULL, &json, &err)",
                literal(&case.folder)
            ),
            call @ ("registry_open" | "registry_create") => format!(
                "tailora_{call}({}, &registry, &err);\n    \
                 if (status == 0) status = tailora_registry_list(registry, &json, &err);\n    tailora_registry_free(registry)",
                literal(&case.folder)
            ),
            "export_docx" => {
                let file = literal(&format!("{}.docx", case.folder));
                format!(
                    "tailora_report_export_docx({subject}, {file}, {options}, &err);\n    \
                     if (status == 0) status = tailora_report_import_docx({file}, NULL, &json, &err)"
                )
            }
            "import_docx" => format!("tailora_report_import_docx({subject}, NULL, &json, &err)"),
            call @ ("generate" | "report") => format!(
                "tailora_session_new(model, {session}, &session, &err);\n    \
                 if (status == 0) status = tailora_session_{call}(session, {subject}, sizeof({subject}) - 1, {options}, \
                 NULL, &json, &err);\n    tailora_session_free(session)"
            ),
            other => panic!("the table has a call that no runner knows: {other}"),
        };
        writeln!(body, "    status = {call};\n    answer(status, &json, &err);").unwrap();
    }
    format!(
        r#"#include <stdio.h>
#include "tailora.h"
static void answer(tailora_status status, char **json, tailora_error **err) {{
    const char *message = status < 0 ? tailora_error_message(*err) : "";
    printf("%s\n%s\n%s\n", tailora_status_name(status), status < 0 ? tailora_error_details(*err) : *json, message);
    tailora_string_free(*json);
    tailora_error_free(*err);
    *json = NULL;
    *err = NULL;
}}
int main(void) {{
    tailora_model *model = NULL, *loaded = NULL;
    tailora_dataset *dataset = NULL, *opened = NULL;
    tailora_adapter *adapter = NULL;
    tailora_session *session = NULL;
    tailora_registry *registry = NULL;
    tailora_error *err = NULL;
    char *json = NULL;
    tailora_status status;
    if (tailora_model_load({model}, NULL, NULL, NULL, NULL, &model, NULL) != 0) return 1;
    if (tailora_dataset_open_csv({csv}, NULL, NULL, NULL, NULL, &dataset, NULL) != 0) return 1;
{body}    tailora_dataset_free(dataset);
    tailora_model_free(model);
    return tailora_live_handles() != 0;
}}
"#,
        model = literal(model(root).to_str().unwrap()),
        csv = literal(csv(root).to_str().unwrap()),
    )
}

/// The same with `tailora.hpp`.
pub fn cpp_program(cases: &[Case], root: &Path) -> String {
    let mut body = String::new();
    for case in cases {
        let (subject, options, session) =
            (literal(&case.subject), optional(&case.options, "{}"), optional(&case.session, "{}"));
        let call = match case.call.as_str() {
            "options_schema" => format!("tailora::options_schema({subject})"),
            "model_load" => format!("tailora::Model::load({subject}, {options}).info()"),
            "dataset_open_csv" => format!("tailora::Dataset::open_csv({subject}, {options}).info()"),
            "adapter_load" => format!("model.load_adapter({subject}, {options}).info()"),
            "train" => format!("tailora::train(model, dataset, {options}).summary"),
            "estimate" => format!("model.estimate(&dataset, {options})"),
            "evaluate" => format!("tailora::evaluate(model, {{}}, dataset, &dataset, {options})"),
            "tokenize" => format!("model.tokenize({subject}, {options})"),
            "detokenize" => format!("model.detokenize({}, {options})", numbers(&case.ids)),
            "score" => {
                format!("model.session({session}).score({subject}, {}, {options})", literal(&case.completion))
            }
            "options_from_file" => format!("tailora::options_from_file({subject}, {})", literal(&case.completion)),
            "batch" => format!("tailora::batch(model, {{}}, {subject}, {}, {options})", literal(&case.folder)),
            "registry_open" => format!("tailora::Registry::open({}).list()", literal(&case.folder)),
            "registry_create" => format!("tailora::Registry::create({}).list()", literal(&case.folder)),
            "export_docx" => {
                let file = literal(&format!("{}.docx", case.folder));
                format!("(tailora::export_docx({subject}, {file}, {options}), tailora::import_docx({file}))")
            }
            "import_docx" => format!("tailora::import_docx({subject})"),
            call @ ("generate" | "report") => format!("model.session({session}).{call}({subject}, {options})"),
            other => panic!("the table has a call that no runner knows: {other}"),
        };
        writeln!(body, "    answer([&] {{ return {call}; }});").unwrap();
    }
    format!(
        r#"#include <iostream>
#include "tailora.hpp"
template <typename Call> static void answer(Call call) {{
    try {{
        const std::string json = call();
        std::cout << "TAILORA_OK\n" << json << "\n\n";
    }} catch (const tailora::error &err) {{
        std::cout << err.name() << "\n" << err.details() << "\n" << err.what() << "\n";
    }}
}}
static void all() {{
    const auto model = tailora::Model::load({model});
    const auto dataset = tailora::Dataset::open_csv({csv});
{body}}}
int main() {{
    all();
    return tailora_live_handles() != 0;
}}
"#,
        model = literal(model(root).to_str().unwrap()),
        csv = literal(csv(root).to_str().unwrap()),
    )
}
