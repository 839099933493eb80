# Checks that are no Google Test programs; scripts/run_tests.py counts each as one test.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME layers COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/check_layers.py")
  add_test(NAME layers_self_test COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/check_layers.py" --self-test)
  add_test(NAME run_tests_self_test COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/run_tests.py" --self-test)
  if(KAEM_UNITY GREATER 1)
    add_test(NAME unity COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/check_unity.py" "${PROJECT_BINARY_DIR}")
    add_test(NAME unity_self_test COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/check_unity.py" --self-test)
  endif()
endif()
add_test(NAME simd_symbols COMMAND "${PROJECT_SOURCE_DIR}/scripts/check_simd_symbols.sh" "${PROJECT_BINARY_DIR}")

# Installs into a folder of the build tree and builds a small program against it with find_package(kaem).
# Not with sanitizers: the consumer would have to be linked with them as well.
if(NOT KAEM_SANITIZE)
  add_test(NAME package
           COMMAND "${PROJECT_SOURCE_DIR}/tests/package/check.sh" "${PROJECT_BINARY_DIR}" "${CMAKE_CXX_COMPILER}"
                   "${KAEM_TORCH_ROOT}")
  set_tests_properties(package PROPERTIES TIMEOUT 600)
endif()
