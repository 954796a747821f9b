// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

int main(int argc, char** argv) {
    try {
        throw std::runtime_error("thrown and caught");
    } catch (const std::exception& error) {
        std::cout << error.what() << '\n';
    }
    std::map<std::string, double> roots;
    for (int i = 0; i < 1000; ++i) {
        roots[std::to_string(i)] = std::sqrt(i);
    }
    std::cout << roots.size() << ' ' << roots["144"] << '\n';
    for (int i = 1; i < argc; ++i) {
        std::ifstream file(argv[i]);
        std::string line;
        if (!std::getline(file, line)) {
            std::cout << argv[i] << ": cannot read\n";
            return 3;
        }
        std::cout << argv[i] << ": " << line << std::endl;
    }
    return 0;
}
