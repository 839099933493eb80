# cmake --install: bin/kaem, lib/libkaem.so*, include/kaem, share/kaem/config, and find_package(kaem) -> kaem::kaem.
include(CMakePackageConfigHelpers)

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kaem")
# OPTIONAL: whatever has been built is installed; the CUDA kernels are a component of their own.
install(TARGETS kaem EXPORT kaem-targets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime OPTIONAL)
get_property(KAEM_PROGRAMS DIRECTORY "${PROJECT_SOURCE_DIR}/apps" PROPERTY BUILDSYSTEM_TARGETS)
foreach(program IN LISTS KAEM_PROGRAMS)
  get_target_property(_type ${program} TYPE)
  if(_type STREQUAL "EXECUTABLE")
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT runtime OPTIONAL)
  endif()
endforeach()
if(TARGET kaem_cuda)
  install(TARGETS kaem_cuda LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT cuda OPTIONAL)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/config/" DESTINATION "${CMAKE_INSTALL_DATADIR}/kaem/config" COMPONENT runtime
        OPTIONAL FILES_MATCHING PATTERN "*.ini" PATTERN "jobs/*.txt")

# The pages that messages name, such as docs/choosing.md, in share/doc/kaem/docs.
if(NOT KAEM_PYTHON_PACKAGE)
  install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
          COMPONENT runtime)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime
          FILES_MATCHING PATTERN "*.md" PATTERN "*.png")
endif()

# The manual page and completion, made by the program of what it declares.
install(CODE "
  set(_root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
  foreach(made man:${CMAKE_INSTALL_MANDIR}/man1/kaem.1 bash:${CMAKE_INSTALL_DATADIR}/bash-completion/completions/kaem
               zsh:${CMAKE_INSTALL_DATADIR}/zsh/site-functions/_kaem)
    string(REPLACE \":\" \";\" made \${made})
    list(GET made 0 what)
    list(GET made 1 where)
    execute_process(COMMAND \"$<TARGET_FILE:kaem_cli>\" completion \${what} OUTPUT_VARIABLE text RESULT_VARIABLE fault)
    if(NOT fault)
      message(STATUS \"Installing: \${_root}/\${where}\")
      file(WRITE \"\${_root}/\${where}\" \"\${text}\")
    endif()
  endforeach()" COMPONENT runtime)
install(FILES "${PROJECT_SOURCE_DIR}/python/plot.py" DESTINATION "${CMAKE_INSTALL_DATADIR}/kaem/python" COMPONENT runtime)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/kaem" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development)
install(EXPORT kaem-targets NAMESPACE kaem:: DESTINATION "${_package_dir}" COMPONENT development)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/kaem-config.cmake.in" "${PROJECT_BINARY_DIR}/kaem-config.cmake"
                              INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/kaem-config-version.cmake" COMPATIBILITY ExactVersion)
install(FILES "${PROJECT_BINARY_DIR}/kaem-config.cmake" "${PROJECT_BINARY_DIR}/kaem-config-version.cmake"
        DESTINATION "${_package_dir}" COMPONENT development)
install(FILES "${PROJECT_SOURCE_DIR}/cmake/torch.cmake" DESTINATION "${_package_dir}" RENAME kaem-torch.cmake
        COMPONENT development)
