# cpack in the build folder of the preset `portable`: a .deb and a tarball of what is staged in build-portable/, which run where
# LibTorch 2.11 is found (LIBTORCH, or a Python that has torch). `make package` does both.
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_NAME kaem)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_VENDOR "The kaem developers")
set(CPACK_PACKAGE_CONTACT "The kaem developers <kaem@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_SOURCE_DIR}/build-packages")
set(CPACK_PACKAGING_INSTALL_PREFIX "/")
set(CPACK_INSTALL_CMAKE_PROJECTS "")
set(CPACK_INSTALLED_DIRECTORIES "${PROJECT_SOURCE_DIR}/build-portable;opt/kaem")
set(CPACK_STRIP_FILES OFF)  # they are
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6, libstdc++6, libgomp1")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3-venv")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# /usr/bin/kaem, the manual page and completion are links to what lies in /opt/kaem.
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/cmake/debian/postinst;${PROJECT_SOURCE_DIR}/cmake/debian/prerm")
include(CPack)
