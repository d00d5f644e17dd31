//! The ranges in the schemas of options are what is checked: every number has one, and what lies outside of it, or is no
//! number, is refused with the option's name.

use serde_json::{Value, json};
use tailora::docx::DocxOptions;
use tailora::options::{Options, from_value, schema};
use tailora::*;

/// A number among the options: its path, and what the schema says of it.
struct Property {
    path: Vec<String>,
    schema: Value,
}

impl Property {
    fn name(&self) -> String {
        self.path.join(".")
    }

    /// A key of a map is no option: the map is.
    fn option(&self) -> String {
        self.name().trim_end_matches(".q_proj").to_owned()
    }

    /// The options with this one alone.
    fn with(&self, value: Value) -> Value {
        self.path.iter().rev().fold(value, |inner, key| json!({ key: inner }))
    }

    fn bound(&self, keyword: &str) -> Option<&Value> {
        self.schema.get(keyword)
    }
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    reference.map_or(schema, |path| root.pointer(&path[1..]).unwrap())
}

fn numbers(schema: &Value, root: &Value, path: &[String], out: &mut Vec<Property>) {
    let schema = resolved(schema, root);
    let kinds = |schema: &Value| match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    if kinds(schema).iter().any(|kind| kind == "integer" || kind == "number") {
        out.push(Property { path: path.to_vec(), schema: schema.clone() });
    }
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        numbers(alternative, root, path, out);
    }
    let below = |key: &str| [path, &[key.to_owned()]].concat();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        numbers(property, root, &below(key), out);
    }
    if schema["additionalProperties"].is_object() {
        numbers(&schema["additionalProperties"], root, &below("q_proj"), out);
    }
}

fn properties<T: Options>() -> Vec<Property> {
    let (root, mut found) = (schema::<T>(), Vec::new());
    numbers(&root, &root, &[], &mut found);
    found
}

/// The option that the refusal names; panics where nothing is refused.
fn refused<T: Options>(options: Value) -> String {
    match from_value::<T>(options.clone()) {
        Ok(_) => panic!("{}: {options} is taken", T::NAME),
        Err(err) => {
            assert_eq!(err.code(), Code::InvalidOptions, "{err}");
            let option = err.details()["option"].as_str().unwrap_or_default().to_owned();
            let last = option.rsplit('.').next().unwrap_or_default().to_owned();
            assert!(err.message().contains(&last), "{err}");
            option
        }
    }
}

fn every_number_has_a_range<T: Options>(at_least: usize) {
    let properties = properties::<T>();
    assert!(properties.len() >= at_least, "{}: {}", T::NAME, properties.len());
    for property in properties {
        let name = property.name();
        let refused = |value: Value| {
            let option = refused::<T>(property.with(value.clone()));
            assert_eq!(option, property.option(), "{}: {name} is {value}", T::NAME);
        };
        let integer = property.schema["type"].to_string().contains("integer");
        match (property.bound("minimum"), property.bound("exclusiveMinimum")) {
            (Some(least), None) if integer => refused(json!(least.as_i64().unwrap() - 1)),
            (Some(least), None) => refused(json!(least.as_f64().unwrap() - 0.001)),
            (None, Some(limit)) => refused(limit.clone()),
            found => panic!("{}: {name} has no lower bound, or two: {found:?}", T::NAME),
        }
        match (property.bound("maximum"), property.bound("exclusiveMaximum")) {
            (Some(most), None) if integer => match most.as_u64().unwrap().checked_add(1) {
                Some(more) => refused(json!(more)),
                None => refused(serde_json::from_str("18446744073709551616").unwrap()),
            },
            (Some(most), None) => refused(json!(most.as_f64().unwrap() * 1.001)),
            (None, Some(limit)) => refused(limit.clone()),
            found => panic!("{}: {name} has no upper bound, or two: {found:?}", T::NAME),
        }
    }
}

#[test]
fn every_number_of_every_set_has_a_range_which_is_checked() {
    every_number_has_a_range::<ModelOptions>(1);
    every_number_has_a_range::<AdapterOptions>(0);
    every_number_has_a_range::<DatasetOptions>(2);
    every_number_has_a_range::<TrainOptions>(25);
    every_number_has_a_range::<EvaluateOptions>(2);
    every_number_has_a_range::<SessionOptions>(1);
    every_number_has_a_range::<GenerateOptions>(16);
    every_number_has_a_range::<ScoreOptions>(0);
    every_number_has_a_range::<TokenizeOptions>(0);
    every_number_has_a_range::<ReportOptions>(17);
    every_number_has_a_range::<BatchOptions>(20);
    every_number_has_a_range::<PublishOptions>(0);
    every_number_has_a_range::<DocxOptions>(0);
}

