//! Eight threads on one model with sessions, adapters, grammars and cancellations of all kinds at the same time: every text is
//! the one it is alone, memory does not grow, and nothing waits for ever.

use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tailora::options::from_value;
use tailora::{
    Adapter, Cancel, Control, Dataset, GenerateOptions, LanguageModel, Monitor, ReportOptions, Session, SessionOptions,
    report, train,
};

const THREADS: u64 = 8;
/// Bytes by which more may be held than before: the pool of keys doubles when more sequences than ever come together, which
/// chance decides.
const SLACK: usize = 4 << 20;

/// The system's allocator, with a count of live bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What one caller asks for.
struct Case {
    /// The adapters, and their scales.
    stack: Vec<(Adapter, f64)>,
    system: Option<&'static str>,
    prompt: String,
    kind: Kind,
}

enum Kind {
    /// A text, as it is streamed.
    Text(GenerateOptions),
    /// Several texts of one prompt.
    Choices(GenerateOptions),
    Report(Box<ReportOptions>),
}

impl Case {
    fn session(&self, model: &LanguageModel) -> Session {
        let options = SessionOptions { system: self.system.map(str::to_owned), ..SessionOptions::default() };
        let mut session = Session::new(model, &options).unwrap();
        self.stack.iter().for_each(|(adapter, scale)| session.attach(adapter, *scale).unwrap());
        session
    }

    /// What comes of it.
    fn written(&self, session: &mut Session) -> String {
        let cancel = Cancel::new();
        match &self.kind {
            Kind::Text(options) => {
                session.generate(&self.prompt, options, &cancel, &mut |_| Control::Continue).unwrap().text
            }
            Kind::Choices(options) => {
                let texts = session.choices(&self.prompt, options, &cancel).unwrap();
                texts.into_iter().map(|text| text.text).collect::<Vec<_>>().join("\n")
            }
            Kind::Report(options) => {
                let report = report(session, &self.prompt, options, &cancel).unwrap();
                json!([report["report"], report["document"], report["conclusions"]]).to_string()
            }
        }
    }

    /// The beginning of its text, which is stopped after some pieces; `None` where there is none to stop.
    fn begun(&self, session: &mut Session, pieces: usize, way: u64) -> Option<String> {
        let Kind::Text(options) = &self.kind else { return None };
        let (mut count, mut text) = (0, String::new());
        let mut is_enough = || {
            count += 1;
            count >= pieces
        };
        match way {
            // By the listener.
            0 => {
                let mut on_text = |_: &str| if is_enough() { Control::Stop } else { Control::Continue };
                text = session.generate(&self.prompt, options, &Cancel::new(), &mut on_text).unwrap().text;
            }
            // From outside.
            1 => {
                let cancel = Cancel::new();
                let mut on_text = |_: &str| {
                    if is_enough() {
                        cancel.request();
                    }
                    Control::Continue
                };
                text = session.generate(&self.prompt, options, &cancel, &mut on_text).unwrap().text;
            }
            // A stream that nobody reads to its end.
            _ => {
                let mut stream = session.stream(&self.prompt, options).unwrap();
                while let Some(piece) = stream.next(&Cancel::new()).unwrap() {
                    text.push_str(&piece);
                    if is_enough() {
                        break;
                    }
                }
            }
        }
        Some(text)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model() -> LanguageModel {
    let path = root().join("tests/fixtures/models/qwen2");
    LanguageModel::load(&path, &from_value(json!({ "threads": 2 })).unwrap(), &mut Monitor::none()).unwrap()
}

/// Two adapters that learnt little, but not the same.
fn adapters(model: &LanguageModel) -> [Adapter; 2] {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("rows.csv");
    std::fs::write(&csv, "input,output\na:b,c\nd:e,f\ng:h,i\n").unwrap();
    let dataset = Dataset::open_csv(&csv, &Default::default(), &mut Monitor::none()).unwrap();
    [("q_proj", 1), ("down_proj", 2)].map(|(module, seed)| {
        let options = json!({
            "r": 4, "target_modules": [module], "max_steps": 3, "warmup_ratio": 0, "learning_rate": 0.5, "seed": seed,
            "validation_share": 0, "memorisation_samples": 0,
        });
        train(model, &dataset, &from_value(options).unwrap(), &mut Monitor::none()).unwrap().adapter
    })
}

fn cases(model: &LanguageModel) -> Vec<Case> {
    let [first, second] = adapters(model);
    let stacks = [
        vec![],
        vec![(first.clone(), 1.0)],
        vec![(second.clone(), 0.5)],
        vec![(first.clone(), 1.0), (second.clone(), 1.0)],
    ];
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["a", "b"],
        "properties": { "a": { "enum": ["x", "yy"] }, "b": { "type": "string", "maxLength": 12 } },
    });
    let text = |options: Value| Kind::Text(from_value(options).unwrap());
    let mut cases = Vec::new();
    for (index, stack) in stacks.iter().enumerate() {
        let kinds = [
            text(json!({ "max_tokens": 40 })),
            text(json!({ "max_tokens": 25, "temperature": 1, "top_p": 0.9, "seed": index, "repetition_penalty": 1.1 })),
            text(json!({ "max_tokens": 60, "json_schema": schema, "temperature": 1, "seed": index })),
            text(json!({ "max_tokens": 30, "regex": "(ab|cd){2,9}", "temperature": 1 })),
            Kind::Choices(from_value(json!({ "max_tokens": 20, "n": 3, "temperature": 1, "seed": index })).unwrap()),
            Kind::Report(Box::new(
                from_value(json!({
                    "schema": schema, "tell_schema": false, "influence": index == 0, "generate": { "max_tokens": 60 },
                }))
                .unwrap(),
            )),
        ];
        for (number, kind) in kinds.into_iter().enumerate() {
            // Prompts of less than a block of keys, and of several, which begin alike.
            let system =
                (number % 2 == 1).then_some("You review the talent of a company and write what follows, no more.");
            let prompt = format!(
                "role:P{number},rating:A/B,potential:high,note:{}",
                "seven years ".repeat(1 + 6 * (number % 3))
            );
            cases.push(Case { stack: stack.clone(), system, prompt, kind });
        }
    }
    cases
}

