# Finds LibTorch and makes imported targets of our own: kaem_torch (libtorch_cpu + libc10, headers, OpenMP).
#
# find_package(Torch) of a CUDA build demands the CUDA toolkit and links libtorch_cuda, which costs start-up time on
# every run; we link only the CPU part and load the CUDA part at run time when a CUDA device is asked for.
#
# Order: Torch_DIR, CMAKE_PREFIX_PATH or LIBTORCH (variable or environment), the project's .venv, the active Python.

function(_kaem_torch_try dir out)
  if(EXISTS "${dir}/include/ATen/core/Tensor.h" AND EXISTS "${dir}/lib/libtorch_cpu.so")
    set(${out} "${dir}" PARENT_SCOPE)
  endif()
endfunction()

set(KAEM_TORCH_ROOT "" CACHE PATH "Root of LibTorch (holds include/ and lib/); empty: searched for")
set(_root "")
if(KAEM_TORCH_ROOT)
  _kaem_torch_try("${KAEM_TORCH_ROOT}" _root)
endif()
set(_candidates "")
if(Torch_DIR)
  list(APPEND _candidates "${Torch_DIR}/../../..")  # <root>/share/cmake/Torch
endif()
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _candidates "${prefix}" "${prefix}/../.." "${prefix}/../../..")
endforeach()
if(DEFINED ENV{CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" _env_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  foreach(prefix IN LISTS _env_prefixes)
    list(APPEND _candidates "${prefix}" "${prefix}/../.." "${prefix}/../../..")
  endforeach()
endif()
list(APPEND _candidates "${LIBTORCH}" "$ENV{LIBTORCH}")
file(GLOB _venv_torch "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
list(APPEND _candidates ${_venv_torch})
foreach(dir IN LISTS _candidates)
  if(NOT _root AND dir)
    get_filename_component(dir "${dir}" ABSOLUTE)
    _kaem_torch_try("${dir}" _root)
  endif()
endforeach()
if(NOT _root)
  find_program(KAEM_PYTHON NAMES python3 python)
  if(KAEM_PYTHON)
    execute_process(
      COMMAND "${KAEM_PYTHON}" -c
              "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE _python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(_python_torch)
      _kaem_torch_try("${_python_torch}" _root)
    endif()
  endif()
endif()
if(NOT _root)
  message(FATAL_ERROR "LibTorch was not found. Run 'make install', or pass -DKAEM_TORCH_ROOT=<folder with include/ and "
                      "lib/>, or set LIBTORCH, or activate a Python environment that has torch==2.11.0.")
endif()
set(KAEM_TORCH_ROOT "${_root}" CACHE PATH "Root of LibTorch" FORCE)

# The version stands in a header of every build; 2.11 is what the tests ran on.
file(STRINGS "${_root}/include/torch/headeronly/version.h" _version_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
set(KAEM_TORCH_VERSION "")
foreach(part MAJOR MINOR PATCH)
  foreach(line IN LISTS _version_lines)
    if(line MATCHES "TORCH_VERSION_${part} +([0-9]+)")
      list(APPEND KAEM_TORCH_VERSION "${CMAKE_MATCH_1}")
    endif()
  endforeach()
endforeach()
list(JOIN KAEM_TORCH_VERSION "." KAEM_TORCH_VERSION)
message(STATUS "LibTorch ${KAEM_TORCH_VERSION}: ${_root}")

find_package(OpenMP REQUIRED)  # without it at::parallel_for is serial in our files
add_library(kaem_torch INTERFACE)
add_library(kaem::torch ALIAS kaem_torch)
set_target_properties(kaem_torch PROPERTIES EXPORT_NAME torch)
target_include_directories(kaem_torch SYSTEM INTERFACE "$<BUILD_INTERFACE:${_root}/include>"
                                                       "$<BUILD_INTERFACE:${_root}/include/torch/csrc/api/include>")
target_link_directories(kaem_torch INTERFACE "$<BUILD_INTERFACE:${_root}/lib>")
target_link_libraries(kaem_torch INTERFACE OpenMP::OpenMP_CXX "$<BUILD_INTERFACE:${_root}/lib/libtorch_cpu.so>"
                                           "$<BUILD_INTERFACE:${_root}/lib/libc10.so>")
target_link_options(kaem_torch INTERFACE "LINKER:--allow-shlib-undefined")
