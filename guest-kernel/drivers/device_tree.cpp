// SPDX-License-Identifier: Apache-2.0
#include "drivers/device_tree.hpp"

#include "base/log.hpp"

namespace kernel {

namespace {

constexpr std::uint32_t kMagic = 0xd00dfeed;
constexpr std::uint32_t kBeginNode = 1;
constexpr std::uint32_t kEndNode = 2;
constexpr std::uint32_t kProperty = 3;
constexpr std::uint32_t kNop = 4;
constexpr std::uint64_t kMaxBytes = 4 << 20;
constexpr unsigned kMaxDepth = 8;

std::uint32_t big32(const std::byte* at) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        value = value << 8 | static_cast<std::uint32_t>(at[i]);
    }
    return value;
}

using Bytes = std::span<const std::byte>;

std::uint64_t number(Bytes value) {
    if (value.size() >= 8) {
        return std::uint64_t{big32(value.data())} << 32 | big32(value.data() + 4);
    }
    return value.size() >= 4 ? big32(value.data()) : 0;
}

std::string_view text(Bytes value) {
    std::size_t length = 0;
    while (length < value.size() && value[length] != std::byte{0}) {
        ++length;
    }
    return {reinterpret_cast<const char*>(value.data()), length};
}

// A property that is a list of strings has this one.
bool has_string(Bytes value, std::string_view wanted) {
    while (!value.empty()) {
        const std::string_view one = text(value);
        if (one == wanted) {
            return true;
        }
        value = value.subspan(one.size() < value.size() ? one.size() + 1 : one.size());
    }
    return false;
}

// The properties of a node that matter, collected until the node ends.
struct Node {
    std::string_view name;
    Bytes compatible;
    Bytes reg;
    Bytes interrupts;
    Bytes contexts;  // interrupts-extended
    Bytes isa;
    Bytes device_type;
    std::uint32_t phandle = 0;
    std::uint32_t hart = ~0u;  // of the cpu that a node lies in
};

struct Reader {
    Platform* platform;
    Node stack[kMaxDepth];
    unsigned depth = 0;
    // Interrupt controller of each hart, to read the PLIC's contexts.
    std::uint32_t controller[kMaxHarts] = {};
    Bytes plic_contexts;

    void property(std::string_view name, Bytes value);
    void end_node();
    void resolve_contexts();
};

void Reader::property(std::string_view name, Bytes value) {
    if (depth == 0 || depth > kMaxDepth) {
        return;
    }
    Node& node = stack[depth - 1];
    if (name == "compatible") {
        node.compatible = value;
    } else if (name == "reg") {
        node.reg = value;
        if (depth >= 2 && stack[depth - 2].name == "cpus") {
            node.hart = static_cast<std::uint32_t>(number(value));
        }
    } else if (name == "interrupts") {
        node.interrupts = value;
    } else if (name == "interrupts-extended") {
        node.contexts = value;
    } else if (name == "riscv,isa") {
        node.isa = value;
    } else if (name == "device_type") {
        node.device_type = value;
    } else if (name == "phandle") {
        node.phandle = static_cast<std::uint32_t>(number(value));
    } else if (name == "timebase-frequency") {
        platform->timebase = number(value);
    } else if (node.name == "chosen") {
        if (name == "bootargs") {
            platform->bootargs = text(value);
        } else if (name == "linux,initrd-start") {
            platform->initrd_start = number(value);
        } else if (name == "linux,initrd-end") {
            platform->initrd_end = number(value);
        } else if (name == "rng-seed") {
            platform->rng_seed = value;
        }
    }
}

