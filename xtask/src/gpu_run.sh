#!/bin/bash
# Shows on a machine with an NVIDIA GPU what works there and how fast. Results go to $OUT (./out) as they come; each step has
# a time limit of its own, and the table at the end has all of them. `run.sh NAME..` runs only the steps named.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/out}
mkdir -p "$out"
only=" $* "
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
for program in tests bench-train; do
    xz -dkc "$here/$program.xz" >"$work/bin/$program"
    chmod +x "$work/bin/$program"
done
cd "$work" || exit 1

# cuBLAS and cuRAND come with PyTorch.
if [ -z "${TAILORA_CUDA_LIB_DIR:-}" ]; then
    TAILORA_CUDA_LIB_DIR=$(python3 -c '
import glob, site, sys
for packages in site.getsitepackages() + sys.path:
    for library in glob.glob(packages + "/nvidia/*/lib/libcublas.so.*"):
        print(library.rsplit("/", 1)[0]); raise SystemExit' 2>/dev/null)
    export TAILORA_CUDA_LIB_DIR
fi
TAILORA_PYTHON=${TAILORA_PYTHON:-$(command -v python3)}
export TAILORA_PYTHON HF_HUB_OFFLINE=1 RUST_BACKTRACE=0

step() { # NAME SECONDS COMMAND..
    local name=$1 limit=$2 began=$SECONDS code
    shift 2
    [ "$only" = "  " ] || [[ $only == *" $name "* ]] || return 0
    echo "== $name"
    timeout --kill-after=5 "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    grep -E 'panicked|^test result|FAILED|^error|tokens/s|SKIPPED' "$out/$name.log" | tail -12
    printf '%-24s exit %3d  %4d s\n' "$name" "$code" $((SECONDS - began)) | tee -a "$summary"
}

device_info() {
    nvidia-smi
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv
    echo "CUDA libraries: $TAILORA_CUDA_LIB_DIR"
    python3 -c 'import torch, transformers, peft; print("torch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__)'
    nproc
}

on_gpu() { env -u TAILORA_PYTHON TAILORA_TEST_DEVICE=cuda:0 "$@"; }
export -f device_info on_gpu
tests=$work/bin/tests
bench=$work/bin/bench-train
# What is about host memory, the CPU's quantized weights, or Python with fixtures of its own.
skip=(--skip quantized --skip gguf --skip memory --skip checkpoint_fuzzing --skip constraint --skip damage)

step device 60 bash -c device_info
step operators 60 bash -c 'on_gpu "$@"' - "$tests" --nocapture --test-threads 1 ops::tests
step operators-pytorch 60 bash -c 'on_gpu "$@"' - "$tests" ops:: tensor:: --skip ops::tests "${skip[@]}"
step decoder 90 bash -c 'on_gpu "$@"' - "$tests" model:: "${skip[@]}"
step training 120 bash -c 'on_gpu "$@"' - "$tests" --nocapture --test-threads 1 train::run::curve_tests train::run::device_tests
step adapters-and-text 90 bash -c 'on_gpu "$@"' - "$tests" --test-threads 4 adapter:: generate::tests train::run::tests "${skip[@]}"
step bench-0.5b 120 "$bench" --device cuda:0 --batch 16 --rounds 1 --steps 8 --case all-linear
step bench-1.5b 150 "$bench" --large --device cuda:0 --batch 16 --rounds 1 --steps 8 --case "all-linear f32 every_token"
step sanitizer 120 bash -c 'on_gpu compute-sanitizer --error-exitcode 9 "$@"' - "$tests" ops::tests

echo
cat "$summary"
echo
for log in operators training; do
    [ -e "$out/$log.log" ] && grep -E '^[a-z_, 0-9]+ +[0-9.]+e|^ *[0-9]+ +[0-9.]+ +[0-9.]+$|checkpointing' "$out/$log.log" | head -60
done
for log in bench-0.5b bench-1.5b; do
    [ -e "$out/$log.log" ] && grep -vE '^$|^\{' "$out/$log.log" | tail -8
done
