# The GPU build (MPIRA_GPU): CUDA 13 runtime, NCCL, LibTorch's CUDA half.
#
#   mpira_cudart     the CUDA runtime, shared
#   NCCL::nccl       the NCCL that LibTorch loads
#   LibTorch::cuda   LibTorch::cpu + libtorch_cuda and libc10_cuda
#
# From a toolkit (/usr/local/cuda, CUDA_HOME, -DMPIRA_CUDA_ROOT), else from the PyPI wheels that launch/setup --cuda
# puts beside LibTorch. FindCUDAToolkit of CMake 3.25 is not used: it fails on CUDA 13's wheels, which have no
# nvToolsExt, and takes any cudart that lies in /usr/local/lib.
cmake_path(GET LIBTORCH_ROOT PARENT_PATH MPIRA_WHEELS)
set(MPIRA_CUDA_ROOT "" CACHE PATH "CUDA 13 toolkit; empty: /usr/local/cuda, $CUDA_HOME, or the wheels")
set(cuda_roots ${MPIRA_CUDA_ROOT} $ENV{CUDA_HOME} /usr/local/cuda ${MPIRA_WHEELS}/nvidia/cu13)

find_program(MPIRA_NVCC nvcc PATHS ${cuda_roots} PATH_SUFFIXES bin NO_DEFAULT_PATH)
if(NOT MPIRA_NVCC)
  mpira_missing("nvcc of CUDA 13" "launch/setup --cuda brings it, or name a toolkit with -DMPIRA_CUDA_ROOT=/path.")
endif()
cmake_path(GET MPIRA_NVCC PARENT_PATH cuda_bin)
cmake_path(GET cuda_bin PARENT_PATH cuda_root)

set(CMAKE_CUDA_COMPILER ${MPIRA_NVCC})
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # CMake's default would link a second, static runtime
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # A100; H100 with PTX for what comes later
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13 OR CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
  message(FATAL_ERROR "${MPIRA_NVCC} is CUDA ${CMAKE_CUDA_COMPILER_VERSION}; LibTorch ${LibTorch_VERSION} needs CUDA 13")
endif()

find_library(MPIRA_CUDART_LIBRARY NAMES cudart libcudart.so.13 NAMES_PER_DIR PATHS ${cuda_root} ${MPIRA_WHEELS}/nvidia/cu13
             PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib NO_DEFAULT_PATH)
find_path(MPIRA_CUDART_INCLUDE_DIR cuda_runtime_api.h PATHS ${cuda_root} ${MPIRA_WHEELS}/nvidia/cu13
          PATH_SUFFIXES include targets/x86_64-linux/include NO_DEFAULT_PATH)
if(NOT MPIRA_CUDART_LIBRARY OR NOT MPIRA_CUDART_INCLUDE_DIR)
  mpira_missing("The CUDA runtime (libcudart, cuda_runtime_api.h)" "It was sought in ${cuda_root}.")
endif()
add_library(mpira_cudart UNKNOWN IMPORTED)
set_target_properties(mpira_cudart PROPERTIES IMPORTED_LOCATION ${MPIRA_CUDART_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${MPIRA_CUDART_INCLUDE_DIR}
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${MPIRA_CUDART_INCLUDE_DIR})
if(EXISTS ${MPIRA_CUDART_INCLUDE_DIR}/cccl)
  set_property(TARGET mpira_cudart APPEND PROPERTY INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${MPIRA_CUDART_INCLUDE_DIR}/cccl)
endif()

# The wheel's first: LibTorch loads that one, and two NCCLs in one process don't agree.
set(nccl_roots ${MPIRA_WHEELS}/nvidia/nccl ${cuda_root} /usr/local/cuda /usr)
find_path(NCCL_INCLUDE_DIR nccl.h PATHS ${nccl_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR PATHS ${nccl_roots}
             PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu NO_DEFAULT_PATH)
if(NOT NCCL_INCLUDE_DIR OR NOT NCCL_LIBRARY)
  mpira_missing("NCCL" "launch/setup --cuda brings it, or name one with -DNCCL_INCLUDE_DIR and -DNCCL_LIBRARY.")
endif()
add_library(NCCL::nccl UNKNOWN IMPORTED)
set_target_properties(NCCL::nccl PROPERTIES IMPORTED_LOCATION ${NCCL_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${NCCL_INCLUDE_DIR}
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${NCCL_INCLUDE_DIR}
  INTERFACE_LINK_LIBRARIES mpira_cudart)

foreach(library IN ITEMS torch_cuda c10_cuda)
  find_library(LibTorch_${library}_LIBRARY ${library} PATHS ${LIBTORCH_ROOT}/lib NO_DEFAULT_PATH)
  if(NOT LibTorch_${library}_LIBRARY)
    mpira_missing("lib${library} of LibTorch" "${LIBTORCH_ROOT} is a CPU-only LibTorch: take the CUDA 13 one.")
  endif()
endforeach()
add_library(LibTorch::c10_cuda UNKNOWN IMPORTED)
set_target_properties(LibTorch::c10_cuda PROPERTIES IMPORTED_LOCATION ${LibTorch_c10_cuda_LIBRARY})
add_library(LibTorch::cuda INTERFACE IMPORTED)
# libtorch_cuda registers itself when loaded and none of our code names a symbol of it: --no-as-needed keeps it. The
# libraries it wants in turn (cuBLAS, cuDNN, ...) are there where the program runs, not always where it is linked.
set_target_properties(LibTorch::cuda PROPERTIES INTERFACE_LINK_LIBRARIES
  "LibTorch::cpu;LibTorch::c10_cuda;-Wl,--push-state,--no-as-needed;${LibTorch_torch_cuda_LIBRARY};-Wl,--pop-state;-Wl,--allow-shlib-undefined;$<LINK_ONLY:mpira_cudart>")
message(STATUS "GPU build: CUDA ${CMAKE_CUDA_COMPILER_VERSION} (${cuda_root}), NCCL in ${NCCL_LIBRARY}")