/// Has all threads write cases for so long; how many texts were whole, and how many were stopped.
fn run(model: &LanguageModel, cases: &[Case], alone: &[String], seconds: Duration) -> (usize, usize) {
    let until = Instant::now() + seconds;
    let work = |thread: u64| {
        let mut state = thread.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut whole, mut stopped) = (0, 0);
        while Instant::now() < until {
            let index = random(cases.len() as u64) as usize;
            let (case, expected) = (&cases[index], &alone[index]);
            let mut session = case.session(model);
            // A session that goes on has read what others began with.
            for _ in 0..=random(3) {
                if random(3) == 0
                    && let Some(text) = case.begun(&mut session, 1 + random(12) as usize, random(3))
                {
                    // Of a character that was not whole yet, U+FFFD is what there is.
                    let text = text.trim_end_matches('\u{FFFD}');
                    assert!(expected.starts_with(text), "case {index}: {text:?} does not begin {expected:?}");
                    stopped += 1;
                    continue;
                }
                assert_eq!(case.written(&mut session), *expected, "case {index}");
                whole += 1;
            }
        }
        (whole, stopped)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .fold((0, 0), |sums, of_thread| (sums.0 + of_thread.0, sums.1 + of_thread.1))
    })
}

fn check(seconds: Duration) {
    let model = model();
    let cases = cases(&model);
    let alone: Vec<String> = cases.iter().map(|case| case.written(&mut case.session(&model))).collect();
    assert!(alone.iter().collect::<std::collections::BTreeSet<_>>().len() * 4 > 3 * alone.len(), "{alone:?}");
    // Until the pool of keys is as large as so many callers make it.
    run(&model, &cases, &alone, seconds / 3);
    let before = LIVE.load(Relaxed);
    let (whole, stopped) = run(&model, &cases, &alone, seconds);
    let after = LIVE.load(Relaxed);
    println!("{whole} texts, {stopped} that were stopped; {before} bytes held before, {after} after");
    assert!(whole > 10 && stopped > 5);
    assert!(after <= before + SLACK, "{before} bytes became {after}");
}

#[test]
fn texts_are_those_written_alone_whatever_others_do() {
    check(Duration::from_secs(5));
}

#[test]
#[ignore = "the same for ten minutes"]
fn texts_are_those_written_alone_for_ten_minutes() {
    check(Duration::from_secs(600));
}
