#include "store/same_campaign.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira::store {
namespace {

struct Difference {
    std::string key;
    nlohmann::json was;
    nlohmann::json now;
};

/// Key by key.
void collect(std::string const& key, nlohmann::json const& was, nlohmann::json const& now,
             std::vector<Difference>& differences) {
    if (was == now) return;
    if (!was.is_object() || !now.is_object()) {
        differences.push_back({key, was, now});
        return;
    }
    nlohmann::json const absent(nlohmann::json::value_t::discarded);
    auto const below = [&](std::string const& name) { return key.empty() ? name : key + "." + name; };
    for (auto const& [name, value] : was.items())
        collect(below(name), value, now.contains(name) ? now.at(name) : absent, differences);
    for (auto const& [name, value] : now.items())
        if (!was.contains(name)) differences.push_back({below(name), absent, value});
}

/// Of a file's content: names the difference, but says nothing of it.
bool is_hash(nlohmann::json const& value) {
    constexpr std::size_t kDigits = 32;
    if (!value.is_string()) return false;
    auto const& text = value.get_ref<std::string const&>();
    return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// Names what differs: a setting, which users know, before the hashes that follow from it.
void require_equal(std::filesystem::path const& file, std::string const& version, nlohmann::json const& was,
                   nlohmann::json const& now) {
    std::vector<Difference> differences;
    collect("", was, now, differences);
    if (differences.empty()) return;
    auto const told = std::ranges::find_if(
        differences, [](Difference const& one) { return !is_hash(one.was) && !is_hash(one.now); });
    auto const& one = told == differences.end() ? differences.front() : *told;
    auto const words = [](nlohmann::json const& value) {
        return value.is_discarded() ? std::string("(not given)") : value.dump();
    };
    bool const is_unknown = one.was.is_discarded() || one.now.is_discarded();
    fail_usage(fmt::format(
        "output {} was made with {} = {}, now {}; {}start over with --fresh --overwrite, or name another "
        "--output",
        file.string(), one.key, words(one.was), words(one.now),
        is_unknown ? fmt::format("finish it with mpira {}, which made it, or ", version) : std::string()));
}

}  // namespace

void require_same_campaign(std::filesystem::path const& file, ResultMap const& map,
                           ResultLayout const& layout) {
    require(!map.sealed,
            fmt::format("output {} is a sealed copy and takes no more rows; give the unsealed file "
                        "or another --output",
                        file.string()));
    auto was = layout_to_json(map.layout);
    auto now = layout_to_json(layout);
    require(was["job"] == now["job"], fmt::format("output {} is a result of job '{}', not of '{}'; start "
                                                  "over with --fresh --overwrite, or name another --output",
                                                  file.string(), map.layout.job, layout.job));
    // Before the cut: settings are what users know.
    require_equal(file, map.version, map.layout.identity, layout.identity);
    was.erase("fixed_arrays");
    now.erase("fixed_arrays");
    require_equal(file, map.version, was, now);
    bool same = map.layout.fixed_arrays.size() == layout.fixed_arrays.size();
    for (std::size_t i = 0; same && i < layout.fixed_arrays.size(); ++i) {
        auto const& before = map.layout.fixed_arrays[i];
        auto const& after = layout.fixed_arrays[i];
        // Values are given at creation only; a resume may leave them out.
        same = before.path == after.path && before.type == after.type && before.shape == after.shape;
    }
    require(same, fmt::format("output {} was made with other fixed arrays; start over with --fresh "
                              "--overwrite, or name another --output",
                              file.string()));
}

}  // namespace mpira::store
