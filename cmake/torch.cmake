# Finds LibTorch and makes an imported target of our own: kaem::torch (libtorch_cpu + libc10, headers, OpenMP).
#
# find_package(Torch) of a CUDA build demands the CUDA toolkit and links libtorch_cuda, which costs start-up time on
# every run; we link only the CPU part and load the CUDA part at run time when a CUDA device is asked for.
#
# Order: KAEM_TORCH_ROOT; Torch_DIR, CMAKE_PREFIX_PATH, LIBTORCH (variable or environment); the project's .venv; the
# active Python; KAEM_TORCH_HINT (set by an installed kaem-config.cmake: where the library was built).
# This file is also installed, as part of find_package(kaem).

function(_kaem_torch_try dir out)
  if(EXISTS "${dir}/include/ATen/core/Tensor.h" AND EXISTS "${dir}/lib/libtorch_cpu.so")
    set(${out} "${dir}" PARENT_SCOPE)
  endif()
endfunction()

# The places named by variables and by the .venv, in order.
function(_kaem_torch_candidates out)
  set(dirs "")
  foreach(config_dir "${Torch_DIR}" "$ENV{Torch_DIR}")
    if(config_dir)
      list(APPEND dirs "${config_dir}/../../..")  # <root>/share/cmake/Torch
    endif()
  endforeach()
  set(prefixes "$ENV{CMAKE_PREFIX_PATH}")
  string(REPLACE ":" ";" prefixes "${prefixes}")
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH prefixes)
    list(APPEND dirs "${prefix}" "${prefix}/../.." "${prefix}/../../..")
  endforeach()
  list(APPEND dirs "${LIBTORCH}" "$ENV{LIBTORCH}")
  # pip builds in an environment of its own, whose Python is still that of the one that it installs into.
  if(SKBUILD AND Python_EXECUTABLE)
    execute_process(COMMAND "${Python_EXECUTABLE}" -c "import sysconfig; print(sysconfig.get_paths()['purelib'])"
                    OUTPUT_VARIABLE packages OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND dirs "${packages}/torch")
  endif()
  file(GLOB venv "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  set(${out} ${dirs} ${venv} PARENT_SCOPE)
endfunction()

# The torch package of the active Python, found without importing it (which would take seconds).
function(_kaem_torch_of_python out)
  find_program(KAEM_PYTHON NAMES python3 python)
  mark_as_advanced(KAEM_PYTHON)
  if(KAEM_PYTHON)
    execute_process(
      COMMAND "${KAEM_PYTHON}" -c
              "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(${out} "${found}" PARENT_SCOPE)
  endif()
endfunction()

function(_kaem_torch_find out)
  set(root "")
  if(KAEM_TORCH_ROOT)
    _kaem_torch_try("${KAEM_TORCH_ROOT}" root)
    if(NOT root)
      message(WARNING "KAEM_TORCH_ROOT=${KAEM_TORCH_ROOT} holds no LibTorch any more: looking elsewhere.")
    endif()
  endif()
  if(NOT root)
    _kaem_torch_candidates(candidates)
    foreach(dir IN LISTS candidates)
      if(dir AND NOT root)
        get_filename_component(dir "${dir}" ABSOLUTE)
        _kaem_torch_try("${dir}" root)
      endif()
    endforeach()
  endif()
  if(NOT root)
    _kaem_torch_of_python(python_torch)
    _kaem_torch_try("${python_torch}" root)
  endif()
  if(NOT root AND KAEM_TORCH_HINT)
    _kaem_torch_try("${KAEM_TORCH_HINT}" root)
  endif()
  set(${out} "${root}" PARENT_SCOPE)
endfunction()

# The version stands in a header of every build of LibTorch.
function(_kaem_torch_version root out)
  file(STRINGS "${root}/include/torch/headeronly/version.h" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  set(version "")
  foreach(part MAJOR MINOR PATCH)
    foreach(line IN LISTS lines)
      if(line MATCHES "TORCH_VERSION_${part} +([0-9]+)")
        list(APPEND version "${CMAKE_MATCH_1}")
      endif()
    endforeach()
  endforeach()
  list(JOIN version "." version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

set(KAEM_TORCH_ROOT "" CACHE PATH "Root of LibTorch (holds include/ and lib/); empty: searched for")
_kaem_torch_find(_kaem_root)
if(NOT _kaem_root)
  message(FATAL_ERROR "LibTorch was not found. Run 'make install', or pass -DKAEM_TORCH_ROOT=<folder with include/ and "
                      "lib/>, or set LIBTORCH, or activate a Python environment that has torch==2.11.0.")
endif()
set(KAEM_TORCH_ROOT "${_kaem_root}" CACHE PATH "Root of LibTorch (holds include/ and lib/)" FORCE)
_kaem_torch_version("${_kaem_root}" KAEM_TORCH_VERSION)
if(NOT KAEM_TORCH_VERSION MATCHES "^2\\.11\\.")
  message(WARNING "LibTorch ${KAEM_TORCH_VERSION} in ${_kaem_root}: kaem is written for and tested with 2.11.")
endif()
message(STATUS "LibTorch ${KAEM_TORCH_VERSION}: ${_kaem_root}")

# at::parallel_for is serial in files that are compiled without OpenMP. The flag, not the library's full path: LibTorch
# brings a libgomp of the same name, and only one of the two must be loaded.
find_package(OpenMP QUIET COMPONENTS CXX)
if(NOT OpenMP_CXX_FOUND AND NOT KAEM_BUILD_FUZZ)
  message(FATAL_ERROR "The compiler ${CMAKE_CXX_COMPILER} has no OpenMP: use g++, or install the OpenMP library of clang.")
endif()
if(NOT TARGET kaem::torch)
  add_library(kaem::torch INTERFACE IMPORTED GLOBAL)
  set_target_properties(
    kaem::torch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_kaem_root}/include;${_kaem_root}/include/torch/csrc/api/include"
    INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:${OpenMP_CXX_FLAGS}>"
    INTERFACE_LINK_LIBRARIES "${_kaem_root}/lib/libtorch_cpu.so;${_kaem_root}/lib/libc10.so"
    # libtorch_cpu names CUDA's run-time libraries, which it finds by itself when it is loaded.
    INTERFACE_LINK_OPTIONS "${OpenMP_CXX_FLAGS};LINKER:--allow-shlib-undefined")
endif()
