//! Counts tests while their output passes by: cargo's and dotnet's closing lines, and tests that skip themselves.
//!
//! A Rust test cannot say "skipped": one that lacks what it needs prints a line with `SKIPPED:` and returns. libtest
//! hides what a passing test prints, so it is asked to show it (`--show-output`) and only those lines are let through.

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Reads test output line by line.
#[derive(Debug, Default)]
pub struct Counter {
    pub tally: Tally,
    /// Inside libtest's section of what passing tests printed.
    in_successes: bool,
    /// The test whose output this is has already said that it skipped itself.
    counted_skip: bool,
    skips_in_binary: usize,
}

impl Counter {
    /// Counts `line`; whether it is worth showing.
    pub fn read(&mut self, line: &str) -> bool {
        let text = line.trim();
        if let Some(result) = text.strip_prefix("test result: ") {
            self.libtest(result);
            return true;
        }
        if self.dotnet(text) {
            return true;
        }
        match text {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if !self.in_successes {
            return true;
        }
        if text.starts_with("---- ") {
            self.counted_skip = false;
        }
        let skip = text.contains("SKIPPED:");
        if skip && !std::mem::replace(&mut self.counted_skip, true) {
            self.skips_in_binary += 1;
        }
        skip
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`
    fn libtest(&mut self, result: &str) {
        let number = |word: &str| {
            let part = result.split([';', '.']).find(|part| part.trim().ends_with(word));
            part.and_then(|part| part.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
        };
        let skipped = std::mem::take(&mut self.skips_in_binary);
        self.in_successes = false;
        self.tally.add(Tally {
            passed: usize::saturating_sub(number("passed"), skipped),
            failed: number("failed"),
            skipped: number("ignored") + skipped,
        });
    }

    /// VSTest's `Passed!  - Failed: 0, Passed: 12, Skipped: 0, Total: 12, …`, or one of the lines
    /// `failed: 0`, `succeeded: 12`, `skipped: 0` that Microsoft.Testing.Platform closes with.
    fn dotnet(&mut self, text: &str) -> bool {
        let field = |part: &str| {
            let (name, value) = part.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().parse::<usize>().ok()?))
        };
        let summary = text.contains("Failed:") && text.contains("Passed:") && text.contains("Total:");
        let parts = if summary { text.split_once(" - ").map_or(text, |(_, rest)| rest) } else { text };
        let mut seen = false;
        for (name, value) in parts.split(',').filter_map(field) {
            let slot = match name.as_str() {
                "failed" => &mut self.tally.failed,
                "passed" if summary => &mut self.tally.passed,
                "succeeded" => &mut self.tally.passed,
                "skipped" => &mut self.tally.skipped,
                _ => continue,
            };
            *slot += value;
            seen = true;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> (Tally, Vec<&str>) {
        let mut counter = Counter::default();
        let shown = text.lines().filter(|line| counter.read(line)).collect();
        (counter.tally, shown)
    }

    #[test]
    fn libtest_results_add_up_over_binaries() {
        let (tally, _) = count(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s\n\
             test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        );
        assert_eq!(tally, Tally { passed: 17, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_test_that_skips_itself_is_not_a_pass_and_its_reason_is_shown() {
        let (tally, shown) = count(
            "test a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\nSKIPPED: no python\nSKIPPED: again\n\n\
             ---- b stdout ----\nchatter\n\n\nsuccesses:\n    a\n    b\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(tally, Tally { passed: 1, failed: 0, skipped: 1 });
        assert!(shown.contains(&"SKIPPED: no python"));
        assert!(!shown.contains(&"chatter"));
    }

    #[test]
    fn what_a_failing_test_printed_is_shown() {
        let (_, shown) = count("successes:\n    a\n\nfailures:\n\n---- b stdout ----\npanicked\n\nfailures:\n    b");
        assert!(shown.contains(&"panicked"));
    }

    #[test]
    fn both_dotnet_summaries_are_understood() {
        let (vstest, _) = count(
            "Passed!  - Failed:     0, Passed:    12, Skipped:     1, Total:    13, Duration: 1 s - T.dll (net10.0)",
        );
        assert_eq!(vstest, Tally { passed: 12, failed: 0, skipped: 1 });
        let (platform, _) =
            count("Test run summary: Failed!\n  total: 5\n  failed: 1\n  succeeded: 4\n  skipped: 0\n  duration: 1s");
        assert_eq!(platform, Tally { passed: 4, failed: 1, skipped: 0 });
    }
}
