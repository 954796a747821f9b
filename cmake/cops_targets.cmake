# SPDX-License-Identifier: Apache-2.0
# Helpers to declare our targets, for host and guest alike.

set(COPS_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align -Wundef
    -Wimplicit-fallthrough -Wthread-safety
    # Option structs are initialised by naming only what differs from the defaults.
    -Wno-missing-designated-field-initializers
    $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
    $<$<COMPILE_LANGUAGE:CXX>:-Wmissing-declarations>
)

# Include roots of a component: public headers in include/, private ones relative to the folder.
function(cops_include_roots target scope)
    file(RELATIVE_PATH here ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    string(REGEX MATCH "^[^/]+" component "${here}")
    if(component STREQUAL "tests")
        return()
    endif()
    foreach(root ${component} ${component}/include)
        if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/${root})
            target_include_directories(
                ${target} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${root}>
            )
        endif()
    endforeach()
endfunction()

# Warnings, language rules and assertions of one of our own targets.
function(cops_house_rules target)
    target_compile_options(${target} PRIVATE ${COPS_WARNINGS})
    if(COPS_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    target_compile_definitions(
        ${target} PRIVATE COPS_ASSERTIONS=$<BOOL:${COPS_ASSERTIONS}> COPS_VERSION="${PROJECT_VERSION}"
    )
endfunction()

function(cops_no_exceptions target)
    target_compile_options(
        ${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions> $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>
    )
    # Libraries that throw from their headers unless told not to.
    target_compile_definitions(${target} PRIVATE SPDLOG_NO_EXCEPTIONS JSON_NOEXCEPTION)
endfunction()

# cops_add_library(NAME [EXCEPTIONS] [SOURCES file...] [LIBS target...] [PRIVATE_LIBS target...])
# A static library (or an interface one without SOURCES). LIBS are passed on to users.
# EXCEPTIONS is for host-tools and tests only.
function(cops_add_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "EXCEPTIONS" "" "SOURCES;LIBS;PRIVATE_LIBS")
    if(arg_SOURCES)
        add_library(${name} STATIC ${arg_SOURCES})
        cops_include_roots(${name} PUBLIC)
        cops_house_rules(${name})
        if(NOT arg_EXCEPTIONS)
            cops_no_exceptions(${name})
        endif()
        target_link_libraries(${name} PUBLIC ${arg_LIBS} PRIVATE ${arg_PRIVATE_LIBS})
    else()
        add_library(${name} INTERFACE)
        cops_include_roots(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE ${arg_LIBS})
    endif()
endfunction()

# cops_add_executable(NAME [NO_EXCEPTIONS] SOURCES file... [LIBS target...])
function(cops_add_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NO_EXCEPTIONS" "" "SOURCES;LIBS")
    add_executable(${name} ${arg_SOURCES})
    cops_include_roots(${name} PRIVATE)
    cops_house_rules(${name})
    if(arg_NO_EXCEPTIONS)
        cops_no_exceptions(${name})
    endif()
    target_link_libraries(${name} PRIVATE ${arg_LIBS})
endfunction()
