// SPDX-License-Identifier: Apache-2.0
#include "experiment/results.hpp"

#include "report/json.hpp"
#include "support/failure.hpp"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <istream>
#include <string>
#include <utility>

namespace tools {
namespace {

namespace fs = std::filesystem;

/// As RFC 4180 has it.
std::string csv_text(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        result += c;
        if (c == '"') {
            result += '"';
        }
    }
    return result + '"';
}

/// Numbers of all virtual CPUs of a guest together.
vmm::VcpuReport total_of(const vmm::GuestReport& guest) {
    vmm::VcpuReport total;
    for (const vmm::VcpuReport& vcpu : guest.vcpus) {
        total.run_ns += vcpu.run_ns;
        total.wait_ns += vcpu.wait_ns;
        total.steal_ns += vcpu.steal_ns;
        total.switches += vcpu.switches;
        total.preemptions += vcpu.preemptions;
        total.instructions += vcpu.instructions;
        total.supervisor_traps += vcpu.supervisor_traps;
        total.user_interrupts += vcpu.user_interrupts;
        total.sbi_calls += vcpu.sbi_calls;
        total.mmio_exits += vcpu.mmio_exits;
    }
    return total;
}

constexpr std::size_t kLongestSample = 256;
constexpr std::uint64_t kMostSampleBytes = std::uint64_t{1} << 28;

/// The next line without its end, its first kLongestSample + 1 bytes. False at the end of the file,
/// and when `left` bytes, which it counts down, have been read.
bool read_line(std::istream& file, std::string& line, std::uint64_t& left) {
    line.clear();
    bool any = false;
    for (; left != 0; --left) {
        const int c = file.rdbuf()->sbumpc();
        if (c == std::char_traits<char>::eof()) {
            return any;
        }
        any = true;
        if (c == '\n') {
            --left;
            return true;
        }
        if (line.size() <= kLongestSample) {
            line += static_cast<char>(c);
        }
    }
    return false;
}

}  // namespace

ResultFolder::ResultFolder(fs::path folder)
    : folder_(std::move(folder)) {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error || !fs::is_directory(folder_, error)) {
        throw configuration_failure(fmt::format(
            "--csv: cannot make the folder {}: {}",
            folder_.string(),
            error ? error.message() : "something else is there"
        ));
    }
    const bool empty = fs::is_empty(folder_, error);
    if (error) {
        throw configuration_failure(
            fmt::format("--csv: cannot look into {}: {}", folder_.string(), error.message())
        );
    }
    if (!empty) {
        throw configuration_failure(fmt::format(
            "--csv: {} is not empty; name a new folder, so that no two experiments are mixed",
            folder_.string()
        ));
    }
    runs_ = open("runs.csv", "run,round,policy,failed,exit_code,wall_ns,workers,message");
    guests_ = open(
        "guests.csv",
        "run,policy,guest,engine,ending,status,run_ns,wait_ns,steal_ns,switches,preemptions,"
        "instructions,supervisor_traps,user_interrupts,sbi_calls,mmio_exits"
    );
    figures_ = open("figures.csv", "run,policy,guest,kind,name,key,value");
    samples_ = open("samples.csv", "run,policy,guest,name,level,at_ns,latency_ns");
}

std::ofstream ResultFolder::open(const char* name, const char* header) {
    const fs::path path = folder_ / name;
    errno = 0;
    std::ofstream file(path, std::ios::binary);
    file << header << '\n' << std::flush;
    if (!file) {
        throw configuration_failure(
            fmt::format("--csv: cannot write {}: {}", path.string(), std::strerror(errno))
        );
    }
    return file;
}

std::string ResultFolder::samples_file(const std::string& guest) {
    const fs::path path = folder_ / (guest + ".samples");
    const std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (!file) {
        throw Failure(
            vmm::ErrorKind::internal,
            fmt::format("cannot write {}: {}", path.string(), std::strerror(errno))
        );
    }
    writers_.push_back(guest);
    return fs::absolute(path).string();
}

std::string ResultFolder::add(const Run& run) {
    fmt::print(
        runs_,
        "{},{},{},{},{},{},{},{}\n",
        run.number,
        run.round,
        run.policy,
        run.failed() ? 1 : 0,
        run.exit_code,
        run.report.wall_ns,
        run.report.workers,
        csv_text(run.message)
    );
    for (std::size_t i = 0; i < run.report.guests.size(); ++i) {
        const vmm::GuestReport& guest = run.report.guests[i];
        const vmm::VcpuReport total = total_of(guest);
        const std::string begin =
            fmt::format("{},{},{},", run.number, run.policy, guest.outcome.name);
        fmt::print(
            guests_,
            "{}{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
            begin,
            guest.engine,
            ending_name(guest.outcome.ending),
            guest.outcome.status,
            total.run_ns,
            total.wait_ns,
            total.steal_ns,
            total.switches,
            total.preemptions,
            total.instructions,
            total.supervisor_traps,
            total.user_interrupts,
            total.sbi_calls,
            total.mmio_exits
        );
        for (const Figure& one : run.figures[i]) {
            fmt::print(figures_, "{}{},{},{},{}\n", begin, one.kind, one.name, one.key, one.value);
        }
    }
    std::string wrong;
    for (const std::string& guest : std::exchange(writers_, {})) {
        const std::string here = add_samples(run, guest);
        wrong = wrong.empty() ? here : wrong;
    }
    check_written();
    return wrong;
}

/// What the guest wrote is a guest's word, and the file as large as it likes, with holes: no more
/// is kept of a line than a sample may have, and no more read than so many bytes. Lines that are no
/// samples are not taken over.
std::string ResultFolder::add_samples(const Run& run, const std::string& guest) {
    const fs::path path = folder_ / (guest + ".samples");
    std::ifstream file(path, std::ios::binary);
    std::size_t number = 0;
    std::size_t first_wrong = 0;
    std::uint64_t left = kMostSampleBytes;
    for (std::string line; read_line(file, line, left);) {
        ++number;
        RawSample sample;
        if (line.size() <= kLongestSample && parse_sample(line, sample)) {
            fmt::print(
                samples_,
                "{},{},{},{},{},{},{}\n",
                run.number,
                run.policy,
                guest,
                sample.name,
                sample.level,
                sample.at_ns,
                sample.latency_ns
            );
        } else if (first_wrong == 0) {
            first_wrong = number;
        }
    }
    std::error_code error;
    fs::remove(path, error);
    if (left == 0) {
        return fmt::format(
            "{}: its samples are more than {} MiB; the rest is left out",
            guest,
            kMostSampleBytes >> 20
        );
    }
    if (first_wrong != 0) {
        return fmt::format(
            "{}: line {} of its samples is not name,level,at_ns,latency_ns", guest, first_wrong
        );
    }
    return {};
}

void ResultFolder::check_written() {
    for (std::ofstream* file : {&runs_, &guests_, &figures_, &samples_}) {
        errno = 0;
        if (!file->flush()) {
            throw Failure(
                vmm::ErrorKind::internal,
                fmt::format(
                    "cannot write the results to {}: {}", folder_.string(), std::strerror(errno)
                )
            );
        }
    }
}

}  // namespace tools
