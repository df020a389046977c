#include "mpira/base/name_index.hpp"

#include <algorithm>

namespace mpira {

NameIndex::NameIndex(std::uint32_t count, std::function<std::string(std::uint32_t)> name)
    : name_(std::move(name)), by_hash_(count) {
    for (std::uint32_t i = 0; i < count; ++i) by_hash_[i] = {std::hash<std::string>{}(name_(i)), i};
    std::ranges::sort(by_hash_);
}

std::optional<std::uint32_t> NameIndex::find(std::string_view name) const {
    std::uint64_t const hash = std::hash<std::string_view>{}(name);
    auto at = std::ranges::lower_bound(by_hash_, hash, {}, &std::pair<std::uint64_t, std::uint32_t>::first);
    for (; at != by_hash_.end() && at->first == hash; ++at)
        if (name_(at->second) == name) return at->second;
    return std::nullopt;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> NameIndex::twice() const {
    for (std::size_t i = 0; i + 1 < by_hash_.size(); ++i) {
        for (std::size_t j = i + 1; j < by_hash_.size() && by_hash_[j].first == by_hash_[i].first; ++j) {
            if (name_(by_hash_[i].second) == name_(by_hash_[j].second))
                return std::pair(by_hash_[i].second, by_hash_[j].second);
        }
    }
    return std::nullopt;
}

}  // namespace mpira
