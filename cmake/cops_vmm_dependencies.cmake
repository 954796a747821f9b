# SPDX-License-Identifier: Apache-2.0
# What libvmm itself links; shared with the installed package's configuration file.
find_package(Threads REQUIRED) # Threads::Threads
find_package(fmt REQUIRED)     # fmt::fmt
find_package(spdlog REQUIRED)  # spdlog::spdlog
find_package(ZLIB REQUIRED)    # ZLIB::ZLIB
# The translator's back end is for x86-64; elsewhere the interpreter is the only engine.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    set(COPS_HAVE_DBT ON)
    find_package(asmjit REQUIRED) # asmjit::asmjit
else()
    set(COPS_HAVE_DBT OFF)
endif()
find_package(PkgConfig REQUIRED)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET GLOBAL liburing>=2.3) # PkgConfig::liburing

# libfdt ships neither a CMake package nor a pkg-config file.
if(NOT TARGET cops::fdt)
    find_path(COPS_FDT_INCLUDE_DIR libfdt.h REQUIRED)
    find_library(COPS_FDT_LIBRARY fdt REQUIRED)
    mark_as_advanced(COPS_FDT_INCLUDE_DIR COPS_FDT_LIBRARY)
    add_library(cops::fdt UNKNOWN IMPORTED GLOBAL)
    set_target_properties(cops::fdt PROPERTIES
        IMPORTED_LOCATION ${COPS_FDT_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${COPS_FDT_INCLUDE_DIR}
    )
endif()
