# shellcheck shell=sh
# Sourced by regatta, mpirun and run of a bundle: finds LibTorch and says where the carried libraries lie.
# $bundle is the bundle's folder.
: "${bundle:=}"

fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 4
}

# torch_version FOLDER: "2.11.0"; nothing when the folder does not tell. Wheels have version.py, archives build-version.
torch_version() {
  if [ -r "$1/version.py" ]; then
    sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$1/version.py"
  elif [ -r "$1/build-version" ]; then
    sed -n 's/^\([0-9.]*\).*/\1/p' "$1/build-version"
  elif [ -r "$1/include/torch/csrc/api/include/torch/version.h" ]; then
    sed -n 's/^#define TORCH_VERSION "\([0-9.]*\).*/\1/p' "$1/include/torch/csrc/api/include/torch/version.h"
  fi
}

# Sets REGATTA_LIBTORCH. Python only says where its package lies: importing it would take seconds a rank.
find_libtorch() {
  needed="$(cat "$bundle/share/torch_version")"
  if [ -z "${REGATTA_LIBTORCH:-}" ]; then
    REGATTA_LIBTORCH="$(python3 -c 'import importlib.util as u
found = u.find_spec("torch")
print(found.submodule_search_locations[0] if found else "")' 2>/dev/null)" || REGATTA_LIBTORCH=''
    [ -n "$REGATTA_LIBTORCH" ] ||
      fail "no LibTorch: python3 has no torch package; run: pip install torch==$needed, or set REGATTA_LIBTORCH to a folder with lib/libtorch_cpu.so"
  fi
  [ -e "$REGATTA_LIBTORCH/lib/libtorch_cpu.so" ] ||
    fail "no LibTorch: $REGATTA_LIBTORCH/lib/libtorch_cpu.so is missing; set REGATTA_LIBTORCH to the folder that holds lib/"
  found="$(torch_version "$REGATTA_LIBTORCH")"
  [ "$found" = "$needed" ] ||
    fail "LibTorch in $REGATTA_LIBTORCH is version ${found:-unknown}, this bundle was built for $needed; run: pip install torch==$needed, or set REGATTA_LIBTORCH"
  export REGATTA_LIBTORCH
}

# True when the system's C++ library is older than the one the programs were linked with.
needs_carried_libstdcxx() {
  system="$(/sbin/ldconfig -p 2>/dev/null | sed -n 's/.*libstdc++\.so\.6 (.*x86-64.*=> //p' | head -n 1)"
  [ -n "$system" ] || return 0
  ! grep -q "$(cat "$bundle/share/glibcxx_version")" "$system"
}

# Open MPI finds its plug-ins and texts below OPAL_PREFIX; what it cannot use here stays silent.
set_openmpi() {
  export OPAL_PREFIX="$bundle/openmpi"
  # The plug-ins of PMIx and hwloc are not carried; those of another version on this machine stay out.
  none="$bundle/openmpi/lib/none"
  export PMIX_PKGLIBDIR="$none" PMIX_MCA_mca_base_component_path="$none" HWLOC_PLUGINS_PATH="$none"
  export OMPI_MCA_btl_base_warn_component_unused=0
}

# LibTorch's own libraries come first: there is one OpenMP runtime a process, its.
set_library_path() {
  path="$REGATTA_LIBTORCH/lib"
  for folder in "$REGATTA_LIBTORCH"/../nvidia/*/lib; do
    [ ! -d "$folder" ] || path="$path:$folder"
  done
  path="$path:$bundle/lib:$bundle/openmpi/lib"
  if needs_carried_libstdcxx; then
    path="$path:$bundle/lib/gcc"
  fi
  export LD_LIBRARY_PATH="$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}
