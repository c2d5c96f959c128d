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
# Its include folder brings headers of another fmt than the system's and no library for them: the system's come first.
# (Header-only, fmt cost every source that formats a text 5 s.)
find_package(fmt REQUIRED)
get_target_property(fmt_folders fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
find_path(REGATTA_FMT_HEADERS fmt/format.h HINTS ${fmt_folders} REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/headers_first)
file(CREATE_LINK ${REGATTA_FMT_HEADERS}/fmt ${CMAKE_BINARY_DIR}/headers_first/fmt SYMBOLIC)
add_library(regatta_torch INTERFACE IMPORTED GLOBAL)
target_include_directories(regatta_torch SYSTEM INTERFACE
  ${CMAKE_BINARY_DIR}/headers_first ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(regatta_torch INTERFACE
  ${LIBTORCH_ROOT}/lib/libtorch_cpu.so ${LIBTORCH_ROOT}/lib/libc10.so)
get_filename_component(REGATTA_SITE_PACKAGES "${LIBTORCH_ROOT}" DIRECTORY)
# libtorch_cpu of the CUDA wheel needs libcudart and libcupti of the wheel's companions at load time.
target_link_options(regatta_torch INTERFACE
  "LINKER:-rpath,${LIBTORCH_ROOT}/lib" "LINKER:-rpath-link,${REGATTA_SITE_PACKAGES}/nvidia/cu13/lib")
