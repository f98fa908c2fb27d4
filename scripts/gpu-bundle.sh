#!/bin/sh
# Makes a portable bundle for a machine with an NVIDIA card: a Java runtime, Quern, the tests and benchmarks of its CUDA half,
# tiny models. There gpu-check.sh needs neither Java, Maven, a compiler nor a network; glibc 2.17 and libstdc++ will do.
#   scripts/gpu-bundle.sh [FILE]     default: target/quern-gpu.tar.xz
# Needs what the build needs, and xz. MAVEN_ARGS may hold options for Maven, such as -o.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/target/quern-gpu.tar.xz}
case $file in /*) ;; *) file=$PWD/$file ;; esac

cd "$root"
mvn -q -B -DskipTests -Pgpu-bundle -pl cli,cuda-kernels -am ${MAVEN_ARGS:-} package
# The launcher knows how to find a JDK.
java_home=$(./quern doctor --json | sed -n 's/.*"home":"\([^"]*\)".*/\1/p')
[ -x "$java_home/bin/jlink" ] || { echo "gpu-bundle: $java_home has no jlink" >&2 && exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/quern-gpu
mkdir -p "$bundle/lib"

# Stored without compression: xz does better on what is not compressed yet.
"$java_home/bin/jlink" \
  --add-modules java.base,java.logging,java.management,jdk.management,jdk.unsupported,jdk.zipfs,jdk.incubator.vector \
  --strip-debug --no-header-files --no-man-pages --compress zip-0 --output "$bundle/runtime"

cp cuda-kernels/target/gpu-lib/*.jar "$bundle/lib"
cp cli/target/lib/*.jar "$bundle/lib"
for jar in cli/target/cli-*.jar; do
  case $jar in
    *-tests.jar | *-sources.jar) ;;
    *) cp "$jar" "$bundle/lib" ;;
  esac
done
# Charts need a window system, and nine tenths of JCuda's native code is a compiler of PTX that nothing here calls.
rm -f "$bundle"/lib/xchart-*.jar
for jar in "$bundle"/lib/jcuda-natives-*.jar; do
  mkdir "$work/natives"
  (cd "$work/natives" && "$java_home/bin/jar" xf "$jar" && find . -name '*JNvPTXCompiler*' -delete &&
    "$java_home/bin/jar" cf "$jar" .)
done

cp -R cuda-kernels/target/test-classes "$bundle/tests"
cp scripts/gpu-check.sh scripts/gpu-peers.py "$bundle"
git rev-parse HEAD >"$bundle/version" 2>/dev/null || echo unknown >"$bundle/version"
cat >"$bundle/quern" <<'LAUNCHER'
#!/bin/sh
# The quern command on the bundle's own runtime.
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck disable=SC2086 # a list of options
exec "$here/runtime/bin/java" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
  --sun-misc-unsafe-memory-access=allow -XX:+UseSerialGC -XX:-UsePerfData -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 \
  -Dstderr.encoding=UTF-8 ${QUERN_OPTS:-} -cp "$here/lib/*" io.quern.cli.Main "$@"
LAUNCHER
chmod +x "$bundle/quern" "$bundle/gpu-check.sh"

mkdir -p "$(dirname "$file")"
tar -C "$work" -cf - quern-gpu | xz -6 -T0 >"$file.part"
mv "$file.part" "$file"
size=$(wc -c <"$file")
echo "$file: $((size / 1048576)) MiB"
[ "$size" -lt 67108864 ] || { echo "gpu-bundle: larger than 64 MiB" >&2 && exit 1; }
