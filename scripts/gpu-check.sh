#!/bin/sh
# Checks and measures Quern on an NVIDIA card, from the bundle that gpu-bundle.sh makes. Needs the driver and nothing else; a
# python3 with torch is measured beside Quern if there is one. Results are written as they come, so a time limit loses little.
#   gpu-check.sh [--parts LIST] [--out FOLDER] [--limit SECONDS] [--emulated FOLDER]
#     --parts     of doctor,ops,models,wgmma,memory,gemm,tf32,attention,tune,train,decode,peers (default: all, in this order)
#     --out       for results.jsonl, report.txt, check.txt and kernels.json, the table of the fastest kernels that tune fills
#                 and train and decode use (default: gpu-results)
#     --limit     ends the part that runs then, and skips the rest (default: 570)
#     --emulated  the folder of the emulated device's libraries, to try this script without a card; times mean nothing then
# The exit code is 1 if a test failed or a part did not end well.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
all=doctor,ops,models,wgmma,memory,gemm,tf32,attention,tune,train,decode,peers
parts=$all
out=gpu-results
limit=570
emulated=

fail() {
  echo "gpu-check: $1" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --parts | --out | --limit | --emulated) [ $# -gt 1 ] || fail "$1 needs a value" ;;
    -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//p;}' "$0" && exit 0 ;;
    *) fail "unknown option $1" ;;
  esac
  case $1 in
    --parts) parts=$2 ;;
    --out) out=$2 ;;
    --limit) limit=$2 ;;
    --emulated)
      [ -e "$2/libcuda.so.1" ] || fail "there is no emulated device (libcuda.so.1) in $2"
      emulated=$(cd "$2" && pwd -P)
      ;;
  esac
  shift 2
done
for part in $(echo "$parts" | tr , ' '); do
  case ",$all," in
    *",$part,"*) ;;
    *) fail "unknown part $part; there are $all" ;;
  esac
done
[ -x "$here/runtime/bin/java" ] || fail "no runtime beside this script: unpack the bundle that gpu-bundle.sh makes"

mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd -P)
case $out in
  *" "*) fail "--out $out: its name must have no spaces" ;;
esac
results=$out/results.jsonl
log=$out/check.txt
: >"$results"
: >"$log"
deadline=$(($(date +%s) + limit))
bad=0

if [ -n "$emulated" ]; then
  device="-Dquern.cuda.driver=$emulated/libcuda.so.1 -Dquern.cuda.cublas=$emulated/libcublas.so.12 -Dquern.cuda.pool=off"
  model=$here/tests/models/gpt2-tiny
  train="--model $model --batch 2 --time 8 -r 1"
  decode="-m $model -p 8 -n 4 -r 1 --warm-up 0"
  tune="--shape 33x40x48 --quick"
  tiny=--tiny
else
  device=-Dquern.cuda.card=true
  train="--model gpt2 --batch 8 --time 1024 -r 10"
  decode="-m gpt2 -p 512 -n 128 -r 5 --warm-up 2"
  tune="--op matmul,gemv --quick"
  tiny=
fi
device="$device -Dquern.cuda.table=$out/kernels.json"
export QUERN_OPTS="$device"

say() {
  echo "$*" | tee -a "$log"
}

wanted() {
  case ",$parts," in
    *",$1,"*) return 0 ;;
    *) return 1 ;;
  esac
}

# run PART COMMAND...: within the time that is left, onto the terminal and into the log; lines of JSON into the results too.
run() {
  part=$1
  shift
  wanted "$part" || return 0
  left=$((deadline - $(date +%s)))
  say "== $part ($left s left)"
  if [ "$left" -lt 2 ]; then
    echo "{\"part\":\"$part\",\"skipped\":\"the time limit of $limit s\"}" >>"$results"
    return 0
  fi
  {
    timeout -k 10 "$left" "$@" 2>&1
    echo $? >"$out/code"
  } | tee "$out/output"
  code=$(cat "$out/code")
  cat "$out/output" >>"$log"
  sed -n -e '/^{"part"/p' -e "/^{\"part\"/!s/^{/{\"part\":\"$part\",/p" "$out/output" >>"$results"
  rm -f "$out/code" "$out/output"
  if [ "$code" != 0 ]; then
    bad=1
    say "== $part ended with exit code $code"
    echo "{\"part\":\"$part\",\"error\":\"ended with exit code $code (124 is the time limit); see check.txt\"}" >>"$results"
  fi
}

# check PART [OPTION...]: a part of the program that comes with the tests.
check() {
  part=$1
  shift
  # shellcheck disable=SC2086 # a list of options
  run "$part" "$here/runtime/bin/java" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
    --sun-misc-unsafe-memory-access=allow -XX:+UseSerialGC -ea $device "$@" -cp "$here/tests:$here/lib/*" \
    io.quern.cuda.GpuCheck "$part" "$results"
}

# The first python3 that has torch, or nothing.
find_torch() {
  for python in python3 "${VIRTUAL_ENV:-/none}/bin/python3" "${CONDA_PREFIX:-/none}/bin/python3"; do
    if "$python" -c 'import torch' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
}

say "Quern $(cat "$here/version"), $(date -u +%Y-%m-%dT%H:%M:%SZ), $(uname -sr)"
if [ -z "$emulated" ] && command -v nvidia-smi >/dev/null 2>&1; then
  say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1)"
fi
run doctor "$here/quern" doctor --json
# The CPU's side of the comparisons is the scalar reference.
check ops -Dquern.kernels=scalar
check models -Dquern.kernels=scalar
# Kernels for Hopper alone, which no card had run when they were written: nothing takes them unless these tests pass.
before=$bad
bad=0
check wgmma -Dquern.kernels=scalar
if [ $bad != 0 ]; then
  say "== wgmma failed: the parts that follow go without its kernels"
  device="$device -Dquern.cuda.wgmma=off"
  export QUERN_OPTS="$device"
fi
[ $before = 0 ] || bad=$before
check memory
check gemm
check tf32 -Dquern.cuda.tf32=true
check attention
# shellcheck disable=SC2086 # lists of options
run tune "$here/quern" bench kernels $tune --device cuda --save --json
# shellcheck disable=SC2086 # lists of options
run train "$here/quern" bench train $train --device cuda --json
# shellcheck disable=SC2086
run train "$here/quern" bench train $train --device cuda --dtype bf16 --json
# shellcheck disable=SC2086
[ -n "$emulated" ] || run decode "$here/quern" bench generate $decode --dtype bf16 --device cuda --json
# shellcheck disable=SC2086
run decode "$here/quern" bench generate $decode --device cuda --json
if wanted peers; then
  python=$(find_torch)
  if [ -n "$python" ]; then
    run peers "$python" "$here/gpu-peers.py" $tiny
  else
    say "== peers: no python3 here has torch"
    echo '{"part":"peers","skipped":"no python3 here has torch"}' >>"$results"
  fi
fi

"$here/runtime/bin/java" -XX:+UseSerialGC -cp "$here/tests:$here/lib/*" io.quern.cuda.GpuCheck report "$results" \
  >"$out/report.txt" || bad=1
echo "== report"
cat "$out/report.txt"
echo "in $out: results.jsonl, report.txt, check.txt$([ -e "$out/kernels.json" ] && echo ", kernels.json")"
exit $bad
