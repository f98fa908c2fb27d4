#!/bin/bash
# Tries whether `bench kernels --baseline` is to be trusted: ten comparisons of a build with itself must be quiet, and six in
# which one operation takes a fifth longer must name it and no other.
#
#   scripts/try-baseline.sh [FOLDER]
#
# Both builds are of the last commit, exported to FOLDER (a temporary one by default, where the results stay too). The CPU backend of
# the second waits for a fifth of the time after each operation that QUERN_SLOW names. Takes 15 to 25 minutes; leave the machine alone.
#   SLOW="softmax gelu ..."   the operations to slow down, one run each
#   REPEATS=10                runs without a change
#   PATIENCE=70               as --patience
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
read -ra slow <<<"${SLOW:-matmul gemv layer_norm softmax gelu embedding}"
repeats=${REPEATS:-10}
measure=(bench kernels --quick --dtype f32 --op matmul,gemv,attention,layer_norm,softmax,gelu,embedding
  --patience "${PATIENCE:-70}")

for build in before after; do
  rm -rf "${folder:?}/$build"
  mkdir "$folder/$build"
  git -C "$source" archive HEAD | tar x -C "$folder/$build"
done
backend=$folder/after/tensor-core/src/main/java/io/quern/tensor/cpu/CpuBackend.java
cp "$backend" "$backend.before"
# A product with one row is a gemv.
sed -i 's|^        kernels\.run(op, in, out);$|        long begin = System.nanoTime();\
        kernels.run(op, in, out);\
        boolean row = op.name().equals("matmul") \&\& in[0].shape().dim(0) == 1;\
        if (System.getenv().getOrDefault("QUERN_SLOW", "").equals(row ? "gemv" : op.name())) {\
            long now = System.nanoTime();\
            while (System.nanoTime() < now + (now - begin) / 5) {}\
        }|' "$backend"
if cmp -s "$backend" "$backend.before"; then
  echo "$backend looks different: this script must learn where operations are run" >&2
  exit 1
fi
rm "$backend.before"
for build in before after; do
  "$folder/$build/quern" doctor >"$folder/$build.txt" 2>&1 || { tail -5 "$folder/$build.txt" >&2; exit 1; }
done

right=0
wrong=0
compare() { # name, operation that is slowed or nothing
  local code=0 begin=$SECONDS verdict named
  QUERN_SLOW=$2 "$folder/after/quern" "${measure[@]}" --baseline "$folder/before" >"$folder/$1.txt" 2>&1 || code=$?
  named=$(awk '$1 == "slower" {printf "%s %s; ", $2, $3}' "$folder/$1.txt")
  if [ -z "$2" ]; then
    [ "$code" = 0 ] && verdict=quiet || verdict=WRONG
  elif [ "$code" = 1 ] && awk -v op="$2" '$1 == "slower" {n++; if ($2 != op) other = 1} END {exit !(n && !other)}' \
    "$folder/$1.txt"; then
    verdict=caught
  else
    verdict=WRONG
  fi
  [ "$verdict" = WRONG ] && wrong=$((wrong + 1)) || right=$((right + 1))
  printf '%-8s %-11s %-7s exit %s %4s s  slower: %-24s undecided: %s\n' "$1" "${2:--}" "$verdict" "$code" \
    "$((SECONDS - begin))" "${named:--}" "$(awk '$1 == "undecided" {printf "%s %s; ", $2, $3}' \
      "$folder/$1.txt")" | tee -a "$folder/verdict.txt"
}

: >"$folder/verdict.txt"
for ((i = 1; i <= repeats || i <= ${#slow[@]}; i++)); do
  if ((i <= repeats)); then compare "clean$i" ""; fi
  if ((i <= ${#slow[@]})); then compare "slow$i" "${slow[i - 1]}"; fi
done
echo "$right right, $wrong wrong, in $SECONDS s; everything is in $folder" | tee -a "$folder/verdict.txt"
[ "$wrong" = 0 ]
