#!/usr/bin/env bash
# Build Horovod against the TensorFlow of a virtual environment and install it there: with Gloo alone, or with
# MPI too, which needs an MPI with its headers (Debian: libopenmpi-dev, openmpi-bin) here, and its library wherever
# it runs.
#   envs/build_horovod.sh PYTHON [mpi]
# With HOROVOD_GPU_OPERATIONS=NCCL, CUDA and NCCL in the environment, Horovod's own build takes them in (not tried).
# The wheel is built once and kept in ${XDG_CACHE_HOME:-~/.cache}/dca, by everything it depends on.
set -euo pipefail
python=$(realpath -s "$1")
with=${2:-gloo}
[[ $with =~ ^(gloo|mpi)$ ]] || { echo "horovod: '$with' is neither gloo nor mpi" >&2; exit 1; }
mpicxx=
if [ "$with" = mpi ]; then
  # The compiler's wrapper alone does not do: on Debian it comes without the headers.
  echo '#include <mpi.h>' | mpicxx -x c++ -E - >/dev/null 2>&1 || {
    echo "horovod: there is no MPI to build with; install one (Debian: libopenmpi-dev openmpi-bin), then run: make horovod MPI=1" >&2
    exit 1
  }
  mpicxx=$(command -v mpicxx)
fi
here=$(cd "$(dirname "$0")" && pwd)

# -march differs between machines, and a shared home is seen by many of them.
key=$("$python" - "${mpicxx:+$(mpicxx -show)}${HOROVOD_GPU_OPERATIONS:-}" "$here"/horovod.{txt,patch} <<'PY'
import hashlib, importlib.metadata, pathlib, platform, sys, sysconfig
cpu = pathlib.Path("/proc/cpuinfo")
flags = next((line for line in cpu.read_text().splitlines() if line.startswith("flags")), "") if cpu.exists() else ""
recipe = "".join(pathlib.Path(p).read_text() for p in sys.argv[2:]) + sys.argv[1]
identity = hashlib.sha256((flags + recipe + sysconfig.get_platform()).encode()).hexdigest()[:12]
# Metadata may spell it with a hyphen or an underscore.
names = {d.name.replace("_", "-"): d.version for d in importlib.metadata.distributions() if d.name}
tensorflow = names.get("tensorflow-cpu") or names["tensorflow"]
print(f"tf{tensorflow}-py{platform.python_version()}-{identity}")
PY
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dca/horovod-$key${mpicxx:+-mpi}
wheel() { find "$cache" -name 'horovod-*.whl' 2>/dev/null | head -n 1; }

if [ -z "$(wheel)" ]; then
  command -v g++ >/dev/null || { echo "horovod: g++ is missing; install it, then run: make horovod" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  log=$work/build.log
  echo "Building Horovod, about 2-4 minutes, once on this machine ..."
  (
    set -e
    cd "$work"
    PATH=$(dirname "$python"):$PATH # cmake of the environment
    "$python" -m pip download -q --no-deps --no-build-isolation --no-binary horovod --require-hashes \
      -r "$here/horovod.txt" -d .
    tar xzf horovod-*.tar.gz && cd horovod-*/
    "$python" - "$here/horovod.patch" <<'PY'
# `patch` is not on every machine; the hunks are short enough to find and replace here.
import itertools, pathlib, re, sys
for part in re.split(r"^--- a/.*\n\+\+\+ b/", pathlib.Path(sys.argv[1]).read_text(), flags=re.M)[1:]:
    name, *hunks = re.split(r"^@@.*\n", part, flags=re.M)
    source = pathlib.Path(name.strip())
    text = source.read_text()
    for hunk in hunks:
        lines = list(itertools.takewhile(lambda line: line[0] in " +-", hunk.splitlines(keepends=True)))
        old, new = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
        assert text.count(old) == 1, f"{source}: not the source this patch was made for"
        text = text.replace(old, new)
    source.write_text(text)
PY
    if [ -n "$mpicxx" ]; then export HOROVOD_WITH_MPI=1; else export HOROVOD_WITHOUT_MPI=1; fi
    CMAKE_POLICY_VERSION_MINIMUM=3.5 MAKEFLAGS=-j$(nproc) \
      HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_GLOO=1 \
      "$python" -m pip wheel -v --no-deps --no-build-isolation . -w "$work/wheels"
  ) >"$log" 2>&1 &
  build=$!
  while kill -0 $build 2>/dev/null; do
    sleep 5
    done_=$(grep -oE '^ *\[ *[0-9]+%\]' "$log" 2>/dev/null | tail -n 1 || true)
    printf '\r  %4d s  %s ' "$SECONDS" "${done_:-...}"
  done
  echo
  if ! wait $build; then
    mkdir -p "$cache" && cp "$log" "$cache/build.log"
    tail -n 15 "$log" >&2
    echo "horovod: the build failed; the whole log is $cache/build.log" >&2
    exit 1
  fi
  mkdir -p "$cache"
  # Moved within one file system, so that a second build at the same time never sees half a wheel.
  cp "$work"/wheels/horovod-*.whl "$cache/.$$.part"
  mv "$cache/.$$.part" "$cache/$(basename "$work"/wheels/horovod-*.whl)"
fi
"$python" -m pip install -q --no-deps --no-index --force-reinstall "$(wheel)" # an earlier build has the same version
echo "Horovod is installed from $(wheel)"
