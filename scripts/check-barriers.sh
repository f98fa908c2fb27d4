#!/bin/sh
# Removes each synchronisation of the CUDA kernels in turn and runs the catalogue on the emulated device: every one of them
# must be missed. Takes a few minutes; needs g++. Prints each, why it failed, and the survivors.
#   scripts/check-barriers.sh [SOURCES]     a regular expression of names such as matmul.*; default: all
set -eu
cd "$(dirname "$0")/.."
exec mvn -B -q -pl cuda-kernels -am test -Dtest=BarrierMutationTest -Dsurefire.failIfNoSpecifiedTests=false \
  -Dquern.mutations="${1:-.*}"
