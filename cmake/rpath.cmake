# Where programs look for libraries. Build tree: the full paths (CMake's default). Installed: beside themselves, and
# LibTorch where it was at build time. Portable: only beside themselves; the launcher adds LibTorch's folder.

set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}" "$ORIGIN")
if(KAEM_PORTABLE)
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH OFF)
  # DT_RPATH holds for the copied libraries' own dependencies too; DT_RUNPATH would not.
  add_link_options("LINKER:--disable-new-dtags")
else()
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
  # Named, as the link path leaves out folders inside the project: LibTorch in .venv.
  list(APPEND CMAKE_INSTALL_RPATH "${KAEM_TORCH_ROOT}/lib")
endif()
