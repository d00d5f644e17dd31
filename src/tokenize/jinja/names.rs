//! The names of filters and of methods: what a template may ask for is known before any of it runs.

use super::value::{Callable, Value};

const FILTERS: [&str; 27] = [
    "abs",
    "capitalize",
    "center",
    "default",
    "d",
    "escape",
    "e",
    "float",
    "format",
    "indent",
    "int",
    "length",
    "count",
    "lower",
    "replace",
    "round",
    "safe",
    "string",
    "striptags",
    "title",
    "tojson",
    "trim",
    "truncate",
    "upper",
    "wordcount",
    "attr",
    "items",
];

const LIST_FILTERS: [&str; 19] = [
    "batch",
    "dictsort",
    "first",
    "groupby",
    "join",
    "last",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "slice",
    "sort",
    "sum",
    "unique",
];

const TEXT: [&str; 44] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

const DICT: [&str; 11] =
    ["get", "items", "keys", "values", "copy", "clear", "pop", "popitem", "setdefault", "update", "fromkeys"];
const LIST: [&str; 11] =
    ["count", "index", "copy", "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];

pub(super) fn is_filter(name: &str) -> bool {
    FILTERS.contains(&name) || LIST_FILTERS.contains(&name)
}

/// Whether a value has a method of that name.
pub(super) fn is_method(of: &Value, name: &str) -> bool {
    match of {
        Value::Text(_) => TEXT.contains(&name),
        Value::Dict(_) => DICT.contains(&name),
        Value::List(list) => LIST[..if list.tuple { 2 } else { LIST.len() }].contains(&name),
        Value::Loop(_) => ["cycle", "changed"].contains(&name),
        Value::Callable(callable) => match &**callable {
            Callable::Cycler { .. } => ["next", "reset"].contains(&name),
            _ => false,
        },
        _ => false,
    }
}