void Reader::end_node() {
    Node& node = stack[depth - 1];
    const std::uint32_t irq = static_cast<std::uint32_t>(number(node.interrupts));
    if (text(node.device_type) == "cpu" && node.hart < kMaxHarts) {
        platform->harts |= std::uint64_t{1} << node.hart;
        if (platform->isa.empty()) {
            platform->isa = text(node.isa);
        }
    } else if (text(node.device_type) == "memory" && node.reg.size() >= 16
               && platform->ram_end == 0) {
        platform->ram_start = number(node.reg);
        platform->ram_end = platform->ram_start + number(node.reg.subspan(8));
    } else if (has_string(node.compatible, "riscv,cpu-intc") && depth >= 2
               && stack[depth - 2].hart < kMaxHarts) {
        controller[stack[depth - 2].hart] = node.phandle;
    } else if (has_string(node.compatible, "riscv,plic0")
               || has_string(node.compatible, "sifive,plic-1.0.0")) {
        platform->plic = number(node.reg);
        plic_contexts = node.contexts;
    } else if (has_string(node.compatible, "ns16550a") && platform->uart == 0) {
        platform->uart = number(node.reg);
        platform->uart_irq = irq;
    } else if (has_string(node.compatible, "sifive,test0")) {
        platform->finisher = number(node.reg);
    } else if (has_string(node.compatible, "virtio,mmio")
               && platform->virtio_count < Platform::kMaxVirtio) {
        platform->virtio[platform->virtio_count++] = {number(node.reg), irq};
    }
}

// interrupts-extended: pairs (interrupt controller, cause); cause 9 is S-mode external.
void Reader::resolve_contexts() {
    for (std::uint32_t& context : platform->plic_context) {
        context = ~0u;
    }
    for (std::size_t i = 0; i + 8 <= plic_contexts.size(); i += 8) {
        const std::uint32_t phandle = big32(plic_contexts.data() + i);
        if (big32(plic_contexts.data() + i + 4) != 9) {
            continue;
        }
        for (unsigned hart = 0; hart < kMaxHarts; ++hart) {
            if (controller[hart] == phandle && phandle != 0) {
                platform->plic_context[hart] = static_cast<std::uint32_t>(i / 8);
            }
        }
    }
}

}  // namespace

std::uint64_t device_tree_bytes(PhysAddr address) {
    const auto* const tree = direct<std::byte>(address);
    return big32(tree) == kMagic ? big32(tree + 4) : 0;
}

bool read_device_tree(PhysAddr address, Platform& platform) {
    const auto* const tree = direct<std::byte>(address);
    const std::uint64_t total = device_tree_bytes(address);
    if (total < 40 || total > kMaxBytes) {
        return false;
    }
    const std::uint64_t strings = big32(tree + 12);
    Reader reader{};
    reader.platform = &platform;
    std::uint64_t at = big32(tree + 8);
    unsigned depth = 0;
    while (at + 4 <= total) {
        const std::uint32_t token = big32(tree + at);
        at += 4;
        if (token == kBeginNode) {
            const std::string_view name = text(Bytes(tree + at, total - at));
            at = (at + name.size() + 4) & ~std::uint64_t{3};
            if (++depth <= kMaxDepth) {
                reader.depth = depth;
                reader.stack[depth - 1] = Node{};
                reader.stack[depth - 1].name = name;
            }
        } else if (token == kEndNode) {
            if (depth == 0) {
                return false;
            }
            if (depth <= kMaxDepth) {
                reader.end_node();
            }
            reader.depth = --depth;
        } else if (token == kProperty) {
            if (at + 8 > total) {
                return false;
            }
            const std::uint64_t size = big32(tree + at);
            const std::uint64_t name = strings + big32(tree + at + 4);
            at += 8;
            if (size > total - at || name >= total) {
                return false;
            }
            if (depth <= kMaxDepth) {
                reader.property(text(Bytes(tree + name, total - name)), Bytes(tree + at, size));
            }
            at = (at + size + 3) & ~std::uint64_t{3};
        } else if (token != kNop) {
            break;  // the end
        }
    }
    reader.resolve_contexts();
    return depth == 0 && platform.ram_end > platform.ram_start && platform.harts != 0;
}

std::string_view boot_option(std::string_view line, std::string_view key) {
    while (!line.empty()) {
        const std::size_t end = line.find(' ');
        const std::string_view word = line.substr(0, end);
        if (word.substr(0, key.size()) == key && word.size() > key.size()
            && word[key.size()] == '=') {
            return word.substr(key.size() + 1);
        }
        if (word == key) {
            return word;
        }
        line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
    }
    return {};
}

std::uint64_t parse_number(std::string_view text, std::uint64_t otherwise) {
    std::uint64_t value = 0;
    if (text.empty() || text.size() > 19) {
        return otherwise;
    }
    for (const char digit : text) {
        if (digit < '0' || digit > '9') {
            return otherwise;
        }
        value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return value;
}

}  // namespace kernel
