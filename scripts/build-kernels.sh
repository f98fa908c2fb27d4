#!/bin/sh
# Builds the PTX of the CUDA kernels, which is kept beside their sources: a machine without nvcc builds Quern all the same.
# Needs nvcc 12 or newer. The build checks kernels.sha256, so run this after every change of a .cu or .cuh file.
#   scripts/build-kernels.sh           builds what is missing or out of date
#   scripts/build-kernels.sh --check   builds into a temporary folder and compares, for the same version of nvcc
set -eu
cd "$(dirname "$0")/../cuda-kernels/src/main/resources/io/quern/cuda/kernels"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for source in *.cu; do
  name=${source%.cu}
  # 7.0 is the first version with all that sm_80 has, and 8.0 that with what sm_90a has; drivers refuse PTX that is newer
  # than they are. Comments go, as they change with every build of the compiler.
  arch=80
  version=7.0
  if grep -q '^#include "hopper.cuh"' "$source"; then
    arch=90a
    version=8.0
  fi
  nvcc -ptx -arch=compute_$arch -O3 "$source" -o "$out/$name.ptx"
  sed -i -e "s/^\.version .*/.version $version/" -e '/^\/\//d' -e '/^$/d' "$out/$name.ptx"
  if command -v ptxas >/dev/null; then
    # It only tells in its notes that it makes products of warp groups wait for one another.
    ptxas -v -arch=sm_$arch "$out/$name.ptx" -o "$out/$name.cubin" >"$out/notes.txt" 2>&1 || {
      cat "$out/notes.txt"
      exit 1
    }
    if grep serialized "$out/notes.txt"; then
      exit 1
    fi
    rm "$out/$name.cubin" "$out/notes.txt"
  fi
  echo "$name $(sed -n 's/.*\.entry \([a-z0-9_]*\).*/\1/p' "$out/$name.ptx" | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')" \
    >>"$out/kernels.index"
  gzip -9n "$out/$name.ptx"
done

if [ "${1:-}" = --check ]; then
  for file in "$out"/*; do
    cmp "$file" "$(basename "$file")"
  done
  echo "the kernels are those of the sources"
  exit
fi
rm -f ./*.ptx.gz
mv "$out"/*.ptx.gz "$out/kernels.index" .
cat *.cu *.cuh | sha256sum | cut -d ' ' -f 1 >kernels.sha256
ls -l ./*.ptx.gz kernels.index
