# What makes the build quick. LibTorch's headers take a compiler about ten seconds; a file of ours takes it one or two. So they
# are read once, into a precompiled header that the library, the programs and the tests share (KAEM_PCH), and sources
# of a folder are compiled a few at a time (KAEM_UNITY). Each file still names all that it needs: `make check-includes`
# compiles every file by itself, from LibTorch's own headers.

# The precompiled header. Its flags must be those of every file that uses it, -fPIC among them.
if(KAEM_PCH)
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/headers.cpp" CONTENT "// The precompiled header needs a source.\n")
  add_library(kaem_headers OBJECT "${PROJECT_BINARY_DIR}/headers.cpp")
  target_link_libraries(kaem_headers PRIVATE kaem::torch kaem_flags)
  target_include_directories(kaem_headers PRIVATE "${PROJECT_SOURCE_DIR}/cmake/quick")  # torch/serialize/archive.h
  target_precompile_headers(kaem_headers PRIVATE <ATen/ATen.h> <ATen/Parallel.h> <torch/nn/module.h> <torch/nn/pimpl.h>)
endif()

# Lets a target use it. Programs are compiled as position-independent code, like the library, for that.
function(kaem_use_headers target)
  if(NOT KAEM_PCH)
    return()
  endif()
  target_precompile_headers(${target} REUSE_FROM kaem_headers)
  target_include_directories(${target} BEFORE PRIVATE "${PROJECT_SOURCE_DIR}/cmake/quick")
  if(KAEM_CCACHE_PROGRAM AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # what ccache needs beside a precompiled header
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# kaem_sources(<target> <folder> [ALL] [SIZE <n>] <sources of the folder>... [ALONE <sources>...])
# Adds sources to a target, KAEM_UNITY of them to a compiler run (SIZE where the files are small or large); behind a |
# the next run begins. ALONE: by
# themselves, since a name stands in another file of the folder too, or the file takes long. ALL: whatever else the
# folder holds, which is for folders of variants: a new one is there without being listed.
function(kaem_sources target folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "ALL" "SIZE" "ALONE")
  if(arg_ALL)
    file(GLOB others RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/${folder}" "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp")
    # Not the option CONFIGURE_DEPENDS: with it every build begins by running CMake, and says so.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
    list(REMOVE_ITEM others ${arg_UNPARSED_ARGUMENTS} ${arg_ALONE} "")
    list(APPEND arg_UNPARSED_ARGUMENTS ${others})
  endif()
  set(size ${KAEM_UNITY})
  if(arg_SIZE AND KAEM_UNITY GREATER 1)
    set(size ${arg_SIZE})
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  string(REPLACE "/" "_" group "${folder}")
  set(count 0)
  set(index 0)
  foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
    if(source STREQUAL "|" OR count EQUAL size)
      math(EXPR index "${index} + 1")
      set(count 0)
    endif()
    if(NOT source STREQUAL "|")
      target_sources(${target} PRIVATE "${folder}/${source}")
      if(size GREATER 1)
        set_source_files_properties("${folder}/${source}" PROPERTIES UNITY_GROUP "${group}_${index}")
      endif()
      math(EXPR count "${count} + 1")
    endif()
  endforeach()
  list(TRANSFORM arg_ALONE PREPEND "${folder}/")
  target_sources(${target} PRIVATE ${arg_ALONE})
endfunction()
