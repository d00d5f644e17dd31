#!/bin/bash
# Shows on a machine with an NVIDIA GPU what works there and how fast. Results go to $OUT (./out) as they come. Each step has
# a time limit of its own, and none begins once all have taken $TAILORA_SECONDS (500). `run.sh NAME..` runs only the steps
# named. The models for the benches, 20 GB, are made in $TAILORA_MODELS (/dev/shm if it has room) and stay there;
# $TAILORA_SHAPE (7b) and $TAILORA_DEVICE (cuda:0) make a trial elsewhere.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/out}
total=${TAILORA_SECONDS:-500}
shape=${TAILORA_SHAPE:-7b}
device=${TAILORA_DEVICE:-cuda:0}
only=" $* "
failed=0
mkdir -p "$out"
summary=$out/summary.txt
: >"$summary"

# Where the tests were built, they look for their files.
built=$(cat "$here/root.txt")
work=$here/work
mkdir -p "$work/bin"
tar -xJf "$here/files.tar.xz" -C "$work"
if [ ! -e "$built" ]; then
    mkdir -p "$(dirname "$built")"
    ln -s "$work" "$built"
fi
for program in tests bench-gpu; do
    xz -dkc "$here/$program.xz" >"$work/bin/$program" && chmod +x "$work/bin/$program"
done
cd "$work" || exit 1
tests=$work/bin/tests
bench=$work/bin/bench-gpu
python=${TAILORA_PYTHON:-$(command -v python3)}
# The tests of PyTorch's side have fixtures of their own.
unset TAILORA_PYTHON
export HF_HUB_OFFLINE=1 RUST_BACKTRACE=0 TOKENIZERS_PARALLELISM=false PYTHONWARNINGS=ignore PYTHONUNBUFFERED=1

# cuBLAS comes with PyTorch.
if [ -z "${TAILORA_CUDA_LIB_DIR:-}" ]; then
    TAILORA_CUDA_LIB_DIR=$("$python" -c '
import glob, site, sys
for packages in site.getsitepackages() + sys.path:
    for library in glob.glob(packages + "/nvidia/*/lib/libcublas.so.*"):
        print(library.rsplit("/", 1)[0]); raise SystemExit' 2>/dev/null)
    export TAILORA_CUDA_LIB_DIR
fi

gib_free() { df --output=avail -k "$1" 2>/dev/null | tail -1 | awk '{print int($1 / 1048576)}'; }
if [ -z "${TAILORA_MODELS:-}" ]; then
    TAILORA_MODELS=$work/models
    shared=$(gib_free /dev/shm)
    if [ -e /dev/shm/tailora-models/facts.json ] || [ "${shared:-0}" -ge 24 ]; then
        TAILORA_MODELS=/dev/shm/tailora-models
    fi
fi
models=$TAILORA_MODELS
peer=$out/peer.jsonl
ours=(--models "$models" --device "$device" --results "$out/ours.jsonl" --peer "$peer")

# Keeps the beginning and the end of a log that a step has flooded.
shorten() {
    [ "$(stat -c %s "$1")" -gt 4000000 ] || return 0
    { head -c 2000000 "$1"; printf '\n[..]\n'; tail -c 1000000 "$1"; } >"$work/short" && mv "$work/short" "$1"
}

step() { # NAME LOG SECONDS COMMAND..
    local name=$1 log=$out/$2.log limit=$3 began=$SECONDS left=$((total - SECONDS)) from code
    shift 3
    [ "$only" = "  " ] || [[ $only == *" $name "* ]] || return 0
    if [ "$left" -lt 10 ]; then
        printf '%-20s not begun: no time left\n' "$name" | tee -a "$summary"
        return 0
    fi
    [ "$limit" -lt "$left" ] || limit=$left
    echo "== $name" | tee -a "$log"
    from=$(stat -c %s "$log")
    timeout --kill-after=5 "$limit" "$@" >>"$log" 2>&1
    code=$?
    [ "$code" = 0 ] || failed=1
    tail -c "+$((from + 1))" "$log" | grep -aE 'panicked|^test result|FAILED|^error|Error|^bench|tokens_per_second|tflops| loaded in |SKIPPED' | grep -av '^{"cases' | cut -c -300 | tail -12
    shorten "$log"
    printf '%-20s exit %3d  %4d s  (%d s in all)\n' "$name" "$code" $((SECONDS - began)) "$SECONDS" | tee -a "$summary"
}

device_info() {
    nvidia-smi
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm,clocks.max.memory,power.limit --format=csv
    echo "cuBLAS: $TAILORA_CUDA_LIB_DIR"
    echo "models: $TAILORA_MODELS"
    nproc
    free -g
    df -h /dev/shm "$PWD"
    "$1" -c 'import importlib.metadata as m; print(*(f"{p} {m.version(p)}" for p in ("torch", "transformers", "peft", "accelerate")))'
}
on_gpu() { TAILORA_TEST_DEVICE=$device "$@"; }
peer_alone() { set -o pipefail; "$python" benches/gpu/peer.py "$models/bf16" | tee -a "$peer"; }
export -f device_info on_gpu peer_alone
export python device models peer TAILORA_MODELS
gpu=(bash -c 'on_gpu "$@"' -)
# What has a step of its own, or is about host memory or Python with fixtures of its own.
skip=(--skip quantized --skip gguf --skip memory --skip checkpoint_fuzzing --skip constraint --skip damage)

step device device 20 bash -c 'device_info "$python"'
step operators tests 45 "${gpu[@]}" "$tests" --nocapture --test-threads 1 ops::tests
step operators-pytorch tests 45 "${gpu[@]}" "$tests" ops:: tensor:: gpu:: --skip ops::tests "${skip[@]}"
step decoder tests 60 "${gpu[@]}" "$tests" model:: "${skip[@]}"
step training tests 75 "${gpu[@]}" "$tests" --nocapture --test-threads 1 train::run::curve_tests train::run::device_tests
step models bench 60 "$python" benches/gpu/make_models.py "$models" --shape "$shape"
step ours-bf16 bench 75 "$bench" "${ours[@]}" --case 'train bf16'
step peer bench 110 bash -c peer_alone
step ours-q4_k_m bench 60 "$bench" "${ours[@]}" --case 'train q4_k_m'
step ours-memory bench 110 "$bench" "${ours[@]}" --case 'train checkpointed' --case 'train in'
step texts bench 90 "$bench" "${ours[@]}" --case prefill --case decode
step adapters-and-text tests 60 "${gpu[@]}" "$tests" --test-threads 4 adapter:: generate::tests train::run::tests "${skip[@]}"
step quantized tests 60 "${gpu[@]}" "$tests" weights:: model::quantized_tests model::gguf::tests --skip memory --skip damage
step sanitizer sanitizer 120 "${gpu[@]}" compute-sanitizer --error-exitcode 9 "$tests" --test-threads 1 ops::tests

echo
if [ -e "$out/tests.log" ]; then
    grep -aE '^[a-z_, 0-9]+ +[0-9.]+e|^ *[0-9]+ +[0-9.]+ +[0-9.]+$|checkpointing' "$out/tests.log" | head -60
fi
[ -e "$out/sanitizer.log" ] && grep -aE '^=========' "$out/sanitizer.log" | cut -c -200 | tail -12
if [ -e "$models/facts.json" ]; then
    "$bench" "${ours[@]}" --table | tee "$out/table.txt" | grep -v '^{'
fi
cat "$summary"
exit "$failed"
