//! Repetitions on the emulated card.

use super::*;
use std::cell::Cell;

const ROWS: usize = 3;
const COLS: usize = 4;

/// `bf16(x) · Wᵀ + x`, of an operand of host memory.
fn chain(gpu: &Gpu, w: &Array, x: &[f32]) -> Result<Array> {
    let x = Array::upload_f32(gpu, x)?;
    let mut y = Array::zeros(gpu, Element::F32, x.len())?;
    let operand = x.cast(Element::Bf16)?;
    gpu.gemm(Gemm {
        m: ROWS,
        n: COLS,
        k: COLS,
        transpose_a: false,
        transpose_b: true,
        alpha: 1.0,
        beta: 1.0,
        a: (&operand, 0),
        lda: COLS,
        b: (w, 0),
        ldb: COLS,
        c: (&mut y, 0),
        ldc: COLS,
    })?;
    drop(operand);
    // Takes the memory of the operand.
    let again = x.cast(Element::Bf16)?;
    let elements = [Element::F32, Element::Bf16];
    let args = [y.at_mut(0), again.at(0), Arg::from(x.len() as u64)];
    gpu.launch(&name("add", &elements), over_elements(x.len(), &elements), &args)?;
    Ok(y)
}

fn operand(of: usize) -> Vec<f32> {
    (0..ROWS * COLS).map(|i| (i * of) as f32 - 3.0).collect()
}

/// A diagonal of two.
fn weight(gpu: &Gpu) -> Array {
    let values: Vec<f32> = (0..COLS * COLS).map(|i| if i % (COLS + 1) == 0 { 2.0 } else { 0.0 }).collect();
    Array::upload_f32(gpu, &values).unwrap().cast(Element::Bf16).unwrap()
}

fn expected(of: usize) -> Vec<f32> {
    operand(of).into_iter().map(|x| 3.0 * x).collect()
}

#[test]
fn work_is_repeated_with_what_host_memory_has_now() {
    let gpu = Gpu::emulator();
    let (w, mut recording) = (weight(&gpu), Recording::default());
    let mut results = Vec::new();
    for of in 1..5 {
        let array = gpu.repeated(&mut recording, || chain(&gpu, &w, &operand(of))).unwrap();
        assert_eq!(array.download_f32().unwrap(), expected(of));
        // Taken elsewhere in between, and kept.
        results.push((of, array, Array::upload_f32(&gpu, &operand(of)).unwrap()));
    }
    assert_eq!(recording.replays(), 3);
    for (of, result, other) in results {
        assert_eq!((result.download_f32().unwrap(), other.download_f32().unwrap()), (expected(of), operand(of)));
    }
}

#[test]
fn what_differs_is_done_as_any_other_work_and_noted_anew() {
    let gpu = Gpu::emulator();
    let (one, other) = (weight(&gpu), weight(&gpu));
    let mut recording = Recording::default();
    let mut read = |w: &Array, of| {
        let array = gpu.repeated(&mut recording, || chain(&gpu, w, &operand(of))).unwrap();
        assert_eq!(array.download_f32().unwrap(), expected(of));
        recording.replays()
    };
    assert_eq!([read(&one, 1), read(&one, 2)], [0, 1]);
    assert_eq!([read(&other, 3), read(&other, 4), read(&other, 5)], [1, 1, 2]);
    // More work than before, and less.
    let mut twice = |times: usize| {
        let work = || {
            (1..times).try_for_each(|of| chain(&gpu, &one, &operand(of)).map(drop))?;
            chain(&gpu, &one, &operand(times))
        };
        let array = gpu.repeated(&mut recording, work).unwrap();
        assert_eq!(array.download_f32().unwrap(), expected(times));
        recording.replays()
    };
    assert_eq!([twice(2), twice(2), twice(2)], [2, 2, 3]);
    assert_eq!([twice(1), twice(1), twice(1)], [3, 3, 4]);
}

#[test]
fn what_the_host_takes_part_in_is_never_noted_and_soon_not_tried() {
    let gpu = Gpu::emulator();
    let (w, mut recording, runs) = (weight(&gpu), Recording::default(), Cell::new(0));
    let mut counts = Vec::new();
    for of in 1..20 {
        let before = runs.get();
        let work = || {
            runs.set(runs.get() + 1);
            let first = chain(&gpu, &w, &operand(of))?.download_f32()?;
            assert_eq!(first, expected(of));
            Array::upload_f32(&gpu, &first)
        };
        let array = gpu.repeated(&mut recording, work).unwrap();
        assert_eq!(array.download_f32().unwrap(), expected(of));
        counts.push(runs.get() - before);
    }
    assert_eq!(counts[..5], [2, 2, 2, 1, 1], "one run in vain, and the one that counts");
    assert_eq!((counts.iter().filter(|runs| **runs == 2).count(), recording.replays()), (4, 0));
}

#[test]
fn other_work_of_a_thread_and_of_others_is_no_part_of_it() {
    let gpu = Gpu::emulator();
    let (w, mut recording) = (weight(&gpu), Recording::default());
    for of in 1..4 {
        let work = || {
            let plain = || chain(&gpu, &w, &operand(7))?.download_f32();
            assert_eq!(apart(plain).unwrap(), expected(7));
            std::thread::scope(|scope| assert_eq!(scope.spawn(plain).join().unwrap().unwrap(), expected(7)));
            chain(&gpu, &w, &operand(of))
        };
        assert_eq!(gpu.repeated(&mut recording, work).unwrap().download_f32().unwrap(), expected(of));
    }
    assert_eq!(recording.replays(), 2);
}

#[test]
fn a_panic_or_an_error_leaves_the_card_as_it_was() {
    let gpu = Gpu::emulator();
    let (w, mut recording) = (weight(&gpu), Recording::default());
    let panics = || -> Result<Array> { panic!("as a test has it") };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gpu.repeated(&mut recording, panics))).unwrap_err();
    assert_eq!(gpu.run(), None);
    let fails = || chain(&gpu, &w, &operand(1)).and_then(|_| Err(failed("do this", "a test")));
    assert!(gpu.repeated(&mut recording, fails).unwrap_err().message().contains("do this"));
    assert_eq!(chain(&gpu, &w, &operand(2)).unwrap().download_f32().unwrap(), expected(2));
}
