//! Training, reports on the held-out employees, and how each conclusion compares with the rules.

use crate::cases::{Case, Employee, line};
use crate::options::Options;
use crate::program::Outcome;
use serde_json::{Value, json};
use std::io::Write;
use tailora::options::from_value;
use tailora::{
    Adapter, Cancel, Dataset, DatasetOptions, LanguageModel, ModelOptions, Monitor, ReportOptions, Session,
    SessionOptions,
};

pub struct Trained {
    model: LanguageModel,
    adapter: Adapter,
    separator: &'static str,
    /// What of the training's summary is worth a line.
    pub summary: Value,
}

/// A conclusion of a report, beside what should have been said there.
pub struct Judged {
    pub confidence: f64,
    pub right: bool,
    /// Fields that are sources and causes, sources only, causes only.
    pub sources: [usize; 3],
    pub grounded: bool,
}

impl Trained {
    pub fn on(case: &Case, options: &Options) -> Outcome<Self> {
        let mut nobody = Monitor::none();
        let model = LanguageModel::load(&options.model, &ModelOptions::default(), &mut nobody)?;
        let [dataset, train] =
            [(&case.dataset, &options.dataset), (&case.train, &options.train)].map(|(own, asked)| {
                let mut all = own.clone();
                asked.iter().for_each(|(name, value)| all[name] = value.clone());
                all
            });
        let dataset = Dataset::open_csv(&case.csv, &from_value::<DatasetOptions>(dataset)?, &mut nobody)?;
        let trained = tailora::train(&model, &dataset, &from_value(train)?, &mut nobody)?;
        let names = ["seconds", "steps", "best_step", "total_steps", "validation_loss", "calibration", "notes"];
        let summary = names.iter().map(|name| ((*name).to_owned(), trained.summary[*name].clone())).collect();
        let separator = if case.name == "sample" { "," } else { ", " };
        Ok(Trained { model, adapter: trained.adapter, separator, summary })
    }

    pub fn session(&self) -> Outcome<Session> {
        let mut session = Session::new(&self.model, &SessionOptions::default())?;
        session.attach(&self.adapter, 1.0)?;
        Ok(session)
    }

    pub fn report(&self, session: &mut Session, fields: &[(&'static str, String)], options: Value) -> Outcome<Value> {
        let options: ReportOptions = from_value(options)?;
        Ok(tailora::report(session, &line(fields, self.separator), &options, &Cancel::new())?)
    }

    /// Reports on all employees, and what becomes of their conclusions.
    pub fn reports(&mut self, employees: &[Employee], options: &Options) -> Outcome<Vec<Judged>> {
        let mut dump = options.dump.as_ref().map(std::fs::File::create).transpose()?;
        let mut session = self.session()?;
        let mut judged = Vec::new();
        for employee in employees {
            let report = self.report(&mut session, &employee.fields, json!({}))?;
            let Some(conclusions) = report["conclusions"].as_array() else { continue };
            for (at, conclusion) in conclusions.iter().enumerate() {
                let one = judge(employee, at, conclusion);
                if let Some(file) = &mut dump {
                    let truth: Vec<&str> = employee.truth.iter().map(|truth| truth.text.as_str()).collect();
                    let input = line(&employee.fields, self.separator);
                    writeln!(
                        file,
                        "{}",
                        json!({ "at": at, "input": input, "conclusion": conclusion, "truth": truth, "right": one.right })
                    )?;
                }
                judged.push(one);
            }
        }
        Ok(judged)
    }
}

fn judge(employee: &Employee, at: usize, conclusion: &Value) -> Judged {
    let text = conclusion["text"].as_str().unwrap_or_default();
    let same = employee.truth.iter().find(|truth| truth.text == text);
    // One that is wrong is held against what should stand in its place.
    let causes = same.or(employee.truth.get(at)).map_or(&[][..], |truth| &truth.causes);
    let sources: Vec<&str> = conclusion["sources"]
        .as_array()
        .map_or_else(Vec::new, |sources| sources.iter().filter_map(|source| source["field"].as_str()).collect());
    let found = sources.iter().filter(|source| causes.contains(source)).count();
    Judged {
        confidence: conclusion["confidence"].as_f64().unwrap_or(f64::NAN),
        right: same.is_some(),
        sources: [found, sources.len() - found, causes.len() - found],
        grounded: conclusion["grounded"] == true,
    }
}
