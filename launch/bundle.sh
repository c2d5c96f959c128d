#!/usr/bin/env bash
# Makes a folder that brings Regatta to a machine without development packages: programs, libraries, Open MPI,
# configurations and Cora. LibTorch is not in it: the start script finds that of the machine.
#
# usage: launch/bundle.sh [--build FOLDER] DIR
#   DIR             a new or empty folder; may be moved afterwards
#   --build FOLDER  take the programs of this build folder as they are (default: set up and build in build/)
set -euo pipefail
# shellcheck source=launch/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
# shellcheck source=launch/bundle/environment.sh
. "$regatta_root/launch/bundle/environment.sh"

readonly exit_usage=2 exit_environment=4 exit_storage=5
readonly most_mib=60
# Part of the C library: as old or new as the system's kernel and loader want it, never carried.
readonly system_libraries='linux-vdso.so.1 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1 libresolv.so.2'
# What Open MPI's plug-ins for other fabrics and for OpenSHMEM need; those plug-ins stay behind.
readonly foreign_libraries='liboshmem|libucp|libucs|libfabric|libpsm|libibverbs|librdmacm|libnl-|libmca_common_(ucx|ofi|verbs)'

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

read_arguments() {
  build='' target=''
  while [ $# -gt 0 ]; do
    case "$1" in
      --build) build="${2:?--build needs a folder}"; shift ;;
      -h | --help) usage; exit 0 ;;
      -*) die "unknown argument '$1'; see launch/bundle.sh --help" "$exit_usage" ;;
      *) [ -z "$target" ] || die "one folder, found '$target' and '$1'" "$exit_usage"; target="$1" ;;
    esac
    shift
  done
  [ -n "$target" ] || { usage >&2; exit "$exit_usage"; }
  if [ -e "$target" ] && [ -n "$(ls -A "$target" 2>&1)" ]; then
    die "$target exists and is not an empty folder; choose a new one" "$exit_usage"
  fi
}

# Names of the test programs that a GPU machine runs, if this checkout lists any.
listed_tests() {
  local list="$regatta_root/launch/packages/bundle_tests.txt"
  [ ! -e "$list" ] || sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$list"
}

build_programs() {
  local tests
  mapfile -t tests < <(listed_tests)
  cd "$regatta_root"
  if [ -e build/CMakeCache.txt ]; then
    configure keep
  else
    configure release
  fi
  cmake --build build -j "$(build_jobs)" --target regatta "${tests[@]}"
  # The GPU library, where this machine can compile it.
  ! cmake --build build --target help | grep -q '^regatta_cuda:' ||
    cmake --build build -j "$(build_jobs)" --target regatta_cuda
}

copy_programs() {
  local name
  mkdir -p "$target/bin" "$target/tests"
  cp "$build/bin/regatta" "$target/bin/"
  [ ! -e "$build/bin/libregatta_cuda.so" ] || cp "$build/bin/libregatta_cuda.so" "$target/bin/"
  for name in $(listed_tests); do
    [ -e "$build/tests/$name" ] ||
      die "$build/tests/$name is not built; build the targets of launch/packages/bundle_tests.txt" "$exit_environment"
    cp "$build/tests/$name" "$target/tests/"
  done
  rmdir "$target/tests" 2>/dev/null || true
}

# open_mpi_path NAME: as ompi_info tells it.
open_mpi_path() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"; }

