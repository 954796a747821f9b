# SPDX-License-Identifier: Apache-2.0
# Installed tree: bin/cops, share/cops/<guest images>, libvmm with its headers, CMake package `cops`.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS cops RUNTIME DESTINATION bin)
if(COPS_BUILD_GUEST)
    install(DIRECTORY ${COPS_IMAGE_DIR}/ DESTINATION share/cops USE_SOURCE_PERMISSIONS
        PATTERN "apps/test-*" EXCLUDE)  # run by our tests from the build tree
endif()

set(cops_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cops)
install(TARGETS vmm_archive EXPORT cops ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY vmm/include/ virtio-cops/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")
install(EXPORT cops NAMESPACE cops:: FILE cops-targets.cmake DESTINATION ${cops_package_dir})
configure_package_config_file(
    cmake/cops-config.cmake.in ${PROJECT_BINARY_DIR}/cops-config.cmake
    INSTALL_DESTINATION ${cops_package_dir}
)
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/cops-config-version.cmake COMPATIBILITY SameMinorVersion
)
install(
    FILES
        ${PROJECT_BINARY_DIR}/cops-config.cmake
        ${PROJECT_BINARY_DIR}/cops-config-version.cmake
        cmake/cops_vmm_dependencies.cmake
    DESTINATION ${cops_package_dir}
)
