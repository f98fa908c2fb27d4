#!/bin/sh
# Removes each synchronisation of the CUDA kernels in turn, or weakens it, and runs the catalogue's cases of that family on
# the emulated device: some case must fail each time. Takes about five minutes on two cores; needs g++. Prints each, why it
# failed, and the survivors; fails if there is one.
#   scripts/check-barriers.sh [SOURCES]     a regular expression of names such as matmul.*; default: all
set -eu
cd "$(dirname "$0")/.."
exec nice mvn -B -q -pl cuda-kernels -am test -Dtest=BarrierMutationTest -Dsurefire.failIfNoSpecifiedTests=false \
  -Dquern.mutations="${1:-.*}"
