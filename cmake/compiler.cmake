# Flags of every target of ours, in one place: kaem_flags. ccache is a launcher only, so its absence changes nothing.

if(KAEM_CCACHE)
  find_program(KAEM_CCACHE_PROGRAM ccache)
  mark_as_advanced(KAEM_CCACHE_PROGRAM)
  if(KAEM_CCACHE_PROGRAM)
    foreach(language CXX CUDA)
      if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
        # It takes a precompiled header only if it is told that macros and times in there may be trusted.
        set(CMAKE_${language}_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                                "${KAEM_CCACHE_PROGRAM}")
      endif()
    endforeach()
  endif()
endif()

add_library(kaem_flags INTERFACE)
target_compile_options(
  kaem_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic>"
                       # -Wpedantic is not for .cu files: nvcc's own intermediate code uses line markers that it rejects.
                       "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>")
# g++ collects garbage each time its heap has grown by a third; with 1 GB before the first time it takes a tenth less time.
target_compile_options(
  kaem_flags INTERFACE "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:--param=ggc-min-heapsize=1000000>")
if(KAEM_WERROR)
  target_compile_options(kaem_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Werror>"
                                              "$<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings>")
endif()

if(KAEM_SANITIZE STREQUAL "address" OR KAEM_SANITIZE STREQUAL "ON")
  set(_sanitizers address,undefined)
elseif(KAEM_SANITIZE STREQUAL "thread")
  set(_sanitizers thread)
elseif(KAEM_SANITIZE)
  message(FATAL_ERROR "KAEM_SANITIZE is '${KAEM_SANITIZE}': use OFF, address or thread.")
endif()
if(KAEM_SANITIZE)
  target_compile_options(kaem_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${_sanitizers}>"
                                              "$<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>"
                                              # UBSan must end the program, or a finding passes unseen.
                                              "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>")
  target_link_options(kaem_flags INTERFACE "-fsanitize=${_sanitizers}")
  # Sanitizers change what the optimiser sees; g++ 12 then warns about variables that are set on every path.
  target_compile_options(kaem_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>")
endif()