# The plug-in folder keeps its place below the prefix: that is where Open MPI looks under OPAL_PREFIX.
copy_open_mpi() {
  command -v ompi_info >/dev/null || die 'ompi_info is not in PATH; a bundle carries Open MPI and needs it here' "$exit_environment"
  local prefix plugins data plugin
  prefix="$(open_mpi_path prefix)" plugins="$(open_mpi_path pkglibdir)" data="$(open_mpi_path pkgdatadir)"
  case "$plugins:$data" in
    "$prefix"/*:"$prefix"/*) ;;
    *) die "Open MPI's folders $plugins and $data are not below its prefix $prefix, so it cannot be moved" "$exit_environment" ;;
  esac
  mkdir -p "$target/openmpi/bin" "$target/openmpi/lib/none" "$target/openmpi/${plugins#"$prefix"/}" \
    "$target/openmpi/$(dirname "${data#"$prefix"/}")"
  cp -L "$(open_mpi_path bindir)/orterun" "$target/openmpi/bin/mpirun"
  cp -L "$(open_mpi_path bindir)/orted" "$target/openmpi/bin/orted"
  cp -rL "$data" "$target/openmpi/${data#"$prefix"/}"
  for plugin in "$plugins"/mca_*.so; do
    if ! readelf -d "$plugin" | grep -Eq "NEEDED.*\[($foreign_libraries)" && ! ldd "$plugin" | grep -q 'not found'; then
      cp -L "$plugin" "$target/openmpi/${plugins#"$prefix"/}/"
    fi
  done
  open_mpi_plugins="$target/openmpi/${plugins#"$prefix"/}"
}

# loaded_by FILE...: "name path" of every shared library these files load, once each.
loaded_by() { ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u; }

# check_found FILE...: every library is here; the CUDA driver's comes with the other machine's driver.
check_found() {
  local missing
  missing="$(ldd "$@" 2>/dev/null | awk '/not found/ && $1 != "libcuda.so.1" {print $1}' | sort -u | tr '\n' ' ')"
  [ -z "$missing" ] || die "not found on this machine: $missing(needed by $*)" "$exit_environment"
}

# carry FOLDER FILE...: copies what FILEs load into FOLDER, except the C library, LibTorch and what is carried already.
carry() {
  local folder="$1" name path
  shift
  mkdir -p "$folder"
  while read -r name path; do
    case " $system_libraries " in *" $name "*) continue ;; esac
    case "$path" in "$torch"/* | "$(dirname "$torch")"/nvidia/*) continue ;; esac
    case "$name" in libstdc++.so.6 | libgcc_s.so.1) cp -L "$path" "$target/lib/gcc/$name"; continue ;; esac
    if [ -e "$target/openmpi/lib/$name" ] || [ -e "$folder/$name" ]; then
      continue
    fi
    cp -L "$path" "$folder/$name"
    printf '%s\n' "$path" >>"$carried"
  done < <(loaded_by "$@")
}

copy_libraries() {
  local programs gomp
  mapfile -t programs < <(find "$target/bin" "$target/tests" -type f 2>/dev/null | sort)
  mkdir -p "$target/lib/gcc" "$target/share"
  torch="$(ldd "$build/bin/regatta" | sed -n 's/.*libtorch_cpu\.so => \(.*\)\/lib\/libtorch_cpu\.so.*/\1/p')"
  [ -n "$torch" ] || die "$build/bin/regatta does not find its LibTorch; build it again" "$exit_environment"
  torch_version "$torch" >"$target/share/torch_version"
  [ -s "$target/share/torch_version" ] || die "$torch does not tell its version" "$exit_environment"
  check_found "${programs[@]}" "$target"/openmpi/bin/*
  carry "$target/openmpi/lib" "$target"/openmpi/bin/* "$open_mpi_plugins"/*.so
  carry "$target/lib" "${programs[@]}"
  # Some LibTorch archives hide their OpenMP runtime under another name; then the compiler's is used.
  gomp="$("${CXX:-c++}" -print-file-name=libgomp.so.1)"
  [ ! -e "$gomp" ] || { cp -L "$gomp" "$target/lib/libgomp.so.1"; printf '%s\n' "$gomp" >>"$carried"; }
  objdump -T "${programs[@]}" 2>/dev/null | grep -o 'GLIBCXX_[0-9.]*' | sort -uV | tail -n 1 >"$target/share/glibcxx_version"
}

# No symbols but those that loading needs, and no search path of this machine: the start scripts say where libraries lie.
clean_binaries() {
  local binaries
  mapfile -t binaries < <(find "$target" -type f \( -path '*/bin/*' -o -path '*/tests/*' -o -name '*.so*' \))
  chmod u+w "${binaries[@]}"
  strip --strip-unneeded "${binaries[@]}"
  cmake -P "$regatta_root/launch/bundle/remove_rpath.cmake" "${binaries[@]}" >/dev/null 2>&1 ||
    die "the search paths of the building machine could not be removed from the files in $target" 1
}

# Debian keeps a copyright file a package. Elsewhere the user is told what is missing.
copy_licences() {
  local path package
  mkdir -p "$target/LICENSES"
  cp "$regatta_root/LICENSE" "$target/"
  while read -r path; do
    package="$(owner_of "$path")"
    if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then
      cp -L "/usr/share/doc/$package/copyright" "$target/LICENSES/$package.txt"
    else
      echo "      no licence text known for $path: add it to $target/LICENSES before you pass the bundle on"
    fi
  done < <({ sort -u "$carried"; loaded_by "$build/bin/regatta" | awk '/^lib(stdc\+\+|gcc_s)/ {print $2}'; echo "$(open_mpi_path bindir)/orterun"; })
}

# owner_of PATH: the Debian package that holds it; the loader's path may go through a link (/lib to /usr/lib).
owner_of() {
  local real
  real="$(readlink -f "$1")"
  { dpkg -S "$real" || dpkg -S "${real#/usr}" || true; } 2>/dev/null | sed -n '1s/:.*//p'
}

