// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tools {

/// The guest images that are shipped beside the command, in a build tree and when installed alike.
class Images {
public:
    /// `directory` holds cops-kernel and apps/.
    explicit Images(std::filesystem::path directory)
        : directory_(std::move(directory)) {}

    /// share/cops beside the folder of the running program.
    static Images beside_program();

    /// Path of the COPS kernel. Throws Failure (configuration) when it isn't there.
    std::filesystem::path kernel() const;
    /// Path of APP as the command line has it: a path when it has a slash, else a shipped name.
    /// Throws Failure (configuration) for a name that isn't shipped.
    std::filesystem::path application(std::string_view app) const;

private:
    std::filesystem::path directory_;
};

}  // namespace tools
