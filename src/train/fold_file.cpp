#include "mpira/train/fold_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::train {
namespace {

using genome::HeldOutInterval;
using nlohmann::json;

constexpr std::array<char const*, 3> kSets{"train", "valid", "test"};

/// The members of a fold file, each complaint with the file's name.
class FoldFileReader {
public:
    explicit FoldFileReader(std::filesystem::path const& file) : file_(file.string()) {
        std::ifstream in(file, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        if (!in) fail_usage(fmt::format("{}: this fold file can't be read", file_));
        try {
            whole_ = json::parse(text.str());
        } catch (json::exception const& error) {
            std::string_view what = error.what();
            auto const end_of_tag = what.find("] ");
            if (end_of_tag != std::string_view::npos) what.remove_prefix(end_of_tag + 2);
            refuse("", fmt::format("is no JSON: {}", what));
        }
        require_keys(whole_, "", {"train", "valid", "test", "cell_types", "margin_bp", "design"});
        if (whole_.contains("cell_types"))
            require_keys(whole_["cell_types"], "cell_types", {"train", "valid", "test"});
    }

    [[nodiscard]] Holdout read() const {
        Holdout fold;
        fold.train = intervals("train");
        fold.validation = intervals("valid");
        fold.test = intervals("test");
        fold.train_cell_types = cell_types("train");
        fold.validation_cell_types = cell_types("valid");
        fold.test_cell_types = cell_types("test");
        if (auto const found = whole_.find("margin_bp"); found != whole_.end()) {
            bool const fits = found->is_number_integer() && *found >= 0 && *found <= kMostMargin;
            if (!fits)
                refuse("margin_bp",
                       fmt::format("is {}, expected base pairs, 0 to {}",
                                   found->dump(-1, ' ', true, json::error_handler_t::replace), kMostMargin));
            fold.margin_bp = found->get<std::int64_t>();
        }
        require_sets(fold);
        return fold;
    }

private:
    static constexpr std::int64_t kMostMargin = 1'000'000'000;

    [[noreturn]] void refuse(std::string_view key, std::string_view what) const {
        fail_usage(key.empty() ? fmt::format("{}: {}", file_, what)
                               : fmt::format("{}: \"{}\" {}", file_, key, what));
    }

    void require_keys(json const& object, std::string_view key, std::vector<std::string> const& known) const {
        if (!object.is_object()) refuse(key, fmt::format("is {}, expected an object", object.type_name()));
        for (auto const& [name, value] : object.items()) {
            if (std::ranges::find(known, name) != known.end()) continue;
            refuse(key.empty() ? name : fmt::format("{}.{}", key, name),
                   fmt::format("is no key of a fold file{}", text::did_you_mean(name, known)));
        }
    }

    [[nodiscard]] std::vector<std::string> texts(json const& object, std::string_view set,
                                                 std::string const& key, std::string_view of_what) const {
        std::vector<std::string> list;
        auto const found = object.find(set);
        if (found == object.end()) return list;
        if (!found->is_array())
            refuse(key, fmt::format("is {}, expected a list of {}", found->type_name(), of_what));
        for (auto const& one : *found) {
            if (!one.is_string()) refuse(key, fmt::format("holds {}, expected {}", one.type_name(), of_what));
            list.push_back(one.get<std::string>());
        }
        return list;
    }
    [[nodiscard]] std::vector<HeldOutInterval> intervals(char const* set) const {
        return genome::parse_held_out(texts(whole_, set, set, "chromosomes or intervals"),
                                      fmt::format("{}: \"{}\"", file_, set));
    }
    [[nodiscard]] std::vector<std::string> cell_types(char const* set) const {
        auto const found = whole_.find("cell_types");
        if (found == whole_.end()) return {};
        return texts(*found, set, fmt::format("cell_types.{}", set), "cell types");
    }

    void require_sets(Holdout const& fold) const {
        bool const by_place = !fold.test.empty() || !fold.validation.empty();
        bool const by_type = !fold.test_cell_types.empty() || !fold.validation_cell_types.empty();
        if (fold.test.empty() && (by_place || fold.test_cell_types.empty()))
            refuse("test", "is missing or empty, expected what is held out");
        if (fold.test_cell_types.empty() && by_type)
            refuse("cell_types.test", "is missing or empty, expected the cell types that are held out");
        if (by_place && fold.train.empty())
            refuse("train", "is missing or empty, expected the chromosomes or intervals to train on");
        if (by_type && fold.train_cell_types.empty())
            refuse("cell_types.train", "is missing or empty, expected the cell types to train on");
        require_apart({&fold.train, &fold.validation, &fold.test});
        std::map<std::string, std::size_t> set_of;
        auto const types = {&fold.train_cell_types, &fold.validation_cell_types, &fold.test_cell_types};
        std::size_t set = 0;
        for (auto const* const names : types) {
            for (auto const& name : *names) {
                auto const other = set_of.emplace(name, set).first->second;
                if (other != set)
                    refuse("cell_types",
                           fmt::format("has '{}' in {} and in {}", name, kSets[other], kSets[set]));
            }
            ++set;
        }
    }

    void require_apart(std::array<std::vector<HeldOutInterval> const*, 3> const& sets) const {
        struct Part {
            HeldOutInterval const* interval;
            std::size_t set;
        };
        std::vector<Part> parts;
        for (std::size_t set = 0; set < sets.size(); ++set) {
            for (auto const& interval : *sets[set]) parts.push_back({&interval, set});
        }
        std::ranges::sort(parts, [](Part const& a, Part const& b) {
            return std::tie(a.interval->chrom, a.interval->start) <
                   std::tie(b.interval->chrom, b.interval->start);
        });
        // Of each set, the interval that reaches furthest so far.
        std::array<HeldOutInterval const*, 3> furthest{};
        for (auto const& [interval, set] : parts) {
            for (std::size_t other = 0; other < sets.size(); ++other) {
                auto const* const before = furthest[other];
                if (other == set || before == nullptr || before->chrom != interval->chrom) continue;
                if (end_of(*before) > interval->start)
                    refuse(kSets[set],
                           fmt::format("has {}, which overlaps {} of \"{}\"", genome::to_text(*interval),
                                       genome::to_text(*before), kSets[other]));
            }
            auto const*& mine = furthest[set];
            if (mine == nullptr || mine->chrom != interval->chrom || end_of(*interval) > end_of(*mine))
                mine = interval;
        }
    }
    static std::int64_t end_of(HeldOutInterval const& interval) {
        return interval.end == HeldOutInterval::kWhole ? std::numeric_limits<std::int64_t>::max()
                                                       : interval.end;
    }

    std::string file_;
    json whole_;
};

json texts_of(std::vector<HeldOutInterval> const& intervals) {
    auto texts = json::array();
    for (auto const& interval : intervals) texts.push_back(genome::to_text(interval));
    return texts;
}

}  // namespace

Holdout read_fold_file(std::filesystem::path const& file) {
    return FoldFileReader(file).read();
}

std::string fold_file_text(Holdout const& fold, json const& design) {
    std::vector<std::pair<std::string, json>> members;
    if (!fold.train.empty() || !fold.validation.empty() || !fold.test.empty()) {
        members.emplace_back("train", texts_of(fold.train));
        members.emplace_back("valid", texts_of(fold.validation));
        members.emplace_back("test", texts_of(fold.test));
    }
    if (fold.margin_bp > 0) members.emplace_back("margin_bp", fold.margin_bp);
    if (!fold.test_cell_types.empty()) {
        members.emplace_back("cell_types", json{{"train", fold.train_cell_types},
                                                {"valid", fold.validation_cell_types},
                                                {"test", fold.test_cell_types}});
    }
    if (!design.is_null()) members.emplace_back("design", design);
    std::string text = "{";
    for (auto const& [key, value] : members) {
        try {
            text += fmt::format("{}\n  \"{}\": {}", text.size() == 1 ? "" : ",", key, value.dump());
        } catch (json::exception const&) {
            fail_usage(fmt::format("a name in \"{}\" isn't UTF-8, as JSON wants it", key));
        }
    }
    return text + "\n}\n";
}

std::string as_file_name(std::string text) {
    for (char& c : text) {
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '.' || c == '-' || c == '_';
        if (!plain) c = '_';
    }
    return text;
}

}  // namespace mpira::train
