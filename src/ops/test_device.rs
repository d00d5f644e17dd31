//! Where tests run: on the CPU, or on the GPU that `TAILORA_TEST_DEVICE` names (`cuda:0`); with
//! `TAILORA_TEST_REFERENCE=1` the CPU uses the composed forms, as a device without kernels does.

use super::device::cuda;
use candle_core::Device;
use std::cell::Cell;
use std::sync::LazyLock;

thread_local! {
    /// What this thread decided for itself.
    static FORCED: Cell<Option<bool>> = const { Cell::new(None) };
}

static REFERENCE: LazyLock<bool> =
    LazyLock::new(|| std::env::var("TAILORA_TEST_REFERENCE").is_ok_and(|value| value == "1"));

static NAME: LazyLock<String> = LazyLock::new(|| std::env::var("TAILORA_TEST_DEVICE").unwrap_or_else(|_| "cpu".into()));

/// As the `device` option has it.
pub(crate) fn name() -> &'static str {
    &NAME
}

/// The device, opened; a name that is none ends the test.
pub(crate) fn device() -> Device {
    match name() {
        "cpu" => Device::Cpu,
        name => {
            let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
            let index = index.unwrap_or_else(|| panic!("TAILORA_TEST_DEVICE is `{name}`; expected cpu or cuda:N"));
            cuda(index).unwrap_or_else(|err| panic!("TAILORA_TEST_DEVICE: {err}"))
        }
    }
}

/// Whether the CPU's kernels stand aside.
pub(super) fn reference_is_forced() -> bool {
    FORCED.get().unwrap_or(*REFERENCE)
}

/// Runs operators with the composed forms, or with the kernels, whatever the environment says.
pub(super) fn with_reference<T>(forced: bool, work: impl FnOnce() -> T) -> T {
    let before = FORCED.replace(Some(forced));
    let result = work();
    FORCED.set(before);
    result
}