# The commit that this checkout holds, "-dirty" with changes of its own; "unknown" without git's folder.
commit_here() {
  [ ! -e "$regatta_root/.git" ] ||
    GIT_OPTIONAL_LOCKS=0 git -C "$regatta_root" describe --always --abbrev=40 --dirty --exclude='*' 2>/dev/null ||
    true
}

# The check of a GPU machine works without a checkout.
copy_gpu_check() {
  local commit
  commit="$(commit_here)"
  mkdir -p "$target/share/gpu_check"
  cp "$regatta_root/launch/gpu_check.sh" "$target/"
  cp "$regatta_root"/launch/gpu_check/*.py "$target/share/gpu_check/"
  printf '%s\n' "${commit:-unknown}" >"$target/share/commit"
}

copy_texts() {
  mkdir -p "$target/data"
  cp -r "$regatta_root/configs" "$target/"
  cp -r "$regatta_root/data/cora" "$target/data/"
  cp "$regatta_root"/launch/bundle/{regatta,mpirun,run} "$target/"
  cp "$regatta_root/launch/bundle/environment.sh" "$target/share/"
  sed "s/@TORCH@/$(cat "$target/share/torch_version")/" "$regatta_root/launch/bundle/README" >"$target/README"
}

check_size() {
  local mib
  mib="$(du -sm --apparent-size "$target" | cut -f 1)"
  [ "$mib" -le "$most_mib" ] || die "$target holds $mib MiB, at most $most_mib are meant for a bundle" "$exit_storage"
  echo "$target: $mib MiB, for LibTorch $(cat "$target/share/torch_version"); its README says how to start"
}

main() {
  read_arguments "$@"
  if [ -z "$build" ]; then
    step_count=2
    show_step 'setup'
    bash "$regatta_root/launch/setup.sh" | sed 's/^/      /' || exit "$exit_environment"
    step 'build (a first one takes minutes)' build_programs || die 'the build failed, see above'
    build="$regatta_root/build"
  fi
  [ -x "$build/bin/regatta" ] || die "$build/bin/regatta is not there; build it first" "$exit_environment"
  mkdir -p "$target" || die "cannot create $target" "$exit_storage"
  build="$(cd "$build" && pwd -P)" target="$(cd "$target" && pwd -P)"
  carried="$(mktemp)"
  trap 'rm -f "$carried"' EXIT
  copy_programs
  copy_open_mpi
  copy_libraries
  clean_binaries
  copy_licences
  copy_texts
  copy_gpu_check
  check_size
}

main "$@"
