# SPDX-License-Identifier: Apache-2.0
# Third-party libraries, all from Debian (docs/dependencies.md says what each is for). Targets link
# them by the names used here.
include(${CMAKE_CURRENT_LIST_DIR}/cops_vmm_dependencies.cmake)

find_package(CLI11 REQUIRED)          # CLI11::CLI11
find_package(nlohmann_json REQUIRED)  # nlohmann_json::nlohmann_json
find_package(tomlplusplus REQUIRED)   # tomlplusplus::tomlplusplus
if(COPS_BUILD_TESTS)
    find_package(GTest REQUIRED)      # GTest::gtest_main, GTest::gmock
    find_package(rapidcheck REQUIRED) # rapidcheck
endif()
