# Preset `portable`: after the build, the install tree with its Debian libraries, the test programs and a launcher is staged
# in build-portable/, so that a machine that has LibTorch but no Debian packages can run it.
if(KAEM_BUILD_TESTS)
  get_property(_tests DIRECTORY "${PROJECT_SOURCE_DIR}/tests" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS _tests)
    get_target_property(_type ${target} TYPE)
    if(_type STREQUAL "EXECUTABLE")
      install(TARGETS ${target} RUNTIME DESTINATION tests COMPONENT portable OPTIONAL)
      list(APPEND _programs ${target})
    endif()
  endforeach()
endif()
add_custom_target(stage_portable ALL
                  COMMAND "${PROJECT_SOURCE_DIR}/scripts/portable.sh" "${PROJECT_BINARY_DIR}" "${KAEM_TORCH_ROOT}"
                  VERBATIM COMMENT "Staging build-portable/")
add_dependencies(stage_portable kaem ${_programs} ${KAEM_PROGRAMS})
if(TARGET kaem_cuda)
  add_dependencies(stage_portable kaem_cuda)
endif()