type Set<T> = (&'static str, fn(&mut T, f64));

/// NaN and infinity, which JSON cannot say and a Rust host can.
fn what_is_no_number_is_refused<T: Options>(sets: &[Set<T>]) {
    let floats =
        properties::<T>().into_iter().filter(|property| property.schema["type"].to_string().contains("number"));
    let names: Vec<String> = floats.map(|property| property.option()).collect();
    assert_eq!(names, sets.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), "{}", T::NAME);
    for (name, set) in sets {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut options = T::default();
            set(&mut options, value);
            let err = options.validate().expect_err(name);
            assert_eq!((err.code(), err.details()["option"].as_str()), (Code::InvalidOptions, Some(*name)), "{err}");
        }
    }
}

#[test]
fn what_is_no_number_is_refused_by_name() {
    what_is_no_number_is_refused::<TrainOptions>(&[
        ("lora_alpha", |options, value| options.lora_alpha = value),
        ("lora_dropout", |options, value| options.lora_dropout = value),
        ("alpha_pattern", |options, value| options.alpha_pattern.insert("q_proj".to_owned(), value)),
        ("learning_rate", |options, value| options.learning_rate = value),
        ("loraplus_lr_ratio", |options, value| options.loraplus_lr_ratio = Some(value)),
        ("weight_decay", |options, value| options.weight_decay = value),
        ("adam_beta1", |options, value| options.adam_beta1 = value),
        ("adam_beta2", |options, value| options.adam_beta2 = value),
        ("adam_epsilon", |options, value| options.adam_epsilon = value),
        ("max_grad_norm", |options, value| options.max_grad_norm = value),
        ("warmup_ratio", |options, value| options.warmup_ratio = value),
        ("num_train_epochs", |options, value| options.num_train_epochs = value),
        ("validation_share", |options, value| options.validation_share = value),
    ]);
    let generate: [Set<GenerateOptions>; 10] = [
        ("temperature", |options, value| options.temperature = value),
        ("top_p", |options, value| options.top_p = value),
        ("min_p", |options, value| options.min_p = value),
        ("repetition_penalty", |options, value| options.repetition_penalty = value),
        ("typical_p", |options, value| options.typical_p = value),
        ("presence_penalty", |options, value| options.presence_penalty = value),
        ("frequency_penalty", |options, value| options.frequency_penalty = value),
        ("dry_multiplier", |options, value| options.dry_multiplier = value),
        ("dry_base", |options, value| options.dry_base = value),
        ("logit_bias", |options, value| _ = options.logit_bias.insert("7".to_owned(), value)),
    ];
    what_is_no_number_is_refused(&generate);
    what_is_no_number_is_refused::<ReportOptions>(&[
        ("generate.temperature", |options, value| options.generate.temperature = value),
        ("generate.top_p", |options, value| options.generate.top_p = value),
        ("generate.min_p", |options, value| options.generate.min_p = value),
        ("generate.repetition_penalty", |options, value| options.generate.repetition_penalty = value),
        ("generate.typical_p", |options, value| options.generate.typical_p = value),
        ("generate.presence_penalty", |options, value| options.generate.presence_penalty = value),
        ("generate.frequency_penalty", |options, value| options.generate.frequency_penalty = value),
        ("generate.dry_multiplier", |options, value| options.generate.dry_multiplier = value),
        ("generate.dry_base", |options, value| options.generate.dry_base = value),
        ("generate.logit_bias", |options, value| _ = options.generate.logit_bias.insert("7".to_owned(), value)),
    ]);
}

#[test]
fn choices_are_enums_of_the_schema() {
    let schema = schema::<ModelOptions>().to_string();
    for word in ["q8_0", "q6_k", "q5_k", "q5_0", "q4_k", "q4_0", "auto", "f32", "bf16"] {
        assert!(schema.contains(&format!("\"const\":\"{word}\"")), "{word}: {schema}");
    }
    for (options, option, words) in [
        (json!({ "dtype": "int8" }), "dtype", ["int8", "bf16"]),
        (json!({ "quantize": "q5_1" }), "quantize", ["q5_1", "q8_0"]),
        (json!({ "device": "gpu" }), "device", ["`gpu`", "cuda:N"]),
        (json!({ "device": 1 }), "device", ["1", "a text"]),
    ] {
        let err = from_value::<ModelOptions>(options).unwrap_err();
        assert_eq!(err.details()["option"], option, "{err}");
        assert!(words.iter().all(|word| err.message().contains(word)), "{err}");
    }
    let options =
        from_value::<ModelOptions>(json!({ "device": "cuda:3", "quantize": "q4_k", "dtype": "bf16" })).unwrap();
    assert_eq!(
        (options.device, options.quantize, options.dtype),
        (DeviceChoice::Cuda(3), "q4_k".parse().ok(), Dtype::Bf16)
    );
    let again = serde_json::to_value(&options).unwrap();
    assert_eq!((&again["device"], &again["quantize"]), (&json!("cuda:3"), &json!("q4_k")));
}
