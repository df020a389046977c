#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"
#include "mpira/train/fold_file.hpp"
#include "mpira/train/holdout.hpp"

namespace mpira::train {
namespace {

using genome::HeldOutInterval;

bool overlap(HeldOutInterval const& a, HeldOutInterval const& b) {
    if (a.chrom != b.chrom) return false;
    bool const a_before = a.end != HeldOutInterval::kWhole && a.end <= b.start;
    bool const b_before = b.end != HeldOutInterval::kWhole && b.end <= a.start;
    return !a_before && !b_before;
}

std::vector<Fold> read_table(std::filesystem::path const& file) {
    MappedText const text(file);
    std::vector<Fold> folds;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        bool const has_all = fields.size() >= 4 && !fields[0].empty() && !fields[1].empty();
        auto const start = has_all ? text::to_integer(fields[2]).value_or(-1) : -1;
        auto const end = has_all ? text::to_integer(fields[3]).value_or(-1) : -1;
        if (start < 0 || start >= end)
            text.refuse(at,
                        "expected fold, chromosome, start and end (0-based, half-open), separated by tabs");
        std::string const name(fields[0]);
        HeldOutInterval interval{std::string(fields[1]), start, end};
        for (auto const& fold : folds) {
            for (auto const& other : fold.intervals) {
                if (overlap(interval, other))
                    text.refuse(at,
                                fmt::format("{} of fold {} overlaps {} of fold {}", genome::to_text(interval),
                                            name, genome::to_text(other), fold.name));
            }
        }
        auto const same =
            std::find_if(folds.begin(), folds.end(), [&](Fold const& fold) { return fold.name == name; });
        if (same == folds.end()) {
            folds.push_back({.name = name, .intervals = {std::move(interval)}});
        } else {
            same->intervals.push_back(std::move(interval));
        }
    }
    require(!folds.empty(), fmt::format("{}: no fold in this table", file.string()));
    return folds;
}

Fold read_one(std::filesystem::path const& file) {
    auto fold = read_fold_file(file);
    auto test = fold.test;
    return {.name = file.stem().string(), .intervals = std::move(test), .file = std::move(fold)};
}

// fold_2 before fold_10.
bool natural_less(std::string const& a, std::string const& b) {
    auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        if (!is_digit(a[i]) || !is_digit(b[j])) {
            if (a[i] != b[j]) return a[i] < b[j];
            ++i, ++j;
            continue;
        }
        auto const number = [&](std::string const& text, std::size_t& at) {
            auto const end =
                std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), is_digit);
            std::string digits(text.begin() + static_cast<std::ptrdiff_t>(at), end);
            at = static_cast<std::size_t>(end - text.begin());
            return digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
        };
        auto const left = number(a, i);
        auto const right = number(b, j);
        if (left.size() != right.size()) return left.size() < right.size();
        if (left != right) return left < right;
    }
    return a.size() - i != b.size() - j ? a.size() - i < b.size() - j : a < b;
}

std::vector<Fold> read_folder(std::filesystem::path const& folder) {
    std::vector<Fold> folds;
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") folds.push_back(read_one(entry.path()));
    }
    require(!folds.empty(), fmt::format("{}: no fold file (*.json) in this folder", folder.string()));
    std::ranges::sort(folds, natural_less, &Fold::name);
    return folds;
}

// Told by its content, since the name of a fold file is the user's to choose.
bool is_json(std::filesystem::path const& file) {
    std::ifstream in(file);
    char first = 0;
    in >> first;
    return first == '{' || first == '[';
}

}  // namespace

std::vector<Fold> read_folds(std::filesystem::path const& place) {
    if (std::filesystem::is_directory(place)) return read_folder(place);
    if (is_json(place)) {
        std::vector<Fold> folds;
        folds.push_back(read_one(place));
        return folds;
    }
    return read_table(place);
}

std::size_t find_fold(std::span<Fold const> folds, std::string const& name, std::string const& where) {
    if (name.empty() && folds.size() == 1) return 0;
    std::vector<std::string> known;
    for (std::size_t i = 0; i < folds.size(); ++i) {
        if (folds[i].name == name) return i;
        known.push_back(folds[i].name);
    }
    fail_usage(fmt::format("{}: no fold '{}'{}; there are {}", where, name, text::did_you_mean(name, known),
                           fmt::join(known, ", ")));
}

}  // namespace mpira::train
