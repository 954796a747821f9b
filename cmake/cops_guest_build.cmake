# SPDX-License-Identifier: Apache-2.0
# The guest side as a sub-build of the same tree. It is entered on every build, so that an edit there
# is picked up; when nothing changed it costs one ninja start.
include(ExternalProject)

set(cops_guest_args
    -DCMAKE_TOOLCHAIN_FILE=${PROJECT_SOURCE_DIR}/cmake/guest-toolchain.cmake
    -DCMAKE_BUILD_TYPE=RelWithDebInfo
    -DCMAKE_INSTALL_PREFIX=${PROJECT_BINARY_DIR}
    -DCMAKE_INSTALL_MESSAGE=LAZY
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
    -DCOPS_GUEST=ON
    -DCOPS_WERROR=${COPS_WERROR}
    -DCOPS_ASSERTIONS=${COPS_ASSERTIONS}
    "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O2 -g1"
    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1"
)
foreach(launcher C_COMPILER_LAUNCHER CXX_COMPILER_LAUNCHER)
    if(CMAKE_${launcher})
        list(APPEND cops_guest_args -DCMAKE_${launcher}=${CMAKE_${launcher}})
    endif()
endforeach()

ExternalProject_Add(guest
    PREFIX ${PROJECT_BINARY_DIR}/guest
    SOURCE_DIR ${PROJECT_SOURCE_DIR}
    BINARY_DIR ${PROJECT_BINARY_DIR}/guest
    STAMP_DIR ${PROJECT_BINARY_DIR}/guest/stamp
    TMP_DIR ${PROJECT_BINARY_DIR}/guest/tmp
    CMAKE_ARGS ${cops_guest_args}
    BUILD_ALWAYS ON
    # ./dev lint wants the compile commands without a build.
    STEP_TARGETS configure
    USES_TERMINAL_BUILD ON
    BUILD_COMMAND ${CMAKE_COMMAND} --build <BINARY_DIR>
    INSTALL_COMMAND ${CMAKE_COMMAND} --install <BINARY_DIR>
)
