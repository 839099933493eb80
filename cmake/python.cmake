# The Python package (pyproject.toml): libraries in kaem/lib, with those that they need but LibTorch's, and the files of
# settings. LibTorch is found beside the package, where pip puts torch.
set_target_properties(kaem kaem_python PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/../../torch/lib"
                                                  INSTALL_RPATH_USE_LINK_PATH OFF)
# DT_RPATH holds for the copied libraries' own dependencies too; DT_RUNPATH would not.
target_link_options(kaem PRIVATE "LINKER:--disable-new-dtags")
target_link_options(kaem_python PRIVATE "LINKER:--disable-new-dtags")
set(_files "libkaem.so" "libkaem_python.so")
install(TARGETS kaem kaem_python LIBRARY DESTINATION lib COMPONENT python)
if(TARGET kaem_cuda)
  set_target_properties(kaem_cuda PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/../../torch/lib" INSTALL_RPATH_USE_LINK_PATH OFF)
  add_dependencies(kaem_python kaem_cuda)
  install(TARGETS kaem_cuda LIBRARY DESTINATION lib COMPONENT python)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/config/" DESTINATION share/config COMPONENT python FILES_MATCHING PATTERN "*.ini")
install(CODE "execute_process(COMMAND \"${PROJECT_SOURCE_DIR}/scripts/copy_needed.sh\" \"\${CMAKE_INSTALL_PREFIX}/lib\"
                              \"\${CMAKE_INSTALL_PREFIX}/lib/libkaem.so\" \"\${CMAKE_INSTALL_PREFIX}/lib/libkaem_python.so\"
                              COMMAND_ERROR_IS_FATAL ANY)" COMPONENT python)
