#![no_main]

libfuzzer_sys::fuzz_target!(init: tailora::fuzzing::begin(), |data: &[u8]| tailora::fuzzing::run("docx", data));
