// SPDX-License-Identifier: Apache-2.0
// attack NAME: does it until somebody ends the guest; see host-tools/experiments/README.md.
#include "attack.hpp"

#include "work.hpp"

#include <cstdio>
#include <string_view>

namespace load {

void burn() {
    static Work work(1);  // Its value is nobody's: harts may race on it.
    work.run();
}

}  // namespace load

cops::Task<int> cops_main(int argc, char** argv) {
    const std::string_view name = argc == 2 ? argv[1] : "";
    for (const auto attacks : {load::claim_attacks(), load::memory_attacks()}) {
        for (const load::Attack& attack : attacks) {
            if (name == attack.name) {
                if (!attack.ends) {
                    std::printf("attack: %s\n", attack.what);
                    std::fflush(stdout);
                }
                co_return co_await attack.run();
            }
        }
    }
    std::fputs("usage: attack NAME\n", stderr);
    for (const auto attacks : {load::claim_attacks(), load::memory_attacks()}) {
        for (const load::Attack& attack : attacks) {
            std::fprintf(stderr, "  %-10s %s\n", attack.name, attack.what);
        }
    }
    co_return 2;
}
