# SPDX-License-Identifier: Apache-2.0
# Helpers of the guest-side build.

# cops_install_image(TARGET [NAME file]): ships an executable target as share/cops/NAME.
function(cops_install_image target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME" "")
    if(NOT arg_NAME)
        set(arg_NAME ${target})
    endif()
    install(PROGRAMS $<TARGET_FILE:${target}> DESTINATION share/cops RENAME ${arg_NAME})
endfunction()
