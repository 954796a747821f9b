# SPDX-License-Identifier: Apache-2.0
# Helpers to declare tests. A test's ctest label is the folder under tests/ it lives in.
include(GoogleTest)

# Seconds a single test of each kind may take before it counts as hung. Sanitizers run several times
# slower than plain code.
set(cops_timeout_unit 60)
set(cops_timeout_contract 60)
set(cops_timeout_differential 180)
set(cops_timeout_guest 180)
set(cops_timeout_e2e 240)
set(cops_timeout_stress 300)
set(cops_timeout_factor 1)
if(COPS_SANITIZE)
    set(cops_timeout_factor 4)
endif()

function(cops_test_timeout out label given)
    if(given)
        set(seconds ${given})
    elseif(DEFINED cops_timeout_${label})
        set(seconds ${cops_timeout_${label}})
    else()
        message(FATAL_ERROR "test label ${label}: use unit, contract, differential, guest, e2e or stress")
    endif()
    math(EXPR seconds "${seconds} * ${cops_timeout_factor}")
    set(${out} ${seconds} PARENT_SCOPE)
endfunction()

# Targets tests_unit, tests_stress, ...: all test binaries of a kind.
foreach(label unit contract differential guest e2e stress)
    add_custom_target(tests_${label})
endforeach()

# Where tests find what the build made.
function(cops_test_definitions target)
    target_compile_definitions(${target} PRIVATE
        COPS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        COPS_BINARY_DIR="${PROJECT_BINARY_DIR}"
        COPS_IMAGE_DIR="${COPS_IMAGE_DIR}"
        COPS_COMMAND="${PROJECT_BINARY_DIR}/bin/cops"
        COPS_GUEST_PROGRAM_DIR="${PROJECT_BINARY_DIR}/tests/guest-programs"
    )
endfunction()

# cops_add_test(NAME SOURCES file... [LIBS target...] LABEL label [TIMEOUT seconds] [SERIAL]
#               [ENVIRONMENT K=V...])
# One GoogleTest binary; each test case is a ctest test. SERIAL keeps it from running beside others
# (tests that fill both CPUs or compare run times).
function(cops_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "LABEL;TIMEOUT" "SOURCES;LIBS;ENVIRONMENT")
    cops_test_timeout(timeout ${arg_LABEL} "${arg_TIMEOUT}")
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/bin)
    cops_house_rules(${name})
    cops_test_definitions(${name})
    if(NOT arg_LABEL MATCHES "stress|differential")
        target_compile_options(${name} PRIVATE -O1)  # Half of the whole build is tests that run once.
    endif()
    target_link_libraries(${name} PRIVATE ${arg_LIBS} test_support GTest::gtest_main GTest::gmock)
    add_dependencies(tests_${arg_LABEL} ${name})
    gtest_discover_tests(${name}
        DISCOVERY_MODE PRE_TEST
        DISCOVERY_TIMEOUT 60
        PROPERTIES
            LABELS ${arg_LABEL}
            TIMEOUT ${timeout}
            RUN_SERIAL ${arg_SERIAL}
            ENVIRONMENT "${arg_ENVIRONMENT}"
    )
endfunction()

# cops_add_script_test(NAME COMMAND word... LABEL label [TIMEOUT seconds] [SERIAL] [ENVIRONMENT K=V...])
# A command that passes by exit 0 and is skipped by exit 77.
function(cops_add_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "LABEL;TIMEOUT" "COMMAND;ENVIRONMENT")
    cops_test_timeout(timeout ${arg_LABEL} "${arg_TIMEOUT}")
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    set_tests_properties(${name} PROPERTIES
        LABELS ${arg_LABEL}
        TIMEOUT ${timeout}
        SKIP_RETURN_CODE 77
        RUN_SERIAL ${arg_SERIAL}
        ENVIRONMENT "${arg_ENVIRONMENT}"
    )
endfunction()

add_custom_target(fuzzers)

# cops_add_fuzzer(NAME SOURCES file... [LIBS target...] [CORPUS folder])
# A libFuzzer target and a ctest test that runs it for COPS_FUZZ_SECONDS (environment, default 60).
# Exists under the fuzz preset only. CORPUS, if given, holds seeds; new finds go to the build tree.
function(cops_add_fuzzer name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;LIBS")
    if(NOT COPS_FUZZ)
        return()
    endif()
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
    cops_house_rules(${name})
    # LLVMFuzzerTestOneInput has no declaration to match.
    target_compile_options(${name} PRIVATE -Wno-missing-declarations)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE ${arg_LIBS})
    add_dependencies(fuzzers ${name})
    set(seeds)
    if(arg_CORPUS)
        get_filename_component(seeds "${arg_CORPUS}" ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    endif()
    add_test(NAME fuzz.${name}
        COMMAND ${PROJECT_SOURCE_DIR}/scripts/run_fuzzer.sh $<TARGET_FILE:${name}>
            ${PROJECT_BINARY_DIR}/corpus/${name} ${seeds}
    )
    set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 4000)
endfunction()

# cops_add_guest_program(NAME SOURCES file... [COMPILER gcc|g++] [FLAGS flag...])
# A static RISC-V Linux program made by Debian's stock cross compiler, at
# <build>/tests/guest-programs/NAME (COPS_GUEST_PROGRAM_DIR in tests).
add_custom_target(guest_programs ALL)
function(cops_add_guest_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMPILER" "SOURCES;FLAGS")
    if(NOT arg_COMPILER)
        set(arg_COMPILER gcc)
    endif()
    set(output ${PROJECT_BINARY_DIR}/tests/guest-programs/${name})
    set(sources)
    foreach(source ${arg_SOURCES})
        get_filename_component(source ${source} ABSOLUTE)
        list(APPEND sources ${source})
    endforeach()
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/tests/guest-programs)
    add_custom_command(OUTPUT ${output}
        COMMAND riscv64-linux-gnu-${arg_COMPILER} -O2 -static -MD -MF ${output}.d -MT ${output}
            ${arg_FLAGS} -o ${output} ${sources}
        DEPENDS ${sources}
        DEPFILE ${output}.d
        COMMENT "Guest program ${name} (riscv64-linux-gnu-${arg_COMPILER} -static)"
        VERBATIM
    )
    add_custom_target(guest_program_${name} DEPENDS ${output})
    add_dependencies(guest_programs guest_program_${name})
endfunction()
