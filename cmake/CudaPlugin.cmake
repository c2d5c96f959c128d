# libregatta_cuda.so: CUDA kernels, NCCL and LibTorch's CUDA backend, opened by the program with dlopen.
#
# REGATTA_WITH_CUDA: AUTO builds it where nvcc fits LibTorch, ON insists, OFF does without.
# REGATTA_CUDA_ARCHITECTURES: what the kernels are compiled for.
set(REGATTA_CUDA_ARCHITECTURES "80-real;90-real;100-real" CACHE STRING "CUDA architectures of the kernels")

if(REGATTA_WITH_CUDA STREQUAL "OFF")
  return()
endif()

# Ends this file under AUTO and the configuration under ON. A macro, so that return() leaves the file.
macro(regatta_no_cuda reason)
  if(REGATTA_WITH_CUDA STREQUAL "ON")
    message(FATAL_ERROR "REGATTA_WITH_CUDA=ON: ${reason}")
  endif()
  message(STATUS "CUDA plugin: not built: ${reason}")
  return()
endmacro()

file(GLOB wheel_cuda LIST_DIRECTORIES true "${REGATTA_SITE_PACKAGES}/nvidia/cu[0-9]*")
if(NOT EXISTS "${LIBTORCH_ROOT}/lib/libtorch_cuda.so")
  regatta_no_cuda("this LibTorch has no CUDA (${LIBTORCH_ROOT}/lib/libtorch_cuda.so)")
endif()

set(wheel_bin "")
foreach(folder IN LISTS wheel_cuda)
  list(APPEND wheel_bin ${folder}/bin)
endforeach()
find_program(REGATTA_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda/bin ${wheel_bin} PATH_SUFFIXES bin)
if(NOT REGATTA_NVCC)
  regatta_no_cuda("no nvcc in PATH, CUDA_HOME, /usr/local/cuda or ${REGATTA_SITE_PACKAGES}/nvidia")
endif()
set(CMAKE_CUDA_COMPILER ${REGATTA_NVCC})
# Named here: CMake's own default would test the compiler for an architecture that a new nvcc has dropped.
set(CMAKE_CUDA_ARCHITECTURES ${REGATTA_CUDA_ARCHITECTURES})
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  regatta_no_cuda("${REGATTA_NVCC} cannot compile with this C++ compiler")
endif()
enable_language(CUDA)
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
string(REGEX MATCH "^[0-9]+" nvcc_major "${CMAKE_CUDA_COMPILER_VERSION}")

# One CUDA runtime a process: the one LibTorch uses.
find_library(REGATTA_CUDART NAMES libcudart.so.${nvcc_major} HINTS ${REGATTA_SITE_PACKAGES}/nvidia/cu${nvcc_major}/lib
             ${LIBTORCH_ROOT}/lib ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES} NO_DEFAULT_PATH)
set(wheel_major "")
foreach(folder IN LISTS wheel_cuda)
  string(REGEX MATCH "[0-9]+$" wheel_major "${folder}")
endforeach()
if(wheel_major AND NOT wheel_major STREQUAL nvcc_major)
  regatta_no_cuda("LibTorch uses CUDA ${wheel_major}, ${REGATTA_NVCC} is CUDA ${CMAKE_CUDA_COMPILER_VERSION}")
endif()
find_path(REGATTA_CUDA_INCLUDE cuda_runtime_api.h HINTS ${REGATTA_SITE_PACKAGES}/nvidia/cu${nvcc_major}/include
          ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
find_path(REGATTA_NCCL_INCLUDE nccl.h HINTS ${REGATTA_SITE_PACKAGES}/nvidia/nccl/include)
find_library(REGATTA_NCCL NAMES libnccl.so.2 nccl HINTS ${REGATTA_SITE_PACKAGES}/nvidia/nccl/lib)
foreach(part REGATTA_CUDART REGATTA_CUDA_INCLUDE REGATTA_NCCL_INCLUDE REGATTA_NCCL)
  if(NOT ${part})
    regatta_no_cuda("${part} not found")
  endif()
endforeach()

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS src/kernels/cuda/*.cu src/kernels/cuda/*.cpp src/cuda/*.cpp
     src/comm/nccl_*.cpp)
add_library(regatta_cuda MODULE ${cuda_sources})
# Kernels of three architectures are compressed, or the library alone would fill a bundle.
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  set(compressed --compress-mode=size)
else()
  set(compressed -Xfatbin=-compress-all)
endif()
target_compile_options(regatta_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;${compressed}>")
target_include_directories(regatta_cuda PRIVATE src)
target_include_directories(regatta_cuda SYSTEM PRIVATE ${REGATTA_CUDA_INCLUDE} ${REGATTA_NCCL_INCLUDE})
target_link_libraries(regatta_cuda PRIVATE regatta_flags regatta_torch regatta_kernels regatta_core
                      ${REGATTA_NCCL} ${REGATTA_CUDART})
# --no-as-needed: nothing here calls libtorch_cuda, loading it registers LibTorch's CUDA backend.
# Only the entry point is exported: the program has its own copy of regatta_core.
target_link_options(regatta_cuda PRIVATE
  "LINKER:--no-as-needed,${LIBTORCH_ROOT}/lib/libc10_cuda.so,${LIBTORCH_ROOT}/lib/libtorch_cuda.so,--as-needed"
  "LINKER:--no-undefined,--version-script=${CMAKE_SOURCE_DIR}/src/cuda/exports.map")
get_filename_component(cudart_folder ${REGATTA_CUDART} DIRECTORY)
get_filename_component(nccl_folder ${REGATTA_NCCL} DIRECTORY)
set_target_properties(regatta_cuda PROPERTIES
  CUDA_ARCHITECTURES "${REGATTA_CUDA_ARCHITECTURES}"
  CUDA_RUNTIME_LIBRARY None
  CUDA_STANDARD_REQUIRED OFF
  LINKER_LANGUAGE CXX
  LINK_DEPENDS ${CMAKE_SOURCE_DIR}/src/cuda/exports.map
  BUILD_RPATH "${LIBTORCH_ROOT}/lib;${cudart_folder};${nccl_folder}"
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
message(STATUS "CUDA plugin: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${REGATTA_CUDA_ARCHITECTURES}")
