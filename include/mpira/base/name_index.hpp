#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mpira {

/// Which number a name has, where millions of names lie in a file or can be made: kept are their hashes, 16
/// bytes a name; `name(i)` must give name i as long as the index is used.
///
/// Threads: as `name` allows.
class NameIndex {
public:
    NameIndex(std::uint32_t count, std::function<std::string(std::uint32_t)> name);

    /// The number of the name; the lowest one where several are equal.
    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const;
    /// Numbers of two equal names, the lower first; nothing where all names differ.
    [[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> twice() const;

private:
    std::function<std::string(std::uint32_t)> name_;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> by_hash_;  ///< sorted
};

}  // namespace mpira
