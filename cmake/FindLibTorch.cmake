# Imports LibTorch without its own package files, which demand a CUDA toolkit on every machine. Installed with the
# CMake package, so it knows nothing of this source tree.
#
# LIBTORCH_ROOT: a folder with include/ and lib/ (PyPI's torch package or the LibTorch archive).
# Gives the target regatta_torch (libc10 + libtorch_cpu) and LIBTORCH_VERSION ("2.11.0").
set(LIBTORCH_ROOT "" CACHE PATH "LibTorch: a folder with include/ and lib/ (torch's Python package will do)")
if(NOT LIBTORCH_ROOT)
  file(GLOB candidates "${REGATTA_DEPS}/python/lib/python3*/site-packages/torch")
  list(LENGTH candidates count)
  if(count GREATER 0)
    list(GET candidates 0 LIBTORCH_ROOT)
  endif()
endif()
if(NOT EXISTS "${LIBTORCH_ROOT}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found (looked in '${LIBTORCH_ROOT}' and ${REGATTA_DEPS}/python). "
                      "Run launch/setup.sh, or configure with -DLIBTORCH_ROOT=DIR.")
endif()
file(STRINGS ${LIBTORCH_ROOT}/include/torch/headeronly/version.h LIBTORCH_VERSION
     REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
list(TRANSFORM LIBTORCH_VERSION REPLACE "[^0-9]" "")
list(JOIN LIBTORCH_VERSION "." LIBTORCH_VERSION)
set(LibTorch_FOUND TRUE)
message(STATUS "LibTorch: ${LIBTORCH_ROOT} (${LIBTORCH_VERSION})")

if(TARGET regatta_torch)
  return()  # asked for again, by another folder
endif()
add_library(regatta_torch INTERFACE IMPORTED GLOBAL)
target_include_directories(regatta_torch SYSTEM INTERFACE
  ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/torch/csrc/api/include)
# Its include folder brings fmt headers of another version than the system's library, and no library for them.
target_compile_definitions(regatta_torch INTERFACE FMT_HEADER_ONLY=1)
target_link_libraries(regatta_torch INTERFACE
  ${LIBTORCH_ROOT}/lib/libtorch_cpu.so ${LIBTORCH_ROOT}/lib/libc10.so)
get_filename_component(REGATTA_SITE_PACKAGES "${LIBTORCH_ROOT}" DIRECTORY)
# libtorch_cpu of the CUDA wheel needs libcudart and libcupti of the wheel's companions at load time.
target_link_options(regatta_torch INTERFACE
  "LINKER:-rpath,${LIBTORCH_ROOT}/lib" "LINKER:-rpath-link,${REGATTA_SITE_PACKAGES}/nvidia/cu13/lib")
